package target

import (
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
)

// defaultMail is a summary on its way into a mail: each text is one clean line.
type defaultMail struct {
	Lead, Who, Tail string     // the title, with what a stranger chose apart
	Facts, IDs      []mailFact // what is known, and what is there to be copied
	Footer          string
	Accent          string // a colour for the title: CSS
}

type mailFact struct{ Label, Value string }

// newDefaultMail makes the default mail of an event.
func newDefaultMail(ev *event.Event) *defaultMail {
	s := summarise(ev)
	m := &defaultMail{Lead: cutMail(mailLine(s.title), 2*maxMailName)}
	for _, f := range s.facts[:min(len(s.facts), maxMailFacts)] {
		fact := mailFact{cutMail(mailLine(f.label), maxMailLabel), cutMail(mailLine(f.value), maxMailValue)}
		if f.id {
			m.IDs = append(m.IDs, fact)
		} else {
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
	m.IDs = append(m.IDs, mailFact{"Event id", ev.ID.String()})
	m.Footer = mailLine(strings.Join(s.notes, " · "))
	switch ev.Status {
	case "ACCEPTED":
		m.Accent = "#1a7f37"
	case "REJECTED":
		m.Accent = "#cf222e"
	}
	return m
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
	b.WriteString(m.Footer + "\n")
	return b.String()
}

func (m *defaultMail) html(t *template.Template) (string, error) {
	var b strings.Builder
	err := t.Execute(&b, m)
	return b.String(), err
}

// parseDefaultHTML is the default mail for everybody else. Styles stand in the
// elements, because mail programs drop style sheets; nothing is fetched, so that
// reading it tells nobody. dir=auto and bdi keep a name that is written from
// right to left from turning its surroundings around.
func parseDefaultHTML() *template.Template {
	return template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{{.Title}}</title>
</head>
<body style="margin:0;padding:16px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:15px;line-height:1.4">
<h1 style="margin:0 0 16px;font-size:18px{{with .Accent}};color:{{.}}{{end}}">{{.Lead}}<bdi>{{.Who}}</bdi>{{.Tail}}</h1>
<table role="presentation" cellspacing="0" cellpadding="0" style="border-collapse:collapse">
{{- range .Facts}}
<tr><td style="padding:3px 16px 3px 0;color:#6e7781;vertical-align:top;white-space:nowrap">{{.Label}}</td><td dir="auto" style="padding:3px 0;text-align:left;word-break:break-word">{{.Value}}</td></tr>
{{- end}}
{{- range .IDs}}
<tr><td style="padding:3px 16px 3px 0;color:#6e7781;vertical-align:top;white-space:nowrap">{{.Label}}</td><td style="padding:3px 0;font-family:Consolas,Menlo,monospace;font-size:13px;word-break:break-all">{{.Value}}</td></tr>
{{- end}}
</table>
<p style="margin:16px 0 0;color:#6e7781;font-size:12px">{{.Footer}}</p>
</body>
</html>
`))
}
