package relaytest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/relaytest"
)

const sample = "From: =?utf-8?q?J=C3=B6rg?= <relay@example.org>\r\nTo: <team@example.org>\r\nSubject: =?utf-8?q?=E2=9C=93?= done\r\n" +
	"MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHello J=C3=B6rg\r\n.\r\nend\r\n\r\n" +
	"--b\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+w7Y8L3A+\r\n--b--\r\n"

// send goes through the standard library's client: another than the relay's.
func send(s *relaytest.SMTP, auth smtp.Auth) error {
	c, err := smtp.Dial(s.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if s.Roots() != nil {
		if err := c.StartTLS(&tls.Config{ServerName: s.Host(), RootCAs: s.Roots(), MinVersion: tls.VersionTLS12}); err != nil {
			return err
		}
	}
	if auth != nil {
		if err := c.Auth(auth); err != nil {
			return err
		}
	}
	if err := c.Mail("relay@example.org"); err != nil {
		return err
	}
	if err := c.Rcpt("team@example.org"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(sample)); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

func code(err error) int {
	if e, ok := errors.AsType[*textproto.Error](err); ok {
		return e.Code
	}
	return 0
}

func TestAMailIsShownAsAPersonSeesIt(t *testing.T) {
	s := relaytest.StartSMTP(t)
	if err := send(s, nil); err != nil {
		t.Fatal(err)
	}
	mails, err := s.Wait(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	want := "From: Jörg <relay@example.org>\nTo: <team@example.org>\nSubject: ✓ done\n\nHello Jörg\n.\nend\n"
	if d := cmp.Diff(want, mails[0].Text()); d != "" {
		t.Errorf("text (-want +got):\n%s", d)
	}
	if got := mails[0].Part("text/html"); got != "<p>ö</p>" {
		t.Errorf("html %q", got)
	}
	if m := mails[0]; m.TLS || m.User != "" || m.Sender != "relay@example.org" || len(m.Recipients) != 1 {
		t.Errorf("envelope %+v", m)
	}
}

func TestTextFallsBackToTheHTMLAndToNothing(t *testing.T) {
	html := relaytest.Mail{Raw: []byte("Subject: s\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n")}
	if !strings.HasSuffix(html.Text(), "\n\n<p>x</p>\n") {
		t.Errorf("text %q", html.Text())
	}
	if broken := (relaytest.Mail{Raw: []byte("\xff")}); broken.Subject() != "" || broken.Part("text/plain") != "" {
		t.Errorf("a mail that is none has a subject or a text: %q", broken.Text())
	}
}

func TestScriptedAnswersAreGivenOnceInTheirOrder(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithScript(relaytest.SMTPRecipient,
		relaytest.SMTPAnswer{Code: 451, Enhanced: [3]int{4, 7, 1}, Text: "later"}, relaytest.SMTPAnswer{Code: 250}, relaytest.SMTPAnswer{Code: 550}))
	s.Script(relaytest.SMTPData, relaytest.SMTPAnswer{Code: 554})
	var got []int
	for range 4 {
		got = append(got, code(send(s, nil)))
	}
	if d := cmp.Diff([]int{451, 554, 550, 0}, got); d != "" || len(s.Mails()) != 1 {
		t.Errorf("%d mails, answers (-want +got):\n%s", len(s.Mails()), d)
	}
}

func TestALoginIsDemandedAndChecked(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", "right"))
	if err := send(s, nil); code(err) != 530 {
		t.Errorf("without a login: %v, want 530", err)
	}
	for _, auth := range []smtp.Auth{smtp.PlainAuth("", "relay", "wrong", s.Host()), smtp.CRAMMD5Auth("relay", "wrong")} {
		if err := send(s, auth); code(err) != 535 {
			t.Errorf("with a wrong password: %v, want 535", err)
		}
	}
	for _, auth := range []smtp.Auth{smtp.PlainAuth("", "relay", "right", s.Host()), smtp.CRAMMD5Auth("relay", "right")} {
		if err := send(s, auth); err != nil {
			t.Errorf("with the right password: %v", err)
		}
	}
	for _, m := range s.Mails() {
		if !m.TLS || m.User != "relay" {
			t.Errorf("mail with TLS %v by %q, want encrypted by relay", m.TLS, m.User)
		}
	}
}

func TestADroppedMailIsKeptAndNotAnswered(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPDropAfterData(1))
	if err := send(s, nil); err == nil || code(err) != 0 {
		t.Errorf("%v, want a lost connection", err)
	}
	if err := send(s, nil); err != nil || len(s.Mails()) != 2 {
		t.Errorf("%v with %d mails, want the next one taken", err, len(s.Mails()))
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := relaytest.StartSMTP(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
}

func TestClosingTwiceAndRightAfterTheStartIsFine(t *testing.T) {
	for range 20 {
		s, err := relaytest.NewSMTP()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		_ = s.Close()
	}
}
