package target_test

import (
	"net/http"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest/alloctest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// What net/http itself allocates for a request is 21 of the 24.
func TestSendingOverHTTPAllocatesLittle(t *testing.T) {
	h := newHTTP(t, "http://cases.example/in", func(_ *target.HTTPConfig, d *target.Deps) { d.Quick, d.Transport = 2, silent })
	alloctest.AtMost(t, 24, sending(t, h))
}

func TestSigningAllocatesLittle(t *testing.T) {
	h := newHTTP(t, "http://cases.example/in", func(c *target.HTTPConfig, d *target.Deps) {
		d.Quick, d.Transport, c.Sign = 2, silent, []secret.String{benchSecret}
	})
	alloctest.AtMost(t, 40, sending(t, h))
}

func TestShapingAnEventAllocatesLittle(t *testing.T) {
	shaped := target.Shaped(taking{}, target.Shape{Fields: []string{"id", "full_name", "transaction_status"}, Mask: []string{"full_name"}})
	alloctest.AtMost(t, 36, sending(t, shaped))
}

func TestASlackMessageAllocatesLittle(t *testing.T) {
	s := slackAnswering(t, &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody})
	alloctest.AtMost(t, 78, sending(t, s))
}

// silent answers 200 without a network.
var silent = transport(func(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
})

func sending(t *testing.T, to target.Target) func() {
	m := message(t, sample)
	return func() {
		if r := to.Send(t.Context(), m); r.Outcome != event.Delivered {
			t.Error(r)
		}
	}
}
