package target_test

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
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
