package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// mailDigest is several events on their way into one mail: each text is one
// clean line.
type mailDigest struct {
	Title, Preheader, Footer string
	Lines                    []mailDigestLine
}

type mailDigestLine struct {
	Time, Lead, Who, Tail, Find string
	Accent                      string
}

// SendDigest makes one attempt to hand over one mail for all of ms. Custom texts
// are for one event and play no part in it.
//
// Its Message-ID is made of the ids of all deliveries in it: the same ones tried
// again are the same mail, which a mailbox may drop; with one more in it, it is
// another mail, which no mailbox must drop.
func (e *Email) SendDigest(ctx context.Context, ms []*Message) Result {
	l, err := e.digestLetter(ms)
	return e.send(ctx, ms[0], l, err)
}

func (e *Email) digestLetter(ms []*Message) (letter, error) {
	d := newMailDigest(ms)
	var html strings.Builder
	if err := e.defaultHTML.ExecuteTemplate(&html, "digest", d); err != nil {
		return letter{}, errMailMade
	}
	all := sha256.New()
	for _, m := range ms {
		_, _ = all.Write([]byte(m.DeliveryID + "\n")) // a hash takes everything
	}
	return letter{
		id: "digest." + hex.EncodeToString(all.Sum(nil)[:16]), at: ms[len(ms)-1].Now,
		subject: mailSubject(d.Title), text: d.text(), html: html.String(),
	}, nil
}

func newMailDigest(ms []*Message) *mailDigest {
	s := summariseDigest(ms)
	d := &mailDigest{Title: cutMail(mailLine(s.title), maxMailSubject), Footer: mailLine(strings.Join(s.notes, " · "))}
	for i, l := range s.lines {
		line := mailDigestLine{
			Time: l.time, Lead: cutMail(mailLine(l.title), 2*maxMailName), Who: cutMail(mailLine(l.who), maxMailName),
			Find: "event " + l.event, Accent: accent(ms[i].Event),
		}
		if line.Who != "" {
			line.Lead += ": "
		}
		if l.tries != "" {
			line.Tail = " (" + cutMail(mailLine(l.tries), maxMailName) + ")"
		}
		for _, id := range l.ids {
			line.Find = cutMail(mailLine(id.label), maxMailLabel) + " " + cutMail(mailLine(id.value), maxMailName) + " · " + line.Find
		}
		d.Lines = append(d.Lines, line)
	}
	var first []string
	for _, l := range d.Lines[:min(3, len(d.Lines))] {
		first = append(first, l.Lead+l.Who)
	}
	d.Preheader = cutMail(strings.Join(first, " · "), maxMailPreheader)
	return d
}

// text is the digest for programs and people who prefer text.
func (d *mailDigest) text() string {
	var b strings.Builder
	b.WriteString(d.Title + "\n\n")
	for _, l := range d.Lines {
		b.WriteString("  " + l.Time + "  " + l.Lead + l.Who + l.Tail + "\n")
		b.WriteString(strings.Repeat(" ", utf8.RuneCountInString(l.Time)+4) + l.Find + "\n\n")
	}
	b.WriteString(d.Footer + "\n")
	return b.String()
}
