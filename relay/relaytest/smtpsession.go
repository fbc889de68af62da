package relaytest

import (
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
	mech string // by which mechanism
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
	c.mech = mech
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
	case "XOAUTH2":
		return &xoauth2{check: check}, nil
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
	c.mail = Mail{Sender: from, User: c.user, Mechanism: c.mech, TLS: encrypted}
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
