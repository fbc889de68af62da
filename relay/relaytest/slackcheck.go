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

// blockShapes are the blocks that are checked through; others are taken as they are.
func blockShapes() map[string]shape {
	members := func(m map[string]func(any) string) map[string]func(any) string { return m }
	return map[string]shape{
		"divider": {},
		"header":  {[]string{"text"}, members(map[string]func(any) string{"text": textObject(150, "plain_text")})},
		"section": {nil, members(map[string]func(any) string{
			"text":      textObject(3000, "plain_text", "mrkdwn"),
			"fields":    list(1, 10, textObject(2000, "plain_text", "mrkdwn")),
			"accessory": element, "expand": isBool,
		})},
		"context": {[]string{"elements"}, members(map[string]func(any) string{"elements": list(1, 10, contextElement)})},
		"actions": {[]string{"elements"}, members(map[string]func(any) string{"elements": list(1, 25, element)})},
		"image": {[]string{"alt_text"}, members(map[string]func(any) string{
			"image_url": isURL, "slack_file": anything, "alt_text": text(1, 2000), "title": textObject(2000, "plain_text"),
		})},
		"markdown":  {[]string{"text"}, members(map[string]func(any) string{"text": text(1, 12000)})},
		"rich_text": {[]string{"elements"}, members(map[string]func(any) string{"elements": list(1, 1000, richText)})},
		"file":      {nil, nil}, "input": {nil, nil}, "video": {nil, nil}, "table": {nil, nil},
	}
}

// checkBlock holds a block against its type's shape.
func checkBlock(b map[string]any) string {
	kind, ok := b["type"].(string)
	if !ok {
		return "type is missing"
	}
	s, ok := blockShapes()[kind]
	if !ok {
		return "unknown type"
	}
	if s.members == nil && kind != "divider" {
		return ""
	}
	if why := s.check(b); why != "" {
		return kind + ": " + why
	}
	if kind == "section" && b["text"] == nil && b["fields"] == nil {
		return "section: neither text nor fields"
	}
	if kind == "image" && (b["image_url"] == nil) == (b["slack_file"] == nil) {
		return "image: not exactly one of image_url and slack_file"
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

// element checks a button; of other elements it only wants a type.
func element(v any) string {
	m, ok := v.(map[string]any)
	if !ok {
		return "not an element"
	}
	kind, _ := m["type"].(string)
	switch kind {
	case "":
		return "type is missing"
	case "button":
		return shape{[]string{"text"}, map[string]func(any) string{
			"text": textObject(75, "plain_text"), "action_id": text(1, 255), "url": isURL, "value": text(1, 2000),
			"style": oneOf("primary", "danger"), "confirm": anything, "accessibility_label": text(1, 75),
		}}.check(m)
	case "image":
		return contextElement(v)
	default:
		return ""
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
	if kind, _ := m["type"].(string); kind == "" {
		return "type is missing"
	} else if kind == "text" {
		return text(1, 1<<20)(m["text"])
	}
	if elements, ok := m["elements"]; ok {
		return list(0, 1<<16, richText)(elements)
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
