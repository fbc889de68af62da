package target

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

func TestEachAnswerHasItsOutcome(t *testing.T) {
	const (
		hello, auth, from, to, data = relaytest.SMTPHello, relaytest.SMTPAuth, relaytest.SMTPSender, relaytest.SMTPRecipient, relaytest.SMTPData
	)
	for _, c := range []struct {
		stage    relaytest.SMTPStage
		code     int
		enhanced string
		want     event.Outcome
		reason   string
	}{
		{to, 421, "4.3.2", event.Retry, "full or out of service"},
		{from, 421, "", event.Retry, "closing or too busy"},
		{data, 421, "4.3.2", event.Retry, "full or out of service"},
		{to, 450, "4.7.1", event.Retry, "greylisting"},
		{to, 451, "4.7.1", event.Retry, "greylisting"},
		{to, 450, "", event.Retry, "greylisted"},
		{to, 451, "4.3.0", event.Retry, "passing problem"},
		{to, 452, "4.2.2", event.Retry, "mailbox is full"},
		{to, 452, "4.3.1", event.Retry, "full or out of service"},
		{data, 451, "4.3.0", event.Retry, "passing problem"},
		{data, 452, "", event.Retry, "no room"},
		{auth, 454, "4.7.0", event.Retry, "just now"},
		{hello, 451, "4.3.0", event.Retry, "passing problem"},

		{to, 550, "5.1.1", event.Rejected, "no such mailbox"},
		{to, 550, "", event.Rejected, "check the address"},
		{to, 551, "5.1.6", event.Rejected, "has moved"},
		{to, 552, "5.2.2", event.Rejected, "mailbox is full"},
		{to, 553, "5.1.3", event.Rejected, "not valid"},
		{to, 554, "5.7.1", event.Rejected, "policy"},
		{to, 556, "5.1.10", event.Rejected, "no such mailbox"},
		{from, 552, "5.3.4", event.Rejected, "too big"},
		{data, 552, "5.3.4", event.Rejected, "too big"},
		{data, 554, "5.7.1", event.Rejected, "policy"},
		{data, 550, "5.7.26", event.Rejected, "DMARC"},
		{data, 554, "", event.Rejected, "refuses this mail for good"},
		{to, 550, "5.7.509", event.Rejected, "policy"},
		{data, 550, "5.7.0", event.Rejected, "policy"},
		{to, 552, "", event.Rejected, "full, or the mail is too big"},

		{from, 530, "5.7.0", event.Held, "wants a login"},
		{from, 534, "5.7.9", event.Held, "too weak"},
		{from, 535, "5.7.8", event.Held, "username and password"},
		{to, 530, "5.7.0", event.Held, "wants a login"},
		{data, 530, "", event.Held, "wants a login"},
		{auth, 535, "5.7.8", event.Held, "username and password"},
		{auth, 534, "5.7.9", event.Held, "too weak"},
		{auth, 538, "5.7.11", event.Held, "encrypted"},
		{auth, 504, "5.5.4", event.Held, "username and password"},
		{from, 550, "5.7.1", event.Held, "send as `from`"},
		{from, 553, "5.1.8", event.Held, "send as `from`"},
		{from, 501, "5.5.4", event.Held, "does not understand"},
		{from, 503, "", event.Held, "does not understand"},
		{hello, 550, "5.7.1", event.Held, "block list"},
	} {
		t.Run(fmt.Sprintf("%s %d %s", c.stage, c.code, c.enhanced), func(t *testing.T) {
			a := relaytest.SMTPAnswer{Code: c.code, Text: "Jon Doe <team@example.org> " + mailTestPassword}
			said := fmt.Sprint(c.code)
			if c.enhanced != "" {
				said += " " + c.enhanced
				if _, err := fmt.Sscanf(c.enhanced, "%d.%d.%d", &a.Enhanced[0], &a.Enhanced[1], &a.Enhanced[2]); err != nil {
					t.Fatal(err)
				}
			}
			// Twice for EHLO: refused, the client tries HELO.
			s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword),
				relaytest.SMTPWithScript(c.stage, a, a))
			r := sendMail(t, newTestEmail(t, s, withLogin))
			if r.Outcome != c.want || r.Status != c.code || !strings.HasPrefix(r.Reason, said+": ") || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("result %v %d %q, want %v, %q … %q", r.Outcome, r.Status, r.Reason, c.want, said, c.reason)
			}
			if held := strings.Contains(r.Reason, "targets release archive`"); held != (c.want == event.Held) {
				t.Errorf("reason %q: says how to release %v, want that when held", r.Reason, held)
			}
			if r.RetryAfter != 0 {
				t.Errorf("asks the whole target to wait %v: a mail server's no concerns one mail", r.RetryAfter)
			}
			noCanaryIn(t, r)
			if len(s.Mails()) != 0 {
				t.Error("the server took the mail")
			}
		})
	}
}

// noCanaryIn fails when a result tells who, what or how to log in. The
// server's words in these tests repeat all of it.
func noCanaryIn(t *testing.T, r Result) {
	t.Helper()
	for _, canary := range []string{mailTestPassword, "example.org", "team", "Doe", "CIF-4711", "@", "127.0.0.1"} {
		if strings.Contains(r.Reason, canary) {
			t.Errorf("the reason gives %q away: %s", canary, r.Reason)
		}
	}
}

// scripted is a mail server that says each line in turn, waiting for one from
// the client before each but the first, and then hangs up.
func scripted(t *testing.T, lines ...string) *Email {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		recite(c, lines...)
	})
	e := newTestEmail(t, nil)
	e.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
	}
	return e
}

// recite is one such conversation. The mail itself counts as one line.
func recite(c net.Conn, lines ...string) {
	if len(lines) == 0 {
		return
	}
	r := textproto.NewReader(bufio.NewReader(c))
	last := ""
	for i, line := range lines {
		if i > 0 {
			if strings.HasPrefix(last, "354") {
				if _, err := r.ReadDotBytes(); err != nil {
					return
				}
			} else if _, err := r.ReadLine(); err != nil {
				return
			}
		}
		if _, err := c.Write([]byte(line)); err != nil {
			return
		}
		last = line
	}
	if strings.HasPrefix(last, "354") {
		_, _ = r.ReadDotBytes()
	} else {
		_, _ = r.ReadLine()
	}
}

func TestOddConversationsEndInARetry(t *testing.T) {
	const hi, ok, go354 = "220 hi\r\n", "250 ok\r\n", "354 go\r\n"
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"hangs up at once", nil, "instead of greeting"},
		{"is a web server", []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}, "not a mail server"},
		{"is garbage", []string{"\x16\x03\x01\x00\xff\x00\r\n"}, "not a mail server"},
		{"greets without an end", []string{strings.Repeat("220-hi "+strings.Repeat("x", 1000)+"\r\n", 400)}, "did not stop talking"},
		{"greets in one line without an end", []string{"220 " + strings.Repeat("x", 400_000)}, "did not stop talking"},
		{"is busy", []string{"421 4.3.2 Jon Doe\r\n"}, "421 4.3.2: "},
		{"hangs up after EHLO", []string{hi}, "instead of greeting"},
		{"hangs up after MAIL", []string{hi, ok}, "connection was lost"},
		{"hangs up after RCPT", []string{hi, ok, ok}, "connection was lost"},
		{"hangs up after DATA", []string{hi, ok, ok, ok}, "connection was lost"},
		{"hangs up after the mail", []string{hi, ok, ok, ok, go354}, "may have arrived"},
		{"answers the mail with garbage", []string{hi, ok, ok, ok, go354, "team@example.org\r\n"}, "may have arrived"},
		{"answers out of turn", []string{hi, ok, ok, ok, "250 ok\r\n"}, "out of turn"},
		{"answers with a code that does not exist", []string{hi, ok, ok, "999 team@example.org\r\n"}, "out of turn"},
		{"is closing while the mail comes", []string{hi, ok, ok, ok, go354, "421 4.3.2 bye\r\n"}, "421 4.3.2: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := sendMail(t, scripted(t, c.lines...))
			if r.Outcome != event.Retry || !strings.Contains(r.Reason, c.want) {
				t.Errorf("result %+v, want a retry: %q", r, c.want)
			}
			noCanaryIn(t, r)
		})
	}
}

func TestAMailThatWasTakenIsDeliveredWhateverComesAfter(t *testing.T) {
	const hi, ok, go354 = "220 hi\r\n", "250 ok\r\n", "354 go\r\n"
	for name, lines := range map[string][]string{
		"hangs up before QUIT": {hi, ok, ok, ok, go354, ok},
		"refuses QUIT":         {hi, ok, ok, ok, go354, ok, "500 what\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := sendMail(t, scripted(t, lines...)); r.Outcome != event.Delivered {
				t.Errorf("result %+v, want delivered", r)
			}
		})
	}
}

func TestALoginThatEndsInNonsenseHoldsTheTarget(t *testing.T) {
	e := scripted(t, "220 hi\r\n", "250-ok\r\n250 AUTH CRAM-MD5\r\n", "334 not base64!\r\n", "501 ok\r\n")
	withLogin(&e.cfg)
	if r := sendMail(t, e); r.Outcome != event.Held || !strings.Contains(r.Reason, "login") {
		t.Errorf("result %+v, want held", r)
	}
}

func TestAServerWithoutALoginWeKnowHoldsTheTarget(t *testing.T) {
	e := scripted(t, "220 hi\r\n", "250-ok\r\n250 AUTH NTLM\r\n", "221 bye\r\n")
	withLogin(&e.cfg)
	if r := sendMail(t, e); r.Outcome != event.Held || !strings.Contains(r.Reason, "offers no login") {
		t.Errorf("result %+v, want held", r)
	}
}

func TestAPlainServerBehindImplicitTLSIsTriedAgainWithAHint(t *testing.T) {
	e := scripted(t, "220 hi\r\n")
	e.cfg.TLS = "implicit"
	if r := sendMail(t, e); r.Outcome != event.Retry || !strings.Contains(r.Reason, "mandatory for 587") {
		t.Errorf("result %+v, want a retry with a hint", r)
	}
}

func TestNoConnectionIsARetry(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		want   event.Outcome
		reason string
	}{
		"refused":           {&net.OpError{Op: "dial", Err: errors.New("connect: connection refused")}, event.Retry, "no connection"},
		"unknown name":      {&net.DNSError{Err: "no such host", Name: "mail.example.org", IsNotFound: true}, event.Retry, "unknown"},
		"no answer by DNS":  {&net.DNSError{Err: "server misbehaving", Name: "mail.example.org"}, event.Retry, "looked up"},
		"forbidden address": {&net.OpError{Op: "dial", Err: errForbiddenAddress}, event.Held, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTestEmail(t, nil)
			e.dial = func(context.Context, string, string) (net.Conn, error) { return nil, c.err }
			r := sendMail(t, e)
			if r.Outcome != c.want || r.Status != 0 || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("result %+v, want %v: %q", r, c.want, c.reason)
			}
			noCanaryIn(t, r)
		})
	}
}

func TestAMailServerAtALinkLocalAddressIsNotDialled(t *testing.T) {
	e := newTestEmail(t, nil)
	e.cfg.Host = "169.254.169.254"
	if r := sendMail(t, e); r.Outcome != event.Held || !strings.Contains(r.Reason, "link-local") {
		t.Errorf("result %+v, want held", r)
	}
}

// piped is an Email whose server is f, in a bubble where time is free.
func piped(t *testing.T, f func(net.Conn)) *Email {
	t.Helper()
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	e := newTestEmail(t, nil) // whose end comes before that of its servers
	e.dial = func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		wg.Go(func() {
			defer func() { _ = theirs.Close() }()
			f(theirs)
		})
		return ours, nil
	}
	return e
}

func TestTheTimeoutBoundsTheWholeAttempt(t *testing.T) {
	hang := func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }
	trickle := func(c net.Conn) {
		for _, err := c.Write([]byte("220-")); err == nil; _, err = c.Write([]byte("x")) {
			time.Sleep(time.Second)
		}
	}
	hangAfterMail := func(c net.Conn) {
		recite(c, "220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n")
		hang(c)
	}
	for name, c := range map[string]struct {
		server func(net.Conn)
		want   string
	}{
		"no greeting":              {hang, "did not greet in time"},
		"a greeting that trickles": {trickle, "did not greet in time"},
		"no answer to the mail":    {hangAfterMail, "may have arrived"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				r := sendMail(t, piped(t, c.server))
				if r.Outcome != event.Retry || !strings.Contains(r.Reason, c.want) {
					t.Errorf("result %+v, want a retry: %q", r, c.want)
				}
				if took := time.Since(start); took != 30*time.Second {
					t.Errorf("took %v, want the timeout of 30s", took)
				}
			})
		})
	}
}

func TestAGoodbyeWithoutAnswerHoldsUpNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		e := piped(t, func(c net.Conn) {
			recite(c, "220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n")
			_, _ = c.Read(make([]byte, 1))
		})
		if r, took := sendMail(t, e), time.Since(start); r.Outcome != event.Delivered || took > 0 {
			t.Errorf("result %+v after %v, want delivered at once", r, took)
		}
		if e.Close(); time.Since(start) > mailQuitWait {
			t.Errorf("closed after %v, want at most %v", time.Since(start), mailQuitWait)
		}
	})
}

func TestTheEndOfTheContextCutsAnAttemptShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		e := piped(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) })
		r := e.Send(ctx, mailTestMessage(t, e))
		if took := time.Since(start); r.Outcome != event.Retry || !strings.Contains(r.Reason, "stopping") || took != time.Second {
			t.Errorf("result %+v after %v, want a retry at the context's end", r, took)
		}
	})
}

func TestNoConnectionIsLeftOpen(t *testing.T) {
	for name, server := range map[string]func(net.Conn){
		"refused greeting": func(c net.Conn) { recite(c, "554 no\r\n"); wait(c) },
		"no STARTTLS":      func(c net.Conn) { recite(c, "220 hi\r\n", "250 ok\r\n"); wait(c) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // a server left waiting would end the test in a deadlock
				e := piped(t, server)
				e.cfg.TLS = "mandatory"
				if r := sendMail(t, e); r.Outcome != event.Held {
					t.Errorf("result %+v, want held", r)
				}
			})
		})
	}
}

// wait reads until the other side has closed.
func wait(c net.Conn) {
	for buf := make([]byte, 64); ; {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

func TestAGoodbyeIsSaidWhetherOrNotTheMailWasTaken(t *testing.T) {
	for name, lines := range map[string][]string{
		"taken":   {"220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n"},
		"refused": {"220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "550 no\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := make(chan string, 1)
				e := piped(t, func(c net.Conn) { recite(reads{c, said}, lines...) })
				sendMail(t, e)
				e.Close()
				if got := <-said; got != "QUIT\r\n" {
					t.Errorf("the last word was %q, want QUIT", got)
				}
			})
		})
	}
}

// reads is a connection that keeps the last thing that was read.
type reads struct {
	net.Conn
	last chan string
}

func (r reads) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if n > 0 {
		select {
		case <-r.last:
		default:
		}
		r.last <- string(p[:n])
	}
	return n, err
}
