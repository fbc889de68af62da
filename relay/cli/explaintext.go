package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/rules"
)

// page writes an explanation for a person. What a stranger wrote into an event
// reaches the terminal with its control and invisible characters spelt out.
type page struct {
	w      io.Writer
	colour bool
	indent string
}

func newPage(w io.Writer) *page { return &page{w: w, colour: colour(w)} }

// Colours, as terminals number them.
const (
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "32"
)

func (p *page) paint(as, text string) string {
	if !p.colour || as == "" {
		return text
	}
	return "\x1b[" + as + "m" + text + "\x1b[0m"
}

func (p *page) line(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != "" {
		fmt.Fprintln(p.w, p.indent+text)
	} else {
		fmt.Fprintln(p.w)
	}
}

func (p *page) explained(e *explained) {
	how := "plain"
	if e.encrypted {
		how = "encrypted"
	}
	p.line("from %s, %s, received %s", e.source, how, e.at.Format(time.RFC3339))
	if e.Event == nil {
		p.line("%s: %s", p.paint(red, fmt.Sprintf("refused with %d", e.Status)), e.Reason)
		p.line("no rule sees it, and nobody hears of it")
		return
	}
	p.line("taken with %d, as event %s", e.Status, e.Event.ID)
	for i, r := range e.rules {
		p.line("")
		p.rule(r, &e.cfg.Rules[i])
	}
	p.line("")
	if len(e.Decision.Targets) == 0 {
		p.line("%s", p.paint(bold, "It goes to no target."))
	} else {
		p.line("%s %s", p.paint(bold, "It goes to"), strings.Join(e.Decision.Targets, ", "))
	}
	for _, promise := range e.Broken() {
		p.line("%s: must_route demands a target for %s", p.paint(red, "an alarm is raised"), visible(strings.Join(strings.Fields(promise), " ")))
	}
	p.messages(e.messages)
}

// rule is one rule's verdict and why.
func (p *page) rule(r rules.Explanation, c *config.Rule) {
	p.line("%s %s", p.paint(bold, "rule "+r.Rule+":"), p.verdict(r, c.To))
	if r.Err != nil {
		p.line("  at %d:%d of its expression: %s", r.Err.Line, r.Err.Col, r.Err.Message)
	}
	if r.Whole != nil {
		p.parts(r.Whole, "  ")
		if r.Why != "" {
			p.line("  (%s)", r.Why)
		}
	}
}

func (p *page) verdict(r rules.Explanation, to []string) string {
	where := " → " + strings.Join(to, ", ")
	if len(to) == 0 {
		where = " → nowhere"
	}
	switch r.Verdict {
	case rules.Match:
		return p.paint(green, "match") + where
	case rules.Shadowed:
		return "match, but it is a shadow rule: nothing is sent" + where
	case rules.Error:
		return p.paint(red, "error") + ", it could not be evaluated"
	case rules.NotEvaluated:
		return p.paint(faint, "not looked at, "+r.Why)
	default:
		return "no match"
	}
}

// maxColumn is how far right values begin; behind a longer text they follow it.
const maxColumn = 64

// parts writes an expression as a tree, the values in a column.
func (p *page) parts(whole *rules.Part, indent string) {
	column := 0
	walkParts(whole, 0, func(part *rules.Part, depth int) {
		if n := 2*depth + utf8.RuneCountInString(visible(part.Text)); n <= maxColumn {
			column = max(column, n)
		}
	})
	walkParts(whole, 0, func(part *rules.Part, depth int) {
		text := strings.Repeat("  ", depth) + visible(part.Text)
		gap := max(column-utf8.RuneCountInString(text), 0)
		p.line("%s%s%s   %s", indent, text, strings.Repeat(" ", gap), p.value(part))
	})
}

// walkParts visits a part and those below it; below one that was not evaluated
// there is nothing to say.
func walkParts(part *rules.Part, depth int, visit func(*rules.Part, int)) {
	visit(part, depth)
	if part.Times == 0 && !part.Failed() {
		return
	}
	for _, below := range part.Parts {
		walkParts(below, depth+1, visit)
	}
}

func (p *page) value(part *rules.Part) string {
	var shown []string
	for _, v := range part.Values {
		shown = append(shown, shortValue(v))
	}
	said := strings.Join(shown, ", ")
	if part.Times > len(part.Values) && part.Loop {
		said += fmt.Sprintf(", … %d in all", part.Times)
	}
	switch {
	case part.Err != "":
		if said != "" {
			said += ", then "
		}
		return said + p.paint(red, "failed: "+part.Err)
	case part.Times > 0 && said == "true":
		return p.paint(green, said)
	case part.Times > 0:
		return said
	case part.Failed():
		return p.paint(red, "failed")
	default:
		return p.paint(faint, "not evaluated")
	}
}

// maxValue is how much of a value is shown, in characters.
const maxValue = 120

// shortValue is a value on one line.
func shortValue(v any) string {
	if s, ok := v.(string); ok {
		return cut(strconv.Quote(s))
	}
	return cut(visible(compact(v)))
}

func cut(s string) string {
	if r := []rune(s); len(r) > maxValue {
		return string(r[:maxValue]) + "…"
	}
	return s
}

// compact is a value as JSON, < and > as they are.
func compact(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "?" // values are made of what JSON has
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// visible spells out what a terminal would act on, or not show.
func visible(s string) string {
	return escapeInvisible(s, func(r rune) string {
		if r > 0xffff {
			return fmt.Sprintf(`\U%08x`, r)
		}
		return fmt.Sprintf(`\u%04x`, r)
	})
}

func escapeInvisible(s string, escape func(rune) string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	shown := func(r rune) bool { return unicode.IsPrint(r) || r == '\n' || r == '\t' }
	if strings.IndexFunc(s, func(r rune) bool { return !shown(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if shown(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(escape(r))
		}
	}
	return b.String()
}

// messages are shown in full, but for mails that differ in nothing but whom they
// are for.
func (p *page) messages(all []relay.Message) {
	for i := range all {
		m := &all[i]
		if i > 0 && m.Recipient != "" && sameMail(&all[i-1], m) {
			p.line("  and the same as a mail of its own to %s", visible(m.Recipient))
			continue
		}
		p.line("")
		p.line("%s", p.paint(bold, "message to "+m.Target+" ("+m.Kind+")"))
		if m.Err != nil {
			p.line("  %s %v", p.paint(red, "cannot be made:"), m.Err)
			continue
		}
		p.message(m)
	}
}

func sameMail(a, b *relay.Message) bool {
	return a.Target == b.Target && a.Err == nil && b.Err == nil &&
		a.Subject == b.Subject && a.Text == b.Text && a.HTML == b.HTML
}

func (p *page) message(m *relay.Message) {
	if m.Method != "" {
		p.line("  %s %s", m.Method, visible(m.URL))
	}
	for _, h := range m.Header {
		p.line("  %s: %s", h.Name, visible(h.Value))
		if h.Name == "Subject" && h.Value != m.Subject { // encoded for the wire
			p.line("    that is: %s", visible(m.Subject))
		}
	}
	for _, text := range []string{m.Body, m.Text, m.HTML} {
		if text != "" {
			p.line("")
			p.block(readable(m.Kind, text))
		}
	}
}

// readable is a body for reading: Slack's JSON is laid out, and everything else is
// as it leaves.
func readable(kind, text string) string {
	if kind == "slack" {
		return foldJSON(text)
	}
	return text
}

// block writes a text line by line.
func (p *page) block(text string) {
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		if line = visible(strings.TrimSuffix(line, "\r")); line != "" {
			line = "  " + line
		}
		p.line("%s", line)
	}
}
