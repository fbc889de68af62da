package relaytest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// SMTP is a mail server on 127.0.0.1 that keeps the mails it is sent and
// answers as it was told. Without options it takes every mail, in plain text
// and without a login. All methods are safe for concurrent use.
type SMTP struct {
	server   *smtp.Server
	listener net.Listener
	served   chan struct{}
	roots    *x509.CertPool
	pem      []byte

	implicit   bool
	user, pass string
	mechanisms []string

	mu     sync.Mutex
	script map[SMTPStage][]SMTPAnswer
	drops  int
	mails  []Mail
	conns  []net.Conn    // all that were ever taken
	news   chan struct{} // closed and replaced at each mail
}

// SMTPStage is a command whose answer can be scripted.
type SMTPStage string

// The stages, in their order. The greeting and STARTTLS cannot be scripted: a
// server that is odd there is a script of its own, over a bare listener.
const (
	SMTPHello     SMTPStage = "EHLO"
	SMTPAuth      SMTPStage = "AUTH"
	SMTPSender    SMTPStage = "MAIL"
	SMTPRecipient SMTPStage = "RCPT"
	SMTPData      SMTPStage = "DATA" // the answer after the mail
)

// SMTPAnswer is one scripted answer. Code 0 or 250 stands for the ordinary one.
// An Enhanced of zeros is left out.
type SMTPAnswer struct {
	Code     int
	Enhanced [3]int
	Text     string
}

// SMTPOption changes a server before it starts.
type SMTPOption func(*SMTP) error

// SMTPWithTLS offers STARTTLS with a certificate of the server's own making,
// for 127.0.0.1 and localhost: see Roots and CertPEM.
func SMTPWithTLS() SMTPOption { return func(s *SMTP) error { return s.selfSigned() } }

// SMTPWithImplicitTLS is SMTPWithTLS, but with TLS from the first byte.
func SMTPWithImplicitTLS() SMTPOption {
	return func(s *SMTP) error {
		s.implicit = true
		return s.selfSigned()
	}
}

// SMTPWithCertificate offers STARTTLS with the given certificate.
func SMTPWithCertificate(c tls.Certificate) SMTPOption {
	return func(s *SMTP) error {
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{c}, MinVersion: tls.VersionTLS12}
		return nil
	}
}

// SMTPWithLogin demands this login before a mail, by one of the mechanisms
// PLAIN, LOGIN, CRAM-MD5 and XOAUTH2, where pass is the token; none named: the
// first three.
func SMTPWithLogin(user, pass string, mechanisms ...string) SMTPOption {
	return func(s *SMTP) error {
		if len(mechanisms) == 0 {
			mechanisms = []string{"PLAIN", "LOGIN", "CRAM-MD5"}
		}
		s.user, s.pass, s.mechanisms = user, pass, mechanisms
		return nil
	}
}

// SMTPWithScript is Script before the start.
func SMTPWithScript(stage SMTPStage, answers ...SMTPAnswer) SMTPOption {
	return func(s *SMTP) error {
		s.Script(stage, answers...)
		return nil
	}
}

// SMTPDropAfterData reads and keeps the next n mails, and then closes the
// connection in place of an answer.
func SMTPDropAfterData(n int) SMTPOption {
	return func(s *SMTP) error {
		s.drops = n
		return nil
	}
}

// NewSMTP starts a server on a free port of 127.0.0.1. Close ends it.
func NewSMTP(opts ...SMTPOption) (*SMTP, error) {
	s := &SMTP{
		script: map[SMTPStage][]SMTPAnswer{},
		served: make(chan struct{}),
		news:   make(chan struct{}),
	}
	s.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		if err := s.next(SMTPHello); err != nil {
			return nil, err
		}
		return &smtpSession{s: s, conn: c}, nil
	}))
	s.server.Domain = "mail.test"
	s.server.AllowInsecureAuth = true
	s.server.ErrorLog = log.New(io.Discard, "", 0)
	s.server.ReadTimeout = time.Minute
	for _, opt := range opts {
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for mail: %w", err)
	}
	s.listener = countingListener{l, s}
	l = s.listener
	if s.implicit {
		l = tls.NewListener(l, s.server.TLSConfig)
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(l) // ends with Close
	}()
	return s, nil
}

// StartSMTP is NewSMTP for a test, which it fails when the server cannot start
// and whose end is the server's end.
func StartSMTP(t interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(f func())
}, opts ...SMTPOption,
) *SMTP {
	t.Helper()
	s, err := NewSMTP(opts...)
	if err != nil {
		t.Fatalf("start a mail server: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// Addr is where it listens, as host:port; Host and Port are its halves.
func (s *SMTP) Addr() string { return s.listener.Addr().String() }

// Host is 127.0.0.1.
func (s *SMTP) Host() string { return "127.0.0.1" }

// Port is the port it listens on.
func (s *SMTP) Port() int {
	a, _ := s.listener.Addr().(*net.TCPAddr)
	return a.Port
}

// Roots trusts the certificate that the server made; nil without TLS.
func (s *SMTP) Roots() *x509.CertPool { return s.roots }

// CertPEM is that certificate, for a file that SSL_CERT_FILE names.
func (s *SMTP) CertPEM() []byte { return s.pem }

// Close ends the server and every connection.
func (s *SMTP) Close() error {
	// The listener first: a Serve that has not begun yet does not know the
	// server's Close, but ends with its listener.
	err := s.listener.Close()
	if e := s.server.Close(); e != nil && !errors.Is(e, net.ErrClosed) && !errors.Is(e, smtp.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	<-s.served
	return err
}

// Script appends answers to those that a stage gives one by one, the first to
// the first command that comes; after the last, everything is taken again.
func (s *SMTP) Script(stage SMTPStage, answers ...SMTPAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[stage] = append(s.script[stage], answers...)
}

// Mails are the mails taken so far, in the order of their arrival.
func (s *SMTP) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Wait returns the mails once there are n, or ctx's error.
func (s *SMTP) Wait(ctx context.Context, n int) ([]Mail, error) {
	for {
		s.mu.Lock()
		mails, news := slices.Clone(s.mails), s.news
		s.mu.Unlock()
		if len(mails) >= n {
			return mails, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return mails, fmt.Errorf("wait for %d mails, have %d: %w", n, len(mails), ctx.Err())
		}
	}
}

// next takes a stage's next scripted answer; nil for the ordinary one.
func (s *SMTP) next(stage SMTPStage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.script[stage]
	if len(queue) == 0 {
		return nil
	}
	a := queue[0]
	s.script[stage] = queue[1:]
	if a.Code == 0 || a.Code == 250 {
		return nil
	}
	e := &smtp.SMTPError{Code: a.Code, EnhancedCode: smtp.EnhancedCode(a.Enhanced), Message: a.Text}
	if a.Enhanced == [3]int{} {
		e.EnhancedCode = smtp.NoEnhancedCode
	}
	return e
}

// take keeps a mail and says whether its connection is to be dropped.
func (s *SMTP) take(m Mail) (drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	close(s.news)
	s.news = make(chan struct{})
	if s.drops == 0 {
		return false
	}
	s.drops--
	return true
}

func (s *SMTP) selfSigned() error {
	cert, pem, err := NewCertificate(time.Now().Add(24*time.Hour), "127.0.0.1", "localhost")
	if err != nil {
		return err
	}
	s.pem, s.roots = pem, x509.NewCertPool()
	s.roots.AppendCertsFromPEM(pem)
	return SMTPWithCertificate(cert)(s)
}
