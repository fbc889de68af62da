package target

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

// between puts somebody between e and s who may change what the server says as
// long as it is said in plain text: each line goes through change.
func between(t *testing.T, e *Email, s *relaytest.SMTP, change func(string) string) {
	t.Helper()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(e.Close) // before it: what is kept between mails would be waited for
	e.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		server, err := new(net.Dialer).DialContext(ctx, network, s.Addr())
		if err != nil {
			return nil, err
		}
		ours, theirs := net.Pipe()
		wg.Go(func() {
			_, _ = io.Copy(server, theirs) // until one of them closes
			_ = server.Close()
		})
		wg.Go(func() {
			defer func() { _ = theirs.Close() }()
			r := bufio.NewReader(server)
			for first := true; ; first = false {
				line, err := r.ReadString('\n')
				if _, writeErr := io.WriteString(theirs, change(line)); err != nil || writeErr != nil {
					return
				}
				if !first && strings.HasPrefix(line, "220 ") { // from here on it is encrypted
					_, _ = io.Copy(theirs, r)
					return
				}
			}
		})
		return ours, nil
	}
}

func TestSTARTTLSTakenOutOnTheWayShowsNothing(t *testing.T) {
	for _, c := range []struct {
		tls    string
		want   event.Outcome
		reason string
	}{
		// Held and not tried again silently: either the server has changed, or
		// somebody listens, and both are for a person to look at.
		{"mandatory", event.Held, "does not offer STARTTLS"},
		{"opportunistic", event.Held, "password was not sent"},
	} {
		t.Run(c.tls, func(t *testing.T) {
			s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword))
			e := newTestEmail(t, s, withLogin, withTLS(c.tls))
			between(t, e, s, func(line string) string { return strings.Replace(line, "STARTTLS", "XXXXXXXX", 1) })
			r := sendMail(t, e)
			if r.Outcome != c.want || !strings.Contains(r.Reason, c.reason) || len(s.Mails()) != 0 {
				t.Errorf("result %+v with %d mails, want %v, %q and none", r, len(s.Mails()), c.want, c.reason)
			}
		})
	}
}

func TestWhatIsSlippedInBeforeEncryptionIsNotHeard(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword, "PLAIN"))
	e := newTestEmail(t, s, withLogin)
	seen := 0
	between(t, e, s, func(line string) string {
		if strings.HasPrefix(line, "220 ") {
			if seen++; seen == 2 {
				return line + "250-mail.test\r\n250 AUTH CRAM-MD5\r\n" // CVE-2021-38371 and its kin
			}
		}
		return line
	})
	if r := sendMail(t, e); r.Outcome != event.Delivered {
		t.Fatalf("result %+v, want delivered", r)
	}
	if m := s.Mails()[0]; !m.TLS || m.Mechanism != "PLAIN" {
		t.Errorf("mail came with TLS %v by %s, want by what the server offers encrypted", m.TLS, m.Mechanism)
	}
}

func TestASTARTTLSThatIsRefusedSendsNothingInPlainText(t *testing.T) {
	for _, word := range []string{"mandatory", "opportunistic"} {
		t.Run(word, func(t *testing.T) {
			s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS())
			e := newTestEmail(t, s, withTLS(word))
			greeted := false
			between(t, e, s, func(line string) string {
				if strings.HasPrefix(line, "220 ") {
					if greeted {
						return "454 4.7.0 not now\r\n"
					}
					greeted = true
				}
				return line
			})
			if r := sendMail(t, e); r.Outcome != event.Retry || r.Status != 454 || len(s.Mails()) != 0 {
				t.Errorf("result %+v with %d mails, want a retry and none", r, len(s.Mails()))
			}
		})
	}
}
