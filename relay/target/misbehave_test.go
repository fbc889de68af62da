package target_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// TestNoReceiverHoldsAnAttemptOrAnythingOfIt: whatever a receiver does with its
// connection, the attempt ends within its time-out, with an outcome; once the
// target is closed there is no connection and no goroutine left of it.
func TestNoReceiverHoldsAnAttemptOrAnythingOfIt(t *testing.T) {
	const timeout = 300 * time.Millisecond
	turn := 10 * time.Millisecond
	for _, row := range []struct {
		name string
		does relaytest.Step
		want event.Outcome
		says string
		soon bool // it needs no time-out
	}{
		{"closes", relaytest.Drop(), event.Retry, "connection broke", true},
		{"resets", relaytest.Reset(), event.Retry, "connection broke", true},
		{"closes its direction only", relaytest.HalfClose(), event.Retry, "connection broke", true},
		{"hangs", relaytest.Hang(), event.Retry, "did not answer within timeout", false},
		{"is not HTTP", relaytest.Garbage(), event.Retry, "not HTTP", true},
		{"cuts the status line", relaytest.Say("HTTP/1.1 20"), event.Retry, "not HTTP", true},
		{"cuts between headers", relaytest.Say("HTTP/1.1 200 OK\r\nA: b\r\n"), event.Retry, "connection broke", true},
		{"cuts a header", relaytest.Say("HTTP/1.1 200 OK\r\nContent-Le"), event.Retry, "not HTTP", true},
		{"cuts the body of a success", relaytest.Say(relaytest.Promise(200, 1000) + "only this"), event.Delivered, "", true},
		{"cuts the body of a failure", relaytest.Say(relaytest.Promise(422, 1000) + "only this"), event.Rejected, "422", true},
		{"trickles headers", relaytest.Trickle("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", turn), event.Retry, "did not answer within timeout", false},
		{"trickles the body of a success", relaytest.Trickle(relaytest.Promise(200, 1<<20), "x", turn), event.Delivered, "", false},
		{"trickles the body of a failure", relaytest.Trickle(relaytest.Promise(500, 1<<20), "x", turn), event.Retry, "500", false},
		{"trickles chunks", relaytest.Trickle("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n", turn), event.Delivered, "", false},
		{"never ends a body", relaytest.Endless("HTTP/1.1 200 OK\r\n\r\n", "x"), event.Delivered, "", true},
		{"never ends a chunk's length", relaytest.Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0"), event.Delivered, "", true},
		{"never ends the headers", relaytest.Endless("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"), event.Retry, "never comes to its point", true},
		{"never ends a header", relaytest.Endless("HTTP/1.1 200 OK\r\nX-A: ", "b"), event.Retry, "never comes to its point", true},
		{"never ends the status line", relaytest.Endless("HTTP/1.1 200 ", "b"), event.Retry, "never comes to its point", true},
		{"floods with 1xx", relaytest.Endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), event.Retry, "never comes to its point", true},
		{"floods with 100", relaytest.Endless("", "HTTP/1.1 100 Continue\r\n\r\n"), event.Retry, "never comes to its point", true},
		{"trickles 1xx", relaytest.Trickle("", "HTTP/1.1 103 Early Hints\r\n\r\n", turn), event.Retry, "did not answer within timeout", false},
		{"answers 101", relaytest.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), event.Retry, "101", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			receiver := relaytest.NewTarget(t, row.does)
			h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) { c.Timeout = timeout })
			began := time.Now()
			r := h.Send(t.Context(), message(t, sample))
			if r.Outcome != row.want || !strings.Contains(r.Reason, row.says) {
				t.Errorf("%+v, want %s (%s)", r, row.want, row.says)
			}
			if took := time.Since(began); took > timeout+5*time.Second || row.soon && strings.Contains(r.Reason, "within timeout") {
				t.Errorf("it took %s", took)
			}
			h.Close()
			receiver.Close() // what holds a connection there ends when nobody holds it here
			goleak.VerifyNone(t, before)
		})
	}
}

// TestNoSlackHoldsAnAttemptOrAnythingOfIt is the same of Slack, whose verdict is
// in its words when there is a token.
func TestNoSlackHoldsAnAttemptOrAnythingOfIt(t *testing.T) {
	const timeout = 300 * time.Millisecond
	turn := 10 * time.Millisecond
	for name, does := range map[string]relaytest.Step{
		"closes":                    relaytest.Drop(),
		"resets":                    relaytest.Reset(),
		"closes its direction only": relaytest.HalfClose(),
		"hangs":                     relaytest.Hang(),
		"is not HTTP":               relaytest.Garbage(),
		"cuts a header":             relaytest.Say("HTTP/1.1 200 OK\r\nContent-Le"),
		"cuts a failure":            relaytest.Say(relaytest.Promise(500, 1000) + "only this"),
		"trickles headers":          relaytest.Trickle("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", turn),
		"trickles a failure":        relaytest.Trickle(relaytest.Promise(503, 1<<20), "x", turn),
		"trickles 1xx":              relaytest.Trickle("", "HTTP/1.1 103 Early Hints\r\n\r\n", turn),
		"never ends the headers":    relaytest.Endless("HTTP/1.1 200 OK\r\n", "X-A: b\r\n"),
		"never ends a failure":      relaytest.Endless("HTTP/1.1 500 Oops\r\n\r\n", "x"),
		"floods with 1xx":           relaytest.Endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
	} {
		for kind, change := range map[string]func(*target.SlackConfig){
			"by webhook": func(*target.SlackConfig) {},
			"by token": func(c *target.SlackConfig) {
				c.APIURL, c.Token, c.Channel = c.WebhookURL.Reveal(), secret.New("xoxb-1"), "C1"
				c.WebhookURL = secret.String{}
			},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				receiver := relaytest.NewTarget(t, does)
				s := newSlack(t, receiver.URL(), func(c *target.SlackConfig) { c.Timeout = timeout; change(c) })
				began := time.Now()
				r := s.Send(t.Context(), message(t, sample))
				if took := time.Since(began); r.Outcome != event.Retry || took > timeout+5*time.Second {
					t.Errorf("%+v after %s, want a retry in time", r, took)
				}
				s.Close()
				receiver.Close()
				goleak.VerifyNone(t, before)
			})
		}
	}
}
