package target

import "strings"

// Slack's limits, in characters and pieces (docs.slack.dev, Block Kit). What is
// longer is cut: a message that lacks its end is worth more than none.
const (
	maxSlackText     = 40000 // top-level text
	maxSlackBlocks   = 50
	maxSlackHeader   = 150
	maxSlackSection  = 3000
	maxSlackField    = 2000
	maxSlackFields   = 10
	maxSlackContext  = 2000 // one element of a context block
	maxSlackElements = 10   // of a context block
	maxSlackActions  = 25
	maxSlackButton   = 75
	maxSlackMarkdown = 12000
	maxSlackAlt      = 2000
	maxSlackObject   = 3000 // any other text object
)

// fitBlocks makes rendered blocks fit Slack's limits, in place: texts that are
// too long are cut, pieces beyond a limit and texts that turned out empty are
// left out, since Slack would refuse the whole message for them. What is no
// block is left to Slack to judge.
func fitBlocks(blocks []any) []any {
	kept := blocks[:0]
	for _, b := range blocks {
		if m, ok := b.(map[string]any); !ok || fitBlock(m) {
			kept = append(kept, b)
		}
	}
	return kept[:min(len(kept), maxSlackBlocks)]
}

// fitBlock makes one block fit and reports whether anything is left of it.
func fitBlock(b map[string]any) bool {
	switch b["type"] {
	case "header":
		return fitText(b["text"], maxSlackHeader)
	case "section":
		if !fitText(b["text"], maxSlackSection) {
			delete(b, "text")
		}
		fitList(b, "fields", maxSlackFields, func(f any) bool { return fitText(f, maxSlackField) })
		fitElement(b["accessory"])
		return b["text"] != nil || b["fields"] != nil
	case "context":
		fitList(b, "elements", maxSlackElements, func(e any) bool { return fitText(e, maxSlackContext) })
		return b["elements"] != nil
	case "actions":
		fitList(b, "elements", maxSlackActions, fitElement)
		return b["elements"] != nil
	case "image":
		cutMember(b, "alt_text", maxSlackAlt)
		if !fitText(b["title"], maxSlackAlt) {
			delete(b, "title")
		}
	case "markdown":
		cutMember(b, "text", maxSlackMarkdown)
		return b["text"] != ""
	case "rich_text":
		fitRichText(b)
		return b["elements"] != nil
	}
	return true
}

// fitList keeps the elements of a list that fit says to keep, at most limit of
// them; a list with none left is removed.
func fitList(b map[string]any, key string, limit int, fit func(any) bool) {
	list, ok := b[key].([]any)
	if !ok {
		return
	}
	kept := list[:0]
	for _, e := range list {
		if fit(e) {
			kept = append(kept, e)
		}
	}
	if b[key] = kept[:min(len(kept), limit)]; len(kept) == 0 {
		delete(b, key)
	}
}

// fitText cuts a text object and reports whether it says something. What is no
// text object (an image in a context block) is left alone.
func fitText(v any, limit int) bool {
	t, ok := v.(map[string]any)
	if !ok {
		return v != nil
	}
	if t["type"] != "plain_text" && t["type"] != "mrkdwn" {
		return true
	}
	cutMember(t, "text", limit)
	text, ok := t["text"].(string)
	return !ok || strings.TrimSpace(text) != ""
}

// fitElement cuts what buttons show, and any text object of other elements.
func fitElement(v any) bool {
	e, ok := v.(map[string]any)
	if !ok {
		return v != nil
	}
	limit := maxSlackObject
	if e["type"] == "button" {
		limit = maxSlackButton
	}
	return e["text"] == nil || fitText(e["text"], limit)
}

// fitRichText leaves empty texts out, at any depth.
func fitRichText(v map[string]any) {
	fitList(v, "elements", 1<<16, func(e any) bool {
		m, ok := e.(map[string]any)
		if !ok {
			return true
		}
		if m["type"] == "text" {
			return m["text"] != ""
		}
		_, nested := m["elements"]
		fitRichText(m)
		return !nested || m["elements"] != nil
	})
}

// cutMember cuts a string member.
func cutMember(m map[string]any, key string, limit int) {
	if s, ok := m[key].(string); ok {
		m[key] = cutText(s, limit)
	}
}

// cutText cuts Slack text to at most limit characters, with "…" in place of
// what is missing. It never cuts inside a character, an escape (&lt;) or a link
// (<https://…|…>), half of which would be something else. A character outside
// the basic plane counts as two, as in JavaScript: whichever way Slack counts,
// it fits.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	end, length := 0, 0 // end of the longest start that leaves room for "…"
	for i, c := range s {
		if length <= limit-1 {
			end = i
		}
		if length++; c > 0xffff {
			length++
		}
	}
	if length <= limit {
		return s
	}
	head := s[:end]
	if i := strings.LastIndexByte(head, '&'); i >= 0 {
		for _, escape := range [...]string{"&amp;", "&lt;", "&gt;"} {
			if strings.HasPrefix(escape, head[i:]) && escape != head[i:] {
				head = head[:i]
				break
			}
		}
	}
	if i := strings.LastIndexByte(head, '<'); i > strings.LastIndexByte(head, '>') {
		head = head[:i]
	}
	return head + "…"
}
