package target

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// mailStage is how far an attempt got: an answer means different things at
// different stages.
type mailStage uint8

const (
	mailConnecting mailStage = iota
	mailGreeting             // connected; waiting for the server's greeting and its answer to EHLO
	mailTLS                  // STARTTLS, or the handshake of implicit TLS
	mailLogin                // AUTH
	mailSender               // MAIL FROM
	mailRecipient            // RCPT TO
	mailData                 // DATA, and the mail itself
	mailSent                 // all of it is out; only the answer is missing
)

// maxMailDialogue is how much a server may say in one attempt, certificates
// included: a greeting without an end must not fill the memory.
const maxMailDialogue = 256 << 10

var (
	errMailTimeout     = errors.New("attempt timed out")
	errMailStopped     = errors.New("attempt was cut short")
	errMailTalkative   = errors.New("the server says too much")
	errMailNoTLS       = errors.New("no STARTTLS offered")
	errMailClearLogin  = errors.New("no login without encryption")
	errMailNoMechanism = errors.New("no login mechanism in common")
	errMailNotOffered  = errors.New("the login mechanism wanted is not offered")
)

// attempt hands msg to the server and says at which stage it failed. The
// commands go one by one through go-mail's smtp.Client rather than through its
// mail.Client, which leaves the connection open when the greeting, TLS or the
// login fails, reports a mail that was taken as failed when the RSET after it
// is lost, calls a lost connection permanent, and has one untyped error for
// STARTTLS that is not offered.
//
// What goes wrong on a connection kept from an earlier mail, while the server
// has not taken this one, is no failure: the mail goes over a new connection.
func (e *Email) attempt(ctx context.Context, msg *mail.Msg) (mailStage, error) {
	if kept := e.pool.take(); kept != nil {
		stage, err := e.over(ctx, kept, msg)
		if ctx.Err() != nil || !isStale(stage, err) {
			return stage, err
		}
	}
	tcp, err := e.dial(ctx, "tcp", net.JoinHostPort(e.cfg.Host, strconv.Itoa(e.cfg.Port)))
	if err != nil {
		return mailConnecting, err
	}
	conn := &quietConn{Conn: tcp}
	stop := closeAfter(ctx, conn)
	c, stage, err := e.open(ctx, conn)
	stop()
	m := &mailConn{conn: conn, c: c}
	if err != nil {
		if c != nil && answerOf(err) != nil {
			m.quit()
		}
		_ = conn.Close() // nothing was sent
		return stage, err
	}
	return e.over(ctx, m, msg)
}

// over hands msg over a connection, which is kept only when the mail was taken:
// after a refusal some servers grow slow, or hostile, and the next mail would
// suffer for this one.
func (e *Email) over(ctx context.Context, m *mailConn, msg *mail.Msg) (mailStage, error) {
	stop := closeAfter(ctx, m.conn)
	stage, err := submit(m.c, msg)
	inTime := stop()
	switch {
	case err == nil && inTime:
		e.pool.put(m)
	case answerOf(err) != nil && inTime:
		m.quit()
	default:
		_ = m.conn.Close() // the outcome is known; nothing is lost with the connection
	}
	return stage, err
}

// isStale reports whether a failure on a connection kept from an earlier mail
// may be the connection's and not this mail's: the server had closed it, or has
// had enough of it, before it could have taken the mail. Up to the answer to
// MAIL that may be said in any code ("too many mails in this session", or a
// login that has run out); later, it is 421 or silence.
func isStale(stage mailStage, err error) bool {
	if err == nil || stage == mailSent {
		return false
	}
	a := answerOf(err)
	return stage == mailSender || a == nil || a.Code == 421
}

// open brings a fresh connection to the point where mail may be sent.
func (e *Email) open(ctx context.Context, conn net.Conn) (*smtp.Client, mailStage, error) {
	talk := conn
	if e.cfg.TLS == mailTLSImplicit {
		tc := tls.Client(conn, e.tls)
		if err := tc.HandshakeContext(ctx); err != nil {
			return nil, mailTLS, err
		}
		talk = tc
	}
	c, err := smtp.NewClient(talk, e.cfg.Host)
	if err != nil {
		return nil, mailGreeting, err
	}
	c.SkipSMTPUTF8(true) // addresses are ASCII; asking for it would limit where the mail can go
	if err := c.Hello(helloName()); err != nil {
		return c, mailGreeting, lastAnswer(err)
	}
	if e.cfg.TLS == mailTLSMandatory || e.cfg.TLS == mailTLSOpportunistic {
		offered, _ := c.Extension("STARTTLS")
		if !offered && e.cfg.TLS == mailTLSMandatory {
			return c, mailTLS, errMailNoTLS
		}
		if offered {
			if err := c.StartTLS(e.tls); err != nil {
				return c, mailTLS, err
			}
		}
	}
	if e.cfg.Username != "" {
		auth := &mailAuth{cfg: &e.cfg, local: isLoopbackAddr(conn.RemoteAddr())}
		if err := c.Auth(auth); err != nil {
			return c, mailLogin, err
		}
	}
	return c, mailSender, nil
}

// lastAnswer is the answer to HELO, when EHLO was refused before it: a server
// that does not know EHLO is not one that refuses the relay.
func lastAnswer(err error) error {
	if both, ok := err.(interface{ Unwrap() []error }); ok {
		all := both.Unwrap()
		if a := answerOf(all[len(all)-1]); a != nil {
			return a
		}
	}
	return err
}

// submit sends one mail to its one recipient (RFC 5321, section 3.3).
func submit(c *smtp.Client, msg *mail.Msg) (mailStage, error) {
	from, err := msg.GetSender(false)
	if err == nil {
		err = c.Mail(from)
	}
	if err != nil {
		return mailSender, err
	}
	to, err := msg.GetRecipients()
	if err == nil {
		err = c.Rcpt(to[0])
	}
	if err != nil {
		return mailRecipient, err
	}
	w, err := c.Data()
	if err != nil {
		return mailData, err
	}
	if _, err := msg.WriteTo(w); err != nil {
		return mailData, err
	}
	return mailSent, w.Close()
}

// helloName is this machine's name, for EHLO: servers put it into the mail's
// trace, nothing more.
func helloName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost"
	}
	return name
}

func isLoopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// quietConn ends a connection whose other side does not stop talking.
type quietConn struct {
	net.Conn
	read atomic.Int64
}

func (c *quietConn) Read(p []byte) (int, error) {
	if c.read.Load() >= maxMailDialogue {
		return 0, errMailTalkative
	}
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}
