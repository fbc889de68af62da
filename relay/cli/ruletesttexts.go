package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"invitation-relay/relay"
)

// mainText is what `equals` is about: of slack the text, of email the text or,
// without one, the html, of http the body, of log the line.
func mainText(m *relay.Message) string {
	switch m.Kind {
	case "slack":
		var posted struct {
			Text string `json:"text"`
		}
		_ = json.Unmarshal([]byte(m.Body), &posted) // we have made it
		return posted.Text
	case "http":
		return m.Body
	}
	if m.Text != "" {
		return m.Text
	}
	return m.HTML
}

// allTexts is what `contains`, `lacks` and `matches` look at: everything a person
// or a program reads of the message. Of slack that is the text and the texts of
// its blocks, a line each, as Slack gets them.
func allTexts(m *relay.Message) string {
	switch m.Kind {
	case "slack":
		var posted map[string]any
		if json.Unmarshal([]byte(m.Body), &posted) != nil {
			return m.Body
		}
		top, _ := posted["text"].(string)
		return strings.Join(append([]string{top}, blockTexts(posted["blocks"])...), "\n")
	case "email":
		halves := slices.DeleteFunc([]string{m.Subject, m.Text, m.HTML}, func(s string) bool { return s == "" })
		return strings.Join(halves, "\n\n")
	case "http":
		return m.Body
	}
	return m.Text
}

// blockTexts are the strings in blocks that are shown, or lead somewhere, in their
// order.
func blockTexts(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, blockTexts(e)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if s, ok := v[key].(string); !ok {
				out = append(out, blockTexts(v[key])...)
			} else if key == "text" || key == "alt_text" || key == "url" || strings.HasSuffix(key, "_url") {
				out = append(out, s)
			}
		}
	}
	return out
}
