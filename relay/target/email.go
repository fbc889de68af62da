package target

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net"
	netmail "net/mail"
	"strings"
	"time"
	"unicode/utf8"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// The words of EmailConfig.TLS.
const (
	mailTLSMandatory     = "mandatory"     // STARTTLS, and nothing is sent without it
	mailTLSImplicit      = "implicit"      // TLS from the first byte (RFC 8314)
	mailTLSOpportunistic = "opportunistic" // STARTTLS when it is offered
	mailTLSNone          = "none"          // plain text
)

// SetDefaults fills in what the config left out: STARTTLS mandatory on port
// 587, or 465 with implicit TLS, the best login that the server offers, and 30
// seconds for an attempt.
func (c *EmailConfig) SetDefaults() {
	if c.TLS == "" {
		c.TLS = mailTLSMandatory
	}
	if c.Auth == "" {
		c.Auth = mailAuthAuto
	}
	if c.Port == 0 {
		c.Port = 587
		if c.TLS == mailTLSImplicit {
			c.Port = 465
		}
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
}

// Email hands one mail an event and recipient to one mail server. Every attempt
// sends the same mail, byte for byte but for its Date, so that a mailbox can drop
// a repeat by its Message-ID. Mails of one burst share connections.
type Email struct {
	name    string
	cfg     EmailConfig
	version string
	from    *netmail.Address
	domain  string                      // of from: the right side of Message-IDs
	to      map[string]*netmail.Address // by recipient hash
	hashes  []string                    // keys of to, in the config's order

	subject, text, html *rules.Text // nil: the default
	defaultHTML         *template.Template

	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	tls  *tls.Config
	pool mailPool
}

// NewEmail builds the target. The settings must have passed SetDefaults and
// Check; what Check would report is an error here too, without its position. The
// caller says of which target.
func NewEmail(name string, c EmailConfig, d Deps) (*Email, error) {
	var wrong error
	c.Check(d.Env, func(path string, _, _ int, msg, _ string) {
		wrong = errors.Join(wrong, fmt.Errorf("%s: %s", path, msg))
	})
	if wrong != nil {
		return nil, wrong
	}
	from, _ := parseMailbox(c.From) // its errors, like those below, would have been reported
	e := &Email{
		name: name, cfg: c, version: d.Version, from: from, to: make(map[string]*netmail.Address, len(c.To)),
		domain:      from.Address[strings.LastIndexByte(from.Address, '@')+1:],
		defaultHTML: parseDefaultHTML(),
		dial:        newDialer().DialContext,
		tls:         &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12},
	}
	for _, text := range c.To {
		a, _ := parseMailbox(text)
		h := mailboxHash(a)
		e.to[h], e.hashes = a, append(e.hashes, h)
	}
	for _, t := range c.texts() {
		if t.source != "" {
			*t.in(e), _ = rules.CompileText(d.Env, t.source, t.escape)
		}
	}
	return e, nil
}

// Kind is "email".
func (*Email) Kind() string { return "email" }

// RecipientNames are the masked addresses by their hashes: enough for who knows
// them to tell them apart, and nothing to write to.
func (e *Email) RecipientNames() map[string]string {
	names := make(map[string]string, len(e.to))
	for h, a := range e.to {
		at := strings.LastIndexByte(a.Address, '@')
		first, _ := utf8.DecodeRuneInString(a.Address)
		names[h] = string(first) + "***" + a.Address[at:]
	}
	return names
}

// Recipients are the short hashes of the addresses in `to`, in that order: the
// first 8 hex digits of the SHA-256 of the lower-cased address.
func (e *Email) Recipients() []string { return e.hashes }

// Close says goodbye on the connections kept between mails.
func (e *Email) Close() { e.pool.close() }

// Send makes one attempt to hand the mail for m.Recipient to the server. It
// returns within the target's timeout, or soon after ctx ends.
func (e *Email) Send(ctx context.Context, m *Message) Result {
	l, err := e.letter(m)
	return e.send(ctx, m, l, err)
}

// send hands over the letter that was made, or not made, of m and perhaps of
// others of the same recipient.
func (e *Email) send(ctx context.Context, m *Message, l letter, unmade error) Result {
	to, ok := e.to[m.Recipient]
	if !ok {
		// Not held: the other recipients are well. The delivery waits until its
		// recipient returns to the config or its time is up.
		return Result{
			Outcome: event.Retry, Tries: 1,
			Reason: "this recipient is not in the target's `to` any more: put the address back, or discard the delivery",
		}
	}
	if unmade != nil {
		return Result{Outcome: event.Rejected, Reason: unmade.Error(), Tries: 1}
	}
	within, cancel := context.WithTimeout(ctx, e.cfg.Timeout)
	defer cancel()
	stage, err := e.attempt(within, e.address(l, to))
	if err == nil {
		return Result{Outcome: event.Delivered, Status: 250, Tries: 1}
	}
	if answer := answerOf(err); answer == nil && within.Err() != nil {
		err = errMailTimeout // whatever it looked like: the connection was closed under it
		if ctx.Err() != nil {
			err = errMailStopped
		}
	}
	r := mailResult(stage, err, m.Attempt)
	if r.Outcome == event.Held {
		r.Reason += "; then `invitation-relay targets release " + e.name + "`, or wait for the next probe"
	}
	return r
}

// mailboxHash names a recipient without telling who it is to somebody who does
// not know the address already. Local parts are compared without case: no
// server in use tells them apart, and a mail sent twice is the worse mistake.
func mailboxHash(a *netmail.Address) string {
	sum := sha256.Sum256([]byte(strings.ToLower(a.Address)))
	return hex.EncodeToString(sum[:4])
}

// mailQuitWait bounds the goodbye: the mail's fate is known by then.
const mailQuitWait = 2 * time.Second
