package intake

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// signatureTolerance is how far webhook-timestamp may be from our clock
// (Standard Webhooks, "Verifying webhook authenticity").
const signatureTolerance = 5 * time.Minute

// checker holds what a sender must show, hashed: comparing hashes takes the same
// time for any guess of any length.
type checker struct {
	basic     [][sha256.Size]byte // of "username:password"
	headers   []headerCheck
	signature []*standardwebhooks.Webhook
	challenge []string // WWW-Authenticate
}

type headerCheck struct {
	name string // canonical
	sum  [sha256.Size]byte
}

func newChecker(a Auth) (*checker, error) {
	c := &checker{challenge: []string{`Webhook realm="webhook"`}}
	for i, b := range a.Basic {
		if strings.Contains(b.Username, ":") {
			return nil, fmt.Errorf("basic %d: a user name cannot contain a colon (RFC 7617)", i+1)
		}
		c.basic = append(c.basic, sha256.Sum256([]byte(b.Username+":"+b.Password.Reveal())))
		c.challenge = []string{`Basic realm="webhook", charset="UTF-8"`}
	}
	for i, h := range a.Headers {
		if h.Name == "" || h.Value.IsZero() {
			return nil, fmt.Errorf("header %d needs a name and a value", i+1)
		}
		c.headers = append(c.headers, headerCheck{http.CanonicalHeaderKey(h.Name), sha256.Sum256([]byte(h.Value.Reveal()))})
	}
	for i, s := range a.Signature {
		wh, err := standardwebhooks.NewWebhook(s.Reveal())
		if err != nil || strings.TrimPrefix(s.Reveal(), "whsec_") == "" {
			return nil, fmt.Errorf("signature %d is not whsec_ and base64", i+1) // the library's error might quote it
		}
		c.signature = append(c.signature, wh)
	}
	return c, nil
}

// head reports whether the request's head shows what is asked of it. Every
// alternative is compared, also after one has matched.
func (c *checker) head(h http.Header) bool {
	// Two Authorization headers are two answers to one question, whoever asks.
	auth := h["Authorization"]
	ok := len(auth) <= 1
	if len(c.basic) > 0 {
		var given [sha256.Size]byte
		if len(auth) == 1 {
			given = basicSum(auth[0])
		}
		match := 0
		for i := range c.basic {
			match |= subtle.ConstantTimeCompare(c.basic[i][:], given[:])
		}
		ok = ok && match == 1
	}
	if len(c.headers) > 0 {
		match := 0
		for i := range c.headers {
			var given [sha256.Size]byte
			if values := h[c.headers[i].name]; len(values) == 1 {
				given = sha256.Sum256([]byte(values[0]))
			}
			match |= subtle.ConstantTimeCompare(c.headers[i].sum[:], given[:])
		}
		ok = ok && match == 1
	}
	return ok
}

// basicSum is the hash of the credentials in an Authorization header, zero when
// there are none. The scheme has no case (RFC 9110, section 11.1).
func basicSum(header string) (sum [sha256.Size]byte) {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "basic") {
		return sum
	}
	var buf [256]byte
	plain, err := base64.StdEncoding.AppendDecode(buf[:0], []byte(strings.TrimLeft(token, " ")))
	if err != nil {
		return sum
	}
	return sha256.Sum256(plain)
}

// signed reports whether the body carries a signature by one of the secrets that
// is not old. It is of the body as received, before anything is done with it.
func (c *checker) signed(h http.Header, body []byte, now time.Time) bool {
	if len(c.signature) == 0 {
		return true
	}
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		if len(h[name]) != 1 {
			return false
		}
	}
	sec, err := strconv.ParseInt(h["Webhook-Timestamp"][0], 10, 64)
	if err != nil {
		return false
	}
	age := now.Sub(time.Unix(sec, 0))
	ok := age.Abs() <= signatureTolerance
	match := false
	for _, wh := range c.signature {
		match = wh.VerifyIgnoringTimestamp(body, h) == nil || match // by our clock above, not the library's
	}
	return ok && match
}
