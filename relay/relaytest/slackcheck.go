package relaytest

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// checkBlocks says what is wrong with the blocks of a message, "" for nothing.
// The limits are those of docs.slack.dev, Block Kit.
func checkBlocks(blocks []any) string {
	if len(blocks) > 50 {
		return "more than 50 blocks"
	}
	ids := map[string]bool{}
	if n := runesIn(blocks, "markdown", "text"); n > 12000 {
		return "the markdown blocks are longer than 12000 together"
	}
	if n := runesIn(blocks, "table", "rows"); n > 10000 {
		return "the tables are longer than 10000 together"
	}
	for i, v := range blocks {
		b, ok := v.(map[string]any)
		if !ok {
			return fmt.Sprintf("blocks[%d] is not an object", i)
		}
		if why := checkBlock(b); why != "" {
			return fmt.Sprintf("blocks[%d]: %s", i, why)
		}
		if id, ok := b["block_id"]; ok {
			s, ok := id.(string)
			if !ok || s == "" || len([]rune(s)) > 255 || ids[s] {
				return fmt.Sprintf("blocks[%d]: block_id is not a unique text of 1 to 255 characters", i)
			}
			ids[s] = true
		}
	}
	return ""
}

// shape is what an object may and must have; each check says what is wrong with
// a member, "" for nothing.
type shape struct {
	required []string
	members  map[string]func(any) string
}

// check holds an object against its shape.
func (s shape) check(m map[string]any) string {
	for _, name := range s.required {
		if _, ok := m[name]; !ok {
			return name + " is missing"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name == "type" || name == "block_id" {
			continue
		}
		check, ok := s.members[name]
		if !ok {
			return name + " is not a member"
		}
		if why := check(m[name]); why != "" {
			return name + ": " + why
		}
	}
	return ""
}

// textObject checks a text object of one of the types.
func textObject(limit int, types ...string) func(any) string {
	return func(v any) string {
		m, ok := v.(map[string]any)
		if !ok {
			return "not a text object"
		}
		kind, _ := m["type"].(string)
		if !slices.Contains(types, kind) {
			return "its type is not " + strings.Join(types, " or ")
		}
		members := map[string]func(any) string{"text": text(1, limit)}
		if kind == "plain_text" {
			members["emoji"] = isBool
		} else {
			members["verbatim"] = isBool
		}
		return shape{[]string{"text"}, members}.check(m)
	}
}

// contextElement checks an element of a context block: a text or an image.
func contextElement(v any) string {
	m, ok := v.(map[string]any)
	if ok && m["type"] == "image" {
		return shape{[]string{"alt_text"}, map[string]func(any) string{
			"image_url": isURL, "slack_file": anything, "alt_text": text(1, 2000),
		}}.check(m)
	}
	return textObject(3000, "plain_text", "mrkdwn")(v)
}

// richText wants types, and no empty text, at any depth.
func richText(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return "not an element"
	}
	switch kind, _ := m["type"].(string); kind {
	case "":
		return "type is missing"
	case "text":
		return text(1, 1<<20)(m["text"])
	case "link":
		return isURL(m["url"])
	}
	if elements, ok := m["elements"]; ok {
		return list(1, 1<<16, richText)(elements)
	}
	return ""
}

// list checks a list's length and its elements.
func list(least, most int, check func(any) string) func(any) string {
	return func(v any) string {
		l, ok := v.([]any)
		if !ok || len(l) < least || len(l) > most {
			return fmt.Sprintf("not a list of %d to %d", least, most)
		}
		for i, e := range l {
			if why := check(e); why != "" {
				return fmt.Sprintf("[%d]: %s", i, why)
			}
		}
		return ""
	}
}

// text checks a string's length in characters.
func text(least, most int) func(any) string {
	return func(v any) string {
		s, ok := v.(string)
		if n := len([]rune(s)); !ok || n < least || n > most {
			return fmt.Sprintf("not a text of %d to %d characters", least, most)
		}
		return ""
	}
}

func oneOf(words ...string) func(any) string {
	return func(v any) string {
		if s, ok := v.(string); !ok || !slices.Contains(words, s) {
			return "not one of " + strings.Join(words, ", ")
		}
		return ""
	}
}

func isURL(v any) string {
	s, _ := v.(string)
	if u, err := url.Parse(s); err != nil || u.Scheme == "" || u.Host == "" || len(s) > 3000 {
		return "not a URL of up to 3000 characters"
	}
	return ""
}

func isBool(v any) string {
	if _, ok := v.(bool); !ok {
		return "not true or false"
	}
	return ""
}

func anything(any) string { return "" }
