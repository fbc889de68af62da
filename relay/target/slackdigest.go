package target

import (
	"context"
	"strconv"
	"strings"

	"invitation-relay/rules"
)

// MaxSlackDigest is how many events a digest may be of: each of them counts as
// delivered, so each must have a line, and more lines nobody reads.
const MaxSlackDigest = 50

// Limits of a digest, in characters: Slack refuses a message that is too long as
// a whole.
const (
	maxSlackLine  = 400
	maxSlackWho   = 80
	maxSlackCopy  = 130   // a plain id and its marks are never cut
	maxSlackLists = 12000 // all lines together
)

// SendDigest makes one attempt to tell several events in one message: how many of
// what, and a line for each. A text of the config's own makes the lines, since it
// may have been written to leave something out; with blocks alone a line does not
// say who. A digest is in no thread.
func (s *Slack) SendDigest(ctx context.Context, ms []*Message) Result {
	return s.post(ctx, ms[0].Now, s.digest(ms), "")
}

// digest is what is posted for several events.
func (s *Slack) digest(ms []*Message) slackMessage {
	d := summariseDigest(ms)
	title := cutText(rules.SlackText(d.title), maxSlackHeader)
	header := plainText(title)
	blocks := []slackBlock{{Type: "header", Text: &header}}
	lines := s.digestLines(d, ms)
	for _, text := range sections(lines) {
		blocks = append(blocks, slackBlock{Type: "section", Text: &slackText{Type: "mrkdwn", Text: text, Verbatim: s.text == nil}})
	}
	msg := slackMessage{Channel: s.channel, Text: title, Blocks: append(blocks, footer(d.notes))}
	// Where plain text has no room for all, the digest is refused, and each event
	// goes by itself.
	msg.plain = strings.Join(append([]string{title}, lines...), "\n")
	msg.noPlain = slackLength(msg.plain) > maxSlackPlain
	return msg
}

// digestLines are the lines of a digest: one of each event. When all together are
// too long, those that are longer than their share are cut.
func (s *Slack) digestLines(d digest, ms []*Message) []string {
	var lines []string
	length := 0
	for i, l := range d.lines {
		if i == MaxSlackDigest {
			return append(lines, "… and "+strconv.Itoa(len(ms)-i)+" more")
		}
		line := s.digestLine(l, ms[i])
		length += slackLength(line) + 1
		lines = append(lines, line)
	}
	if length > maxSlackLists {
		for i := range lines {
			lines[i] = cutText(lines[i], maxSlackLists/len(lines)-1)
		}
	}
	return lines
}

// digestLine is one event: "*Verification rejected* · Jon Doe · 3 attempts · `t-1` · 01:41:07".
func (s *Slack) digestLine(l digestLine, m *Message) string {
	if s.text != nil {
		if text, err := s.text.Render(m.Input()); err == nil && oneLine(text) != "" {
			return cutText(oneLine(text), maxSlackLine)
		}
	}
	parts := []string{"*" + cutText(rules.SlackText(l.title), maxSlackHeader) + "*"}
	if s.text != nil || s.blocks != nil {
		l.who = ""
	}
	for _, part := range []struct {
		text string
		most int
	}{{l.who, maxSlackWho}, {l.tries, maxSlackWho}} {
		if part.text != "" {
			parts = append(parts, cutText(rules.SlackText(part.text), part.most))
		}
	}
	for _, f := range l.ids {
		parts = append(parts, cutText(slackValue(f), maxSlackCopy))
	}
	return strings.Join(append(parts, l.time), " · ")
}

// sections puts lines together as far as they fit into the text of a section.
func sections(lines []string) []string {
	var all []string
	length := maxSlackSection
	for _, line := range lines {
		n := slackLength(line)
		if length+1+n > maxSlackSection {
			all, length = append(all, line), n
			continue
		}
		all[len(all)-1] += "\n" + line
		length += 1 + n
	}
	return all
}

// slackLength is how long Slack finds a text at most (see cutText).
func slackLength(s string) int {
	n := 0
	for _, c := range s {
		if n++; c > 0xffff {
			n++
		}
	}
	return n
}
