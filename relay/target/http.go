package target

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// HTTP sends events to one HTTP endpoint: the bytes received, or JSON made of
// them. Every request carries, beside the config's own headers,
//
//	webhook-id         the event's id: the same on every try, to drop repeats by
//	webhook-timestamp  when the try was made, Unix seconds
//	webhook-signature  of Standard Webhooks, one per secret in sign, if any
//	Idempotency-Key    the delivery's id
//	traceparent        the event's trace (W3C Trace Context)
//	webhook-kind       replayed, test or alarm; none for an event as it was received
//
// Redirects are not followed: a POST would arrive as a GET without its body.
type HTTP struct {
	name    string
	client  *client
	success *statusSet
	signers []*standardwebhooks.Webhook

	base   *http.Request // method, URL and host; copied for each attempt
	url    *rules.Text   // nil when the URL is the same for every event
	header http.Header   // the headers that are the same for every event; nobody changes its slices
	texts  []headerText  // those that are not
	body   *rules.Tree   // nil for the bytes received
	tokens *tokens       // nil without auth.oauth2
	proxy  *url.URL      // nil for none
}

// headerText is a header with {{ }} in its value.
type headerText struct {
	name string // in canonical form
	text *rules.Text
}

// NewHTTP builds the target; c has passed Check. Its errors quote no secret.
func NewHTTP(name string, c HTTPConfig, d Deps) (*HTTP, error) {
	h := &HTTP{name: name}
	if err := h.compile(&c, d); err != nil {
		return nil, err
	}
	tlsConf, err := c.TLS.load()
	if err != nil {
		return nil, err
	}
	proxy, p := parseProxy(c.Proxy.Reveal())
	if p != nil {
		return nil, errors.New("proxy " + p.Message)
	}
	through := func(conf *tls.Config) http.RoundTripper {
		if d.Transport != nil {
			return d.Transport
		}
		return newTransport(conf, proxy)
	}
	h.proxy, h.client = proxy, newClient(c.Timeout, d.Quick, tlsConf, through(tlsConf))
	if c.Auth.OAuth2 != nil {
		h.tokens = newTokens(c.Auth.OAuth2, c.Timeout, through(c.TLS.orSystem(tlsConf)))
	}
	return h, nil
}

// compile makes everything that needs no file.
func (h *HTTP) compile(c *HTTPConfig, d Deps) error {
	var ok bool
	if h.success, ok = parseSuccess(c.Success); !ok {
		return errors.New("success is not a list of status codes")
	}
	for i, s := range c.Sign {
		w, err := newSigner(s)
		if err != nil {
			return fmt.Errorf("sign[%d]: %w", i, err)
		}
		h.signers = append(h.signers, w)
	}
	u, p := parseEndpoint(c.URL.Reveal())
	if p != nil {
		return errors.New("url " + p.Message)
	}
	if hasExpression(c.URL.Reveal()) {
		if h.url, p = rules.CompileURL(d.Env, c.URL.Reveal()); p != nil {
			return errors.New("url: " + p.Message)
		}
	}
	if c.JSON != nil {
		tree, problems := rules.CompileTree(d.Env, c.JSON, rules.Plain)
		if len(problems) > 0 {
			return errors.New(joinPath("json", problems[0].Path) + ": " + problems[0].Message)
		}
		h.body = tree
	}
	if err := h.setHeaders(c, d, u); err != nil {
		return err
	}
	u.User = nil // it is in the header by now
	var err error
	h.base, err = http.NewRequestWithContext(context.Background(), c.Method, u.String(), nil)
	if err != nil {
		return errors.New("method or url is not valid") // the error quotes them
	}
	return nil
}

// setHeaders fills header and texts.
func (h *HTTP) setHeaders(c *HTTPConfig, d Deps, u *url.URL) error {
	h.header = http.Header{
		"Content-Type": {"application/json"},
		"User-Agent":   {strings.TrimSuffix("invitation-relay/"+d.Version, "/")},
	}
	switch {
	case c.Auth.Basic != nil:
		h.header.Set("Authorization", basicAuth(c.Auth.Basic.Username, c.Auth.Basic.Password.Reveal()))
	case !c.Auth.Bearer.IsZero():
		h.header.Set("Authorization", "Bearer "+c.Auth.Bearer.Reveal())
	case u.User != nil:
		h.header.Set("Authorization", userAuth(u.User))
	}
	for name, value := range c.Headers {
		key := http.CanonicalHeaderKey(name)
		if !hasExpression(value.Reveal()) {
			h.header[key] = []string{value.Reveal()}
			continue
		}
		text, p := rules.CompileText(d.Env, value.Reveal(), rules.Header)
		if p != nil {
			return fmt.Errorf("headers.%s: %s", name, p.Message)
		}
		delete(h.header, key)
		h.texts = append(h.texts, headerText{key, text})
	}
	return nil
}

// Kind is "http".
func (*HTTP) Kind() string { return "http" }

// Format prints kind and name for every verb: there are secrets inside.
func (h *HTTP) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "http target "+h.name) }

// Recipients is nil: one delivery an event.
func (*HTTP) Recipients() []string { return nil }

// Close lets go of idle connections.
func (h *HTTP) Close() {
	h.client.close()
	if h.tokens != nil {
		h.tokens.close()
	}
}

// attempt is what Send needs on the heap, in one piece.
type attempt struct {
	exchange
	each stamp
	once [3]string // the values of webhook-id, Idempotency-Key, traceparent
}

// Send makes one attempt.
func (h *HTTP) Send(ctx context.Context, m *Message) Result {
	a := &attempt{exchange: exchange{Context: ctx, name: h.name}}
	a.stamp = &a.each
	req, body, err := h.request(a, m) //nolint:contextcheck // ctx is in a, which is the request's context
	if err != nil {
		return a.result(unfillable(err), m)
	}
	if h.tokens != nil {
		return h.sendWithToken(a, req, body, m) //nolint:contextcheck // as above
	}
	h.client.do(&a.exchange, req, body)
	return a.result(h.verdict(&a.exchange), m)
}

// verdict reads the last try.
func (h *HTTP) verdict(x *exchange) verdict {
	switch {
	case x.status == 0:
		return x.failure().verdict()
	case h.success.has(x.status):
		return verdict{outcome: event.Delivered}
	default:
		return statusVerdict(x.status)
	}
}

// request fills in URL, headers and body for one event.
func (h *HTTP) request(a *attempt, m *Message) (*http.Request, []byte, error) {
	var in *rules.Input // made only if some text needs it
	if h.url != nil || h.texts != nil || h.body != nil {
		in = m.Input()
	}
	body, err := h.fillBody(in, m)
	if err != nil {
		return nil, nil, fmt.Errorf("json cannot be filled in for this event: %w", err)
	}
	req := h.base.WithContext(&a.exchange)
	if h.url != nil {
		if req.URL, err = h.fillURL(in); err != nil {
			return nil, nil, fmt.Errorf("url cannot be filled in for this event: %w", err)
		}
	}
	a.once = [3]string{m.Event.ID.String(), m.DeliveryID, traceparent(m)}
	now := time.Now()
	a.each = stamp{signers: h.signers, id: a.once[0], body: body, now: m.Now, start: now}
	if m.Now.IsZero() {
		a.each.now = now
	}
	a.sent = make(http.Header, len(h.header)+len(h.texts)+5)
	maps.Copy(a.sent, h.header)
	a.sent["Webhook-Id"] = a.once[0:1:1]
	a.sent["Idempotency-Key"] = a.once[1:2:2]
	a.sent["Traceparent"] = a.once[2:3:3]
	if m.Event.Kind != event.Received {
		a.sent["Webhook-Kind"] = []string{m.Event.Kind.String()}
	}
	for _, t := range h.texts {
		v, err := t.text.Render(in)
		if err != nil {
			return nil, nil, fmt.Errorf("headers.%s cannot be filled in for this event: %w", t.name, err)
		}
		a.sent[t.name] = []string{strings.TrimSpace(v)}
	}
	return req, body, nil
}

// maxFilled is how long a filled-in json may become: no endpoint means a longer
// one, and a value named a hundred times makes one of any body.
const maxFilled = 1 << 20

// fillBody is the bytes received, or the config's json filled in; for an alarm
// always the former. It escapes no HTML: & < > are what the receiver is meant to
// read.
func (h *HTTP) fillBody(in *rules.Input, m *Message) ([]byte, error) {
	if h.body == nil || m.Event.Kind == event.Alarm {
		return m.Event.Body, nil
	}
	tree, err := h.body.Render(in)
	if err != nil {
		return nil, err
	}
	body, err := marshal(tree)
	if err == nil && len(body) > maxFilled {
		return nil, errors.New("it would be larger than 1 MiB; name fewer or smaller fields in it")
	}
	return body, err
}

// fillURL is the URL for one event. A value can change what is asked for, never
// who is asked: rules keeps it out of the host, and this makes sure of it.
func (h *HTTP) fillURL(in *rules.Input) (*url.URL, error) {
	text, err := h.url.Render(in)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != h.base.URL.Scheme || u.Host != h.base.URL.Host {
		return nil, errors.New("the result is not a URL") // the error quotes it
	}
	u.User = nil
	return u, nil
}

// marshal writes v as JSON without HTML escapes and without a final newline.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, errors.New("a value has no form in JSON") // the error may quote it
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
