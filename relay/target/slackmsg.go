package target

import "invitation-relay/rules"

// slackMessage is what is posted.
type slackMessage struct {
	Channel     string `json:"channel,omitempty"` // with a token
	ThreadTS    string `json:"thread_ts,omitempty"`
	Text        string `json:"text"` // shown in notifications when there are blocks
	Blocks      any    `json:"blocks,omitempty"`
	UnfurlLinks bool   `json:"unfurl_links"` // always false: previews would fetch, and show, what a stranger wrote
	UnfurlMedia bool   `json:"unfurl_media"`
}

// slackBlock is one of the blocks of a default message.
type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Fields   []slackText `json:"fields,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

// slackText is a text object.
type slackText struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`    // of plain_text; false: ":tada:" stays as it is
	Verbatim bool   `json:"verbatim,omitempty"` // of mrkdwn; true: nothing becomes a link by itself
}

// defaultSlack is the message of an event when the config sets none: a header
// that says what happened, what is known in two columns, and a footer to find
// the event by. Its parts come from strangers, so every value is on one line and
// passes rules.SlackText; verbatim stops Slack's own parsing as well.
func defaultSlack(m *Message) slackMessage {
	s := summarise(m.Event)
	header := plainText(cutText(rules.SlackText(s.title), maxSlackHeader))
	blocks := []slackBlock{{Type: "header", Text: &header}}
	if len(s.facts) > 0 {
		section := slackBlock{Type: "section"}
		for _, f := range s.facts[:min(len(s.facts), maxSlackFields)] {
			section.Fields = append(section.Fields, slackField(f))
		}
		blocks = append(blocks, section)
	}
	footer := slackBlock{Type: "context"}
	for _, note := range s.notes {
		footer.Elements = append(footer.Elements, plainText(cutText(rules.SlackText(note), maxSlackContext)))
	}
	return slackMessage{Text: defaultSlackText(s), Blocks: append(blocks, footer)}
}

// maxSlackBrief is how much of a message its notification shows.
const maxSlackBrief = 300

// defaultSlackText is the message as a notification shows it.
func defaultSlackText(s summary) string {
	text := s.title
	if s.who != "" {
		text += ": " + s.who
	}
	if s.tries != "" {
		text += " (" + s.tries + ")"
	}
	return cutText(rules.SlackText(text), maxSlackBrief)
}

// slackField is a fact in a column: its label in bold above its value, an id in
// a typewriter's letters to copy from. Only there the value stays as it is: an
// invisible character of an escape would be copied along.
func slackField(f fact) slackText {
	label := "*" + cutText(rules.SlackText(f.label), maxSlackHeader) + "*\n"
	value := cutText(rules.SlackText(f.value), maxSlackField-maxSlackHeader-len("**\n"))
	if f.id && isPlainID(f.value) {
		value = "`" + f.value + "`"
	}
	return slackText{Type: "mrkdwn", Text: label + value, Verbatim: true}
}

// plainText is a text object in which nothing is formatting.
func plainText(s string) slackText { return slackText{Type: "plain_text", Text: s, Emoji: new(bool)} }

// isPlainID reports whether s is an id of letters, digits, hyphens, dots and
// underscores, which inside backticks are nothing but themselves.
func isPlainID(s string) bool {
	for _, c := range []byte(s) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 128
}
