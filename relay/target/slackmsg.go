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

	plain   string // what is sent when Slack refuses blocks; "": text
	noPlain bool   // plain text has no room for all that must be said
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
// that says what happened, what is known in two columns, what is too long for a
// column, and a footer to find the event by. Its parts come from strangers, so
// every value is on one line and passes rules.SlackText; verbatim stops Slack's
// own parsing as well.
func defaultSlack(m *Message) slackMessage {
	s := summarise(m.Event)
	title := rules.SlackText(s.title)
	if isAlarm(m) && s.who != "" { // "Target on hold" alone does not say which
		title += ": " + rules.SlackText(s.who)
	}
	header := plainText(cutText(title, maxSlackHeader))
	blocks := []slackBlock{{Type: "header", Text: &header}}
	columns, wide := slackBlock{Type: "section"}, []slackBlock(nil)
	for _, f := range s.facts {
		switch {
		case f.wide || f.code:
			text := slackField(f)
			wide = append(wide, slackBlock{Type: "section", Text: &text})
		case len(columns.Fields) < maxSlackFields:
			columns.Fields = append(columns.Fields, slackField(f))
		}
	}
	if len(columns.Fields) > 0 {
		blocks = append(blocks, columns)
	}
	return slackMessage{Text: defaultSlackText(s), Blocks: append(append(blocks, wide...), footer(s.notes))}
}

// footer is the last block of a message of ours.
func footer(notes []string) slackBlock {
	block := slackBlock{Type: "context"}
	for _, note := range notes[:min(len(notes), maxSlackElements)] {
		block.Elements = append(block.Elements, plainText(cutText(rules.SlackText(note), maxSlackContext)))
	}
	return block
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

// slackField is a fact in a column: its label in bold above its value.
func slackField(f fact) slackText {
	label := "*" + cutText(rules.SlackText(f.label), maxSlackHeader) + "*\n"
	value := cutText(slackValue(f), maxSlackField-maxSlackHeader-len("**\n"))
	return slackText{Type: "mrkdwn", Text: label + value, Verbatim: true}
}

// slackValue is a fact's value, an id or a command in a typewriter's letters to
// copy from. Only there the value stays as it is: an invisible character of an
// escape would be copied along.
func slackValue(f fact) string {
	if f.id && isPlainID(f.value) || f.code && isPlainCommand(f.value) {
		return "`" + f.value + "`"
	}
	return rules.SlackText(f.value)
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
