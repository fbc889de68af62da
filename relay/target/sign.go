package target

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"invitation-relay/relay/secret"
)

// errSignSecret says that a secret is not one of Standard Webhooks.
var errSignSecret = errors.New("not a Standard Webhooks secret")

// newSigner makes a signer of a Standard Webhooks secret: "whsec_" and base64;
// the prefix may be missing.
func newSigner(s secret.String) (*standardwebhooks.Webhook, error) {
	text := s.Reveal()
	if strings.TrimPrefix(text, "whsec_") == "" {
		return nil, errSignSecret
	}
	w, err := standardwebhooks.NewWebhook(text)
	if err != nil {
		return nil, errSignSecret // the library's error says where in the secret
	}
	return w, nil
}

// stamp puts time and signatures on each try (standardwebhooks.com): the id
// stays, so that a receiver drops repeats; the time is new, so that a late try
// is not taken for a replay.
type stamp struct {
	signers []*standardwebhooks.Webhook
	id      string
	body    []byte
	now     time.Time // by the clock of whoever asked for the attempt,
	start   time.Time // when this clock said so
}

// set puts webhook-timestamp and webhook-signature on h.
func (s *stamp) set(h http.Header) {
	at := s.now.Add(time.Since(s.start))
	h["Webhook-Timestamp"] = []string{strconv.FormatInt(at.Unix(), 10)}
	if len(s.signers) == 0 {
		return
	}
	signatures := make([]string, len(s.signers))
	for i, w := range s.signers {
		signatures[i], _ = w.Sign(s.id, at, s.body) // it has no way to fail
	}
	h["Webhook-Signature"] = []string{strings.Join(signatures, " ")}
}

// traceparent is a W3C Trace Context header (level 1, version 00) for one
// attempt: the trace is the event's, the same on every attempt, so that all that
// came of a webhook can be found in one place; the span is the attempt's own.
// Where nobody traces here the sampled flag is set, else receivers that follow
// their caller keep nothing.
func traceparent(m *Message) string {
	if m.Traceparent != "" {
		return m.Traceparent
	}
	var b [55]byte
	var span [8]byte
	trace := m.Event.ID.Trace()
	binary.BigEndian.PutUint64(span[:], rand.Uint64()|1) //nolint:gosec // a name, guards nothing; all zero is not valid
	copy(b[:], "00-")
	hex.Encode(b[3:], trace[:])
	b[35] = '-'
	hex.Encode(b[36:], span[:])
	copy(b[52:], "-01")
	return string(b[:])
}
