package target

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
// attempt: the trace is the delivery's, the same on every attempt, so that the
// receiver's side of a delivery can be found in one place; the span is new. The
// sampled flag is set, else receivers that follow their caller keep nothing.
func traceparent(deliveryID string) string {
	var b [55]byte
	trace := sha256.Sum256([]byte("trace of delivery " + deliveryID))
	var span [8]byte
	_, _ = rand.Read(span[:]) // never fails (crypto/rand)
	span[0] |= 1              // all zero is not valid; nor for the trace, which is a hash
	copy(b[:], "00-")
	hex.Encode(b[3:], trace[:16])
	b[35] = '-'
	hex.Encode(b[36:], span[:])
	copy(b[52:], "-01")
	return string(b[:])
}
