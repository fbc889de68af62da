package target

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

func TestABurstOfMailsSharesOneConnection(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword))
	e := newTestEmail(t, s, withLogin)
	for range 20 {
		if r := sendMail(t, e); r.Outcome != event.Delivered {
			t.Fatalf("result %+v, want delivered", r)
		}
	}
	if n, m := s.Connections(), len(s.Mails()); n != 1 || m != 20 {
		t.Errorf("%d mails over %d connections, want 20 over one", m, n)
	}
	for _, m := range s.Mails() {
		if !m.TLS || m.User != "relay" {
			t.Fatalf("a mail came with TLS %v from %q, want all of them encrypted from relay", m.TLS, m.User)
		}
	}
}

func TestThereAreNoMoreConnectionsThanAttemptsAtTheSameTime(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 10 {
				if r := e.Send(t.Context(), mailTestMessage(t, e)); r.Outcome != event.Delivered {
					t.Errorf("result %+v, want delivered", r)
				}
			}
		})
	}
	wg.Wait()
	if n, m := s.Connections(), len(s.Mails()); n > 3 || m != 30 {
		t.Errorf("%d mails over %d connections, want 30 over at most 3", m, n)
	}
}

func TestAConnectionTheServerHasClosedIsReplacedWithoutAFailure(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s)
	for range 2 {
		if r := sendMail(t, e); r.Outcome != event.Delivered {
			t.Fatalf("result %+v, want delivered", r)
		}
		s.HangUp()
	}
	if n, m := s.Connections(), len(s.Mails()); n != 2 || m != 2 {
		t.Errorf("%d mails over %d connections, want 2 over 2", m, n)
	}
}

// TestAServerThatHasHadEnoughOfAConnectionGetsAnother: limits of mails a session
// are told in every code there is.
func TestAServerThatHasHadEnoughOfAConnectionGetsAnother(t *testing.T) {
	for _, c := range []struct {
		stage relaytest.SMTPStage
		code  int
	}{
		{relaytest.SMTPSender, 421},
		{relaytest.SMTPSender, 451},
		{relaytest.SMTPSender, 452},
		{relaytest.SMTPSender, 503},
		{relaytest.SMTPSender, 530},
		{relaytest.SMTPSender, 550},
		{relaytest.SMTPRecipient, 421},
	} {
		t.Run(fmt.Sprint(c.stage, c.code), func(t *testing.T) {
			s := relaytest.StartSMTP(t, relaytest.SMTPWithScript(c.stage, relaytest.SMTPAnswer{}, relaytest.SMTPAnswer{Code: c.code}))
			e := newTestEmail(t, s)
			for range 2 {
				if r := sendMail(t, e); r.Outcome != event.Delivered {
					t.Fatalf("result %+v, want delivered", r)
				}
			}
			if n := s.Connections(); n != 2 {
				t.Errorf("%d connections, want the second mail over a second one", n)
			}
		})
	}
}

func TestWhatTheNewConnectionSaysCounts(t *testing.T) {
	busy := relaytest.SMTPAnswer{Code: 421}
	s := relaytest.StartSMTP(t, relaytest.SMTPWithScript(relaytest.SMTPSender, relaytest.SMTPAnswer{}, busy, busy))
	e := newTestEmail(t, s)
	sendMail(t, e)
	if r := sendMail(t, e); r.Outcome != event.Retry || r.Status != 421 || s.Connections() != 2 {
		t.Errorf("result %+v after %d connections, want a retry after two", r, s.Connections())
	}
}

func TestARefusalOfOneMailIsNotTriedAgainOverAnotherConnection(t *testing.T) {
	for _, c := range []struct {
		stage relaytest.SMTPStage
		code  int
		want  event.Outcome
	}{
		{relaytest.SMTPRecipient, 550, event.Rejected},
		{relaytest.SMTPRecipient, 450, event.Retry},
		{relaytest.SMTPData, 554, event.Rejected},
		{relaytest.SMTPData, 421, event.Retry},
	} {
		t.Run(fmt.Sprint(c.stage, c.code), func(t *testing.T) {
			s := relaytest.StartSMTP(t, relaytest.SMTPWithScript(c.stage, relaytest.SMTPAnswer{}, relaytest.SMTPAnswer{Code: c.code}))
			e := newTestEmail(t, s)
			sendMail(t, e)
			if r := sendMail(t, e); r.Outcome != c.want || r.Status != c.code || s.Connections() != 1 {
				t.Errorf("result %+v after %d connections, want %v after one", r, s.Connections(), c.want)
			}
			if r := sendMail(t, e); r.Outcome != event.Delivered || s.Connections() != 2 {
				t.Errorf("result %+v after %d connections, want delivered over another", r, s.Connections())
			}
		})
	}
}

func TestAMailLostAfterItsEndIsNotSentAgainInTheSameAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dialled := 0
		e := piped(t, func(c net.Conn) {
			recite(c, "220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n", // one mail,
				"250 ok\r\n", "250 ok\r\n", "354 go\r\n") // and another without an answer
		})
		dial := e.dial
		e.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialled++
			return dial(ctx, network, addr)
		}
		sendMail(t, e)
		if r := sendMail(t, e); r.Outcome != event.Retry || !strings.Contains(r.Reason, "may have arrived") || dialled != 1 {
			t.Errorf("result %+v after %d connections, want a retry that says the mail may have arrived, after one", r, dialled)
		}
	})
}

func TestAConnectionTakesALimitedNumberOfMails(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s)
	for range mailsConnection + 1 {
		sendMail(t, e)
	}
	if n, m := s.Connections(), len(s.Mails()); n != 2 || m != mailsConnection+1 {
		t.Errorf("%d mails over %d connections, want %d over 2", m, n, mailsConnection+1)
	}
}

func TestAConnectionNobodyNeedsEndsWithAGoodbye(t *testing.T) {
	taken := []string{"220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n", "221 bye\r\n"}
	for name, end := range map[string]func(*Email){
		"after a while": func(*Email) { time.Sleep(mailIdle) }, // of the bubble's time
		"with Close":    func(e *Email) { e.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				said := make(chan string, 1)
				e := piped(t, func(c net.Conn) { recite(reads{c, said}, taken...) })
				sendMail(t, e)
				start := time.Now()
				end(e)
				synctest.Wait()
				if got := <-said; got != "QUIT\r\n" || time.Since(start) > mailIdle || len(e.pool.free) != 0 {
					t.Errorf("%d connections left after %v, the last word was %q, want none and QUIT", len(e.pool.free), time.Since(start), got)
				}
			})
		})
	}
}

func TestNothingIsKeptAfterClose(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s)
	e.Close()
	if r := sendMail(t, e); r.Outcome != event.Delivered || len(e.pool.free) != 0 {
		t.Errorf("result %+v, %d connections left, want delivered and none", r, len(e.pool.free))
	}
}

func TestAnAttemptThatIsCutShortLeavesNoConnectionBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := piped(t, func(c net.Conn) {
			recite(c, "220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 ok\r\n")
			wait(c)
		})
		sendMail(t, e)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if r := e.Send(ctx, mailTestMessage(t, e)); r.Outcome != event.Retry || !strings.Contains(r.Reason, "stopping") || len(e.pool.free) != 0 {
			t.Errorf("result %+v, %d connections left, want a retry and none", r, len(e.pool.free))
		}
	})
}
