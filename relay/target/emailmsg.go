package target

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	netmail "net/mail"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// maxMailSubject is in characters. Most programs show about 70.
const maxMailSubject = 200

// letter is a mail before it has a recipient.
type letter struct {
	id                  string // of the delivery: the left side of its Message-ID
	thread              string // what it refers to, "" for nothing
	at                  time.Time
	subject, text, html string // an empty text or html is not to be sent
}

// errMailMade is never seen: the default mail's template takes everything.
var errMailMade = errors.New("the mail could not be put together")

// letter makes the mail of one event. Equal but for the Date at every attempt.
//
// A custom text, or html, is sent as it was filled in, and then alone: the
// default for the other half would say what the operator chose to leave out.
// With neither, both halves are the default. The subject has its own default. An
// alarm is always the default mail: the config's texts are about webhooks.
func (e *Email) letter(m *Message) (letter, error) {
	subject, text, html, err := e.render(m)
	return letter{
		id: m.DeliveryID, thread: e.thread(m), at: m.Now,
		subject: subject, text: text, html: html,
	}, err
}

// address puts a letter into the form in which it leaves.
func (e *Email) address(l letter, to *netmail.Address) *mail.Msg {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(e.from)
	msg.SetAddrHeaderFromMailAddress(mail.HeaderTo, to)
	msg.Subject(l.subject)
	msg.SetDateWithValue(l.at.UTC())
	msg.SetMessageIDWithValue(messageID(l.id, e.domain))
	if l.thread != "" {
		msg.SetGenHeader(mail.HeaderInReplyTo, l.thread)
		msg.SetGenHeader(mail.HeaderReferences, l.thread)
	}
	// RFC 3834: no out-of-office answers; the second line says so to Exchange.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader(mail.HeaderXAutoResponseSuppress, "All")
	msg.SetGenHeader(mail.HeaderXMailer, strings.TrimSpace("invitation-relay "+e.version))
	// Not guessable by who wrote the event, whose values stand between the
	// boundaries: an event's id is made after its body has come in.
	sum := sha256.Sum256([]byte("boundary " + l.id))
	msg.SetBoundary(hex.EncodeToString(sum[:16]))
	switch {
	case l.html == "":
		msg.SetBodyString(mail.TypeTextPlain, l.text)
	case l.text == "":
		msg.SetBodyString(mail.TypeTextHTML, l.html)
	default:
		msg.SetBodyString(mail.TypeTextPlain, l.text)
		msg.AddAlternativeString(mail.TypeTextHTML, l.html)
	}
	return msg
}

// render fills in the mail's texts; an empty text or html is not to be sent.
func (e *Email) render(m *Message) (subject, text, html string, err error) {
	in := m.Input()
	standard := newDefaultMail(m.Event)
	subject = standard.Title()
	alarm := m.Event.Kind == event.Alarm
	if e.subject != nil && !alarm {
		if subject, err = e.subject.Render(in); err != nil {
			return "", "", "", unfilled("subject")
		}
		if m.Event.Kind == event.Test { // the default's has it already
			subject = marks[event.Test] + subject
		}
	}
	subject = mailSubject(subject)
	if e.text == nil && e.html == nil || alarm {
		html, err = standard.html(e.defaultHTML)
		return subject, standard.text(), html, err
	}
	if e.text != nil {
		if text, err = e.text.Render(in); err != nil {
			return "", "", "", unfilled("text")
		}
	}
	if e.html != nil {
		if html, err = e.html.Render(in); err != nil {
			return "", "", "", unfilled("html")
		}
	}
	return subject, text, html, nil
}

// unfilled stands for a run-time error of an expression, whose own words may
// quote a value of the event.
func unfilled(which string) error {
	return fmt.Errorf("the mail's %s could not be filled in for this event: `explain` shows which expression failed", which)
}

// messageID is the same at every attempt. What a Message-ID cannot hold (RFC
// 5322, section 3.6.4) becomes a hyphen; names in the config hold none of it.
func messageID(delivery, domain string) string {
	left := strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '_' || r == '-') {
			return r
		}
		return '-'
	}, delivery)
	return left + "@" + domain
}

// mailSubject is s as one clean line of at most maxMailSubject characters. It
// also breaks up "=?": a name can be written as an encoded word (RFC 2047),
// which mail programs would decode to what was taken out of it before.
func mailSubject(s string) string {
	return cutMail(strings.ReplaceAll(mailLine(s), "=?", "= ?"), maxMailSubject)
}

// mailLine is s as one line without control and invisible characters, runs of
// white space as one blank.
func mailLine(s string) string { return strings.Join(strings.Fields(rules.Header(s)), " ") }

// cutMail is s cut to at most n characters, with an ellipsis when it was cut.
func cutMail(s string, n int) string {
	if len(s) <= n {
		return s
	}
	count := 0
	for i := range s {
		if count == n-1 {
			if rest := []rune(s[i:]); len(rest) > 1 {
				return strings.TrimRightFunc(s[:i], unicode.IsSpace) + "…"
			}
		}
		count++
	}
	return s
}
