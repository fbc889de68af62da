package relaytest

import (
	"regexp"
	"strings"
	"unicode"
)

// Live lists what in a message would act: mentions, links, and addresses that
// Slack turns into links by itself. Dates (<!date^…>) only show a time.
func (m SlackMessage) Live() []string {
	var live []string
	if len(m.Blocks) == 0 {
		live = append(live, liveIn(m.Top, false)...)
	} else {
		live = append(live, angled(m.Top)...) // only notifications show it
	}
	for _, b := range m.Blocks {
		walkTexts(b, func(t map[string]any) {
			if s, _ := t["text"].(string); t["type"] == "mrkdwn" {
				live = append(live, liveIn(s, t["verbatim"] == true)...)
			}
		})
	}
	return live
}

// liveIn lists what acts in mrkdwn.
func liveIn(s string, verbatim bool) []string {
	live := angled(s)
	if !verbatim {
		rest := regexp.MustCompile(`<[^<>]*>`).ReplaceAllString(s, " ")
		live = append(live, regexp.MustCompile(`(?i)\b(https?://|mailto:|slack:)[^\s|>\x{2060}]+`).FindAllString(rest, -1)...)
	}
	return live
}

// angled lists mentions and links in angle brackets.
func angled(s string) []string {
	var live []string
	for _, a := range regexp.MustCompile(`<[^<>\s][^<>]*>`).FindAllString(s, -1) {
		if !strings.HasPrefix(a, "<!date^") {
			live = append(live, a)
		}
	}
	return live
}

// walkTexts calls f for every text object, in the order a person reads them.
func walkTexts(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		if t := v["type"]; t == "mrkdwn" || t == "plain_text" {
			f(v)
			return
		}
		for _, key := range []string{"title", "text", "fields", "elements", "accessory"} {
			walkTexts(v[key], f)
		}
	case []any:
		for _, e := range v {
			walkTexts(e, f)
		}
	}
}

// Text is the message as a person sees it, for a terminal: nothing in it is a
// control character but line breaks.
func (m SlackMessage) Text() string {
	var b strings.Builder
	for i, block := range m.Blocks {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeBlock(&b, block)
	}
	if len(m.Blocks) == 0 {
		b.WriteString(seen("mrkdwn", m.Top))
	}
	return strings.TrimRight(b.String(), "\n")
}

// writeBlock writes one block and a line break.
func writeBlock(b *strings.Builder, block map[string]any) {
	kind := block["type"]
	switch kind {
	case "divider":
		b.WriteString(strings.Repeat("─", 40) + "\n")
		return
	case "image":
		b.WriteString("[" + textOf(block["title"], "image") + "]\n")
		return
	case "markdown":
		b.WriteString(textOf(block["text"], "") + "\n")
		return
	case "rich_text":
		writeRich(b, block)
		return
	}
	var lines []string
	walkTexts(block, func(t map[string]any) {
		line := textOf(t, "")
		if kind == "section" {
			if label, value, ok := strings.Cut(line, "\n"); ok && !strings.Contains(value, "\n") {
				line = label + ": " + value
			}
		}
		lines = append(lines, line)
	})
	switch kind {
	case "header":
		head := strings.Join(lines, " ")
		b.WriteString(head + "\n" + strings.Repeat("─", min(len([]rune(head)), 60)))
	case "context":
		b.WriteString(strings.Join(lines, " · "))
	case "actions":
		b.WriteString("[" + strings.Join(lines, "] [") + "]")
	default:
		b.WriteString(strings.Join(lines, "\n"))
	}
	b.WriteByte('\n')
}

// writeRich writes the texts of a rich_text block.
func writeRich(b *strings.Builder, v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["type"] == "text" {
			s, _ := v["text"].(string)
			b.WriteString(printable(s))
			return
		}
		writeRich(b, v["elements"])
		if t := v["type"]; t == "rich_text_section" || t == "rich_text_preformatted" {
			b.WriteByte('\n')
		}
	case []any:
		for _, e := range v {
			writeRich(b, e)
		}
	}
}

// textOf is a text object, or a string, as a person sees it.
func textOf(v any, otherwise string) string {
	switch v := v.(type) {
	case string:
		return seen("mrkdwn", v)
	case map[string]any:
		s, _ := v["text"].(string)
		kind, _ := v["type"].(string)
		return seen(kind, s)
	}
	return otherwise
}

// seen turns Slack's text into what its reader sees.
func seen(kind, s string) string {
	if kind == "mrkdwn" {
		s = regexp.MustCompile(`<!date\^[^|>]*\|([^<>]*)>`).ReplaceAllString(s, "$1")
		s = regexp.MustCompile(`<!(\w+)[^<>]*>`).ReplaceAllString(s, "@$1")
		s = regexp.MustCompile(`<([^<>|]+)\|([^<>]*)>`).ReplaceAllString(s, "$2 ($1)")
		s = regexp.MustCompile(`<([^<>|]+)>`).ReplaceAllString(s, "$1")
		s = unformatted(s)
	}
	return printable(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s))
}

// unformatted leaves out the marks of *bold*, _italic_, ~struck~ and `code`.
func unformatted(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 { // code: what is in it stays
			b.WriteString(part)
			continue
		}
		for _, mark := range []string{`\*`, `_`, `~`} {
			pair := regexp.MustCompile(`(^|[\s(])` + mark + `([^\s` + mark + `][^` + mark + `\n]*)` + mark + `([\s:;,.!?)]|$)`)
			part = pair.ReplaceAllString(part, "$1$2$3")
		}
		b.WriteString(part)
	}
	return b.String()
}

// printable leaves out what could steer a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)) {
			return -1
		}
		return c
	}, s)
}
