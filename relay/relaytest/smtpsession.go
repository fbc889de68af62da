package relaytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 (RFC 2195) is what it is
	"errors"
	"fmt"
	"io"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// smtpSession is one connection to an SMTP, from its EHLO on.
type smtpSession struct {
	s    *SMTP
	conn *smtp.Conn
	user string // who logged in
	mail Mail
}

var (
	_ smtp.AuthSession = (*smtpSession)(nil)

	errLoginFirst = &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	errBadLogin   = &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Authentication credentials invalid"}
)

// AuthMechanisms are those of SMTPWithLogin.
func (c *smtpSession) AuthMechanisms() []string { return c.s.mechanisms }

// Auth begins a login.
func (c *smtpSession) Auth(mech string) (sasl.Server, error) {
	if err := c.s.next(SMTPAuth); err != nil {
		return nil, err
	}
	check := func(user, pass string) error {
		if user != c.s.user || pass != c.s.pass {
			return errBadLogin
		}
		c.user = user
		return nil
	}
	switch mech {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, user, pass string) error { return check(user, pass) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case "CRAM-MD5":
		return &cramMD5{user: c.s.user, pass: c.s.pass, ok: func() { c.user = c.s.user }}, nil
	}
	return nil, smtp.ErrAuthUnknownMechanism
}

// Mail begins a mail.
func (c *smtpSession) Mail(from string, _ *smtp.MailOptions) error {
	if c.s.mechanisms != nil && c.user == "" {
		return errLoginFirst
	}
	if err := c.s.next(SMTPSender); err != nil {
		return err
	}
	_, encrypted := c.conn.TLSConnectionState()
	c.mail = Mail{Sender: from, User: c.user, TLS: encrypted}
	return nil
}

// Rcpt names a recipient.
func (c *smtpSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if err := c.s.next(SMTPRecipient); err != nil {
		return err
	}
	c.mail.Recipients = append(c.mail.Recipients, to)
	return nil
}

// Data reads the mail itself.
func (c *smtpSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("read a mail: %w", err)
	}
	if err := c.s.next(SMTPData); err != nil {
		return err
	}
	c.mail.Raw = raw
	if c.s.take(c.mail) {
		return c.conn.Conn().Close()
	}
	return nil
}

// Reset forgets the mail begun.
func (c *smtpSession) Reset() { c.mail = Mail{} }

// Logout has nothing to let go of.
func (c *smtpSession) Logout() error { return nil }

// loginServer is the server's side of LOGIN, which no RFC describes.
type loginServer struct {
	check func(user, pass string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// cramMD5 is the server's side of RFC 2195.
type cramMD5 struct {
	user, pass string
	asked      bool
	ok         func()
}

const cramChallenge = "<1896.697170952@mail.test>"

func (m *cramMD5) Next(response []byte) (challenge []byte, done bool, err error) {
	if !m.asked {
		m.asked = true
		return []byte(cramChallenge), false, nil
	}
	mac := hmac.New(md5.New, []byte(m.pass))
	if _, err := io.WriteString(mac, cramChallenge); err != nil {
		return nil, false, errors.Join(errBadLogin, err)
	}
	if want := fmt.Appendf(nil, "%s %x", m.user, mac.Sum(nil)); !bytes.Equal(response, want) {
		return nil, false, errBadLogin
	}
	m.ok()
	return nil, true, nil
}
