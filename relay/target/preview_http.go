package target

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"invitation-relay/rules"
)

// Preview is the request Send would make.
func (h *HTTP) Preview(m *Message) (Preview, error) {
	a := &attempt{exchange: exchange{Context: context.Background()}}
	req, body, err := h.request(a, m)
	if err != nil {
		return Preview{}, err
	}
	p := Preview{Kind: h.Kind(), Method: req.Method, URL: hideURL(h.base.URL), Body: string(body)}
	in := m.Input()
	if h.url != nil {
		if p.URL, err = h.previewURL(in); err != nil {
			return Preview{}, err
		}
	}
	a.sent["Webhook-Timestamp"] = nil
	if len(h.signers) > 0 {
		a.sent["Webhook-Signature"] = nil
	}
	if h.tokens != nil {
		a.sent["Authorization"] = nil
	}
	p.Header = headerLines(a.sent)
	for i := range p.Header {
		line := &p.Header[i]
		switch line.Name {
		case "Authorization":
			if h.tokens != nil {
				line.Value = "Bearer [token]" // one is fetched when it is sent
			}
		case "Webhook-Timestamp":
			line.Value = "[" + strconv.FormatInt(m.Now.Unix(), 10) + "]"
		case "Webhook-Signature":
			line.Value = strings.Join(slices.Repeat([]string{"v1,[signature]"}, len(h.signers)), " ")
		case "Traceparent":
			line.Value = traceparent(m)[:len("00-")+32] + "-[span]-01"
		}
	}
	for _, t := range h.texts {
		i := slices.IndexFunc(p.Header, func(l HeaderLine) bool { return l.Name == t.name })
		value, err := hideText(t.text, in)
		if err != nil {
			return Preview{}, fmt.Errorf("headers.%s cannot be filled in for this event: %w", t.name, err)
		}
		p.Header[i].Value = strings.TrimSpace(value)
	}
	return p, nil
}

// previewURL shows who is asked, and what the event has to say in the rest.
func (h *HTTP) previewURL(in *rules.Input) (string, error) {
	begin := h.base.URL.Scheme + "://" + h.base.URL.Host + "/"
	first := true
	return h.url.RenderHiding(in, func(string) string {
		if first { // a URL begins with its scheme and host, where no expression can stand
			first = false
			return begin + hidden
		}
		return hidden
	})
}
