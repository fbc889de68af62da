package cli

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"invitation-relay/relay/config"
	"invitation-relay/relay/secret"
)

// vendor sends webhooks as Preventor does: a POST of the JSON as it is, or, with
// a key, of the base64 of its AES-256-CBC encryption as text/plain, the random IV
// in a header; Basic auth and fixed headers as entered in its dashboard. It is
// safe for concurrent use. It follows no redirect and uses no proxy: what it
// carries is for the one host it was told.
type vendor struct {
	client   *http.Client
	url      string
	username string // with password; "" sends no Authorization
	password secret.String
	headers  []config.HeaderAuth
	key      []byte        // 32 bytes encrypt; empty sends plain
	signing  secret.String // whsec_…: Standard Webhooks, for sources of other senders; Preventor signs nothing
}

// answer is what came back for one message.
type answer struct {
	status    int
	id        string // of the event, as the relay tells it
	duplicate bool
	detail    string // the relay's sentence when it refused
	took      time.Duration
}

// ok reports whether the message was taken.
func (a answer) ok() bool { return a.status/100 == 2 }

const (
	ivHeader   = "X-Pvt-Cipher-Iv"
	sendWithin = 30 * time.Second
	maxAnswer  = 16 << 10 // bytes read of an answer
)

// newVendor returns a vendor that sends to url, plain and without credentials.
func newVendor(url string) *vendor {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	t.MaxIdleConnsPerHost = maxInFlight
	return &vendor{url: url, client: &http.Client{
		Timeout:       sendWithin,
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// close lets go of idle connections.
func (v *vendor) close() { v.client.CloseIdleConnections() }

// send posts one message and returns the answer, whatever its status. An error
// means that there was none; it names no URL and no secret.
func (v *vendor) send(ctx context.Context, s sample) (answer, error) {
	req, err := v.request(ctx, s)
	if err != nil {
		return answer{}, err
	}
	start := time.Now()
	resp, err := v.client.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("post webhook: %w", withoutURL(err))
	}
	defer func() { _ = resp.Body.Close() }() // the answer has been read
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", withoutURL(err))
	}
	a := readAnswer(resp.StatusCode, body)
	a.took = time.Since(start)
	return a, nil
}

// request builds the message. A sample that is encrypted already goes as it is.
func (v *vendor) request(ctx context.Context, s sample) (*http.Request, error) {
	body, iv, contentType := s.body, s.iv, s.contentType
	if iv == "" && len(v.key) > 0 {
		var random [aes.BlockSize]byte
		_, _ = rand.Read(random[:]) // never fails (crypto/rand)
		var err error
		if body, err = encrypt(v.key, random[:], s.body); err != nil {
			return nil, err
		}
		iv, contentType = base64.StdEncoding.EncodeToString(random[:]), "text/plain"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", withoutURL(err))
	}
	h := req.Header
	h.Set("Content-Type", contentType)
	h.Set("User-Agent", "invitation-relay simulate")
	if iv != "" {
		h.Set(ivHeader, iv)
	}
	for _, f := range v.headers {
		h.Set(f.Name, f.Value.Reveal())
	}
	if v.username != "" {
		req.SetBasicAuth(v.username, v.password.Reveal())
	}
	if !v.signing.IsZero() {
		err = v.sign(h, body)
	}
	return req, err
}

// sign adds the headers of Standard Webhooks.
func (v *vendor) sign(h http.Header, body []byte) error {
	wh, err := standardwebhooks.NewWebhook(v.signing.Reveal())
	if err != nil {
		return errors.New("sign message: the source's signature secret is not whsec_ and base64") // the cause might quote it
	}
	id, now := "msg_"+rand.Text(), time.Now()
	signature, err := wh.Sign(id, now, body)
	if err != nil {
		return fmt.Errorf("sign message: %w", err)
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

// encrypt is the vendor's encryption: AES-256-CBC with PKCS#7 padding (RFC 5652,
// section 6.3), in base64.
func encrypt(key, iv, plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("encrypt message: %w", err) // says the key's size, nothing else of it
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	sealed := append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(sealed, sealed)
	return base64.StdEncoding.AppendEncode(nil, sealed), nil
}

// readAnswer understands the relay's answers, and makes the best of others'.
func readAnswer(status int, body []byte) answer {
	var fields struct {
		ID        string `json:"id"`
		Duplicate bool   `json:"duplicate"`
		Title     string `json:"title"`
		Detail    string `json:"detail"`
	}
	a := answer{status: status}
	if json.Unmarshal(body, &fields) == nil {
		a.id, a.duplicate, a.detail = printable(fields.ID), fields.Duplicate, printable(fields.Detail)
		if a.detail == "" {
			a.detail = printable(fields.Title)
		}
	}
	if a.detail == "" {
		a.detail = strings.ToLower(http.StatusText(status))
	}
	return a
}

// printable is a text of somebody else's as a terminal may get it: short, on one
// line, without escapes.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}

// withoutURL takes off what net/http wraps around a cause: the URL may hold a token.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
