package target

import (
	"encoding/json"
	"html/template"
	"strings"
	"unicode/utf8"

	"invitation-relay/relay/event"
)

// Limits of the default mail, in characters: a stranger's name must not fill a
// screen, nor an object nobody knows a mailbox.
const (
	maxMailName  = 60
	maxMailLabel = 40
	maxMailValue = 500
	maxMailFacts = 40

	maxMailPreheader = 120
)

// defaultMail is a summary on its way into a mail: each text is one clean line.
type defaultMail struct {
	Lead, Who, Tail string     // the title, with what a stranger chose apart
	Facts, IDs      []mailFact // what is known, and what is there to be copied
	Commands        []mailFact // to be copied too, into a shell
	Preheader       string     // what lists of mails show beside the subject
	Footer          string
	Accent          string // a colour: CSS
}

type mailFact struct{ Label, Value string }

// newDefaultMail makes the default mail of an event.
func newDefaultMail(ev *event.Event) *defaultMail {
	s := summarise(ev)
	m := &defaultMail{Lead: cutMail(mailLine(s.title), 2*maxMailName)}
	for _, f := range s.facts[:min(len(s.facts), maxMailFacts)] {
		fact := mailFact{cutMail(mailLine(f.label), maxMailLabel), cutMail(mailLine(f.value), maxMailValue)}
		switch {
		case f.code:
			m.Commands = append(m.Commands, fact)
		case f.id:
			m.IDs = append(m.IDs, fact)
		default:
			m.Facts = append(m.Facts, fact)
		}
	}
	m.Who = cutMail(mailLine(s.who), maxMailName)
	if m.Who == "" && len(m.IDs) > 0 { // something has to tell two mails apart
		m.Who = cutMail(m.IDs[0].Value, maxMailName)
	}
	if m.Who != "" {
		m.Lead += ": "
	}
	if s.tries != "" {
		m.Tail = " (" + cutMail(mailLine(s.tries), maxMailName) + ")"
	}
	own := "Event id"
	if ev.Kind == event.Alarm {
		own = "Alarm id"
	}
	m.IDs = append(m.IDs, mailFact{own, ev.ID.String()})
	m.Footer = mailLine(strings.Join(s.notes, " · "))
	m.Accent = accent(ev)
	m.Preheader = m.preheader()
	return m
}

// preheader is what the subject has not said yet.
func (m *defaultMail) preheader() string {
	var said []string
	for _, f := range m.Facts {
		if said == nil && f.Value == m.Who {
			continue
		}
		said = append(said, f.Label+": "+f.Value)
	}
	return cutMail(strings.Join(said, " · "), maxMailPreheader)
}

// Title is the subject: "Verification rejected: Jon Doe (3 attempts)".
func (m *defaultMail) Title() string { return m.Lead + m.Who + m.Tail }

// text is the default mail for programs and people who prefer text.
func (m *defaultMail) text() string {
	width := 0
	for _, facts := range [][]mailFact{m.Facts, m.IDs} {
		for _, f := range facts {
			width = max(width, utf8.RuneCountInString(f.Label))
		}
	}
	var b strings.Builder
	b.WriteString(m.Title() + "\n\n")
	for _, facts := range [][]mailFact{m.Facts, m.IDs} {
		for _, f := range facts {
			b.WriteString("  " + f.Label + strings.Repeat(" ", width-utf8.RuneCountInString(f.Label)+2) + f.Value + "\n")
		}
		if len(facts) > 0 {
			b.WriteByte('\n')
		}
	}
	for _, c := range m.Commands {
		b.WriteString(c.Label + ":\n\n    " + c.Value + "\n\n")
	}
	b.WriteString(m.Footer + "\n")
	return b.String()
}

func (m *defaultMail) html(t *template.Template) (string, error) {
	var b strings.Builder
	err := t.ExecuteTemplate(&b, "mail", m)
	return b.String(), err
}

// accent is the colour of how an event ended: CSS.
func accent(ev *event.Event) string {
	const good, bad, neutral = "#2da44e", "#cf222e", "#8c959f"
	if ev.Kind == event.Alarm {
		if readAlarm(ev).State == "ended" {
			return good
		}
		return bad
	}
	switch ev.Status {
	case "ACCEPTED", "VERIFIED", "SUCCESSFUL":
		return good
	case "REJECTED", "FAILED":
		return bad
	}
	return neutral
}

// alarmBody is what a mail needs to know of an alarm beyond its words.
type alarmBody struct{ Alarm, State, Subject string }

// readAlarm reads an alarm's body; what cannot be read leaves it empty.
func readAlarm(ev *event.Event) (a alarmBody) {
	_ = json.Unmarshal(ev.Body, &a)
	return a
}
