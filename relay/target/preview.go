package target

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"invitation-relay/rules"
)

// Previewer is a Target that can show a message instead of sending it.
type Previewer interface {
	// Preview is what Send would send for m; the error is Send's reason not to.
	Preview(m *Message) (Preview, error)
}

// Preview is a message as it would leave, for a person's eyes. What was made of
// the event is there to the byte, escapes included; of the config's secrets there
// is nothing: of a URL only scheme and host, of a header that the config sets only
// what expressions filled in. It holds values of the event, so it is never logged.
type Preview struct {
	Kind   string
	Method string       // http and slack
	URL    string       // http and slack
	Header []HeaderLine // http and slack by name, email as in the mail; what differs from try to try is in brackets
	Body   string       // http and slack: to the byte

	Subject, Text, HTML string // email, before they are encoded for the wire; log: Text is the line
}

// HeaderLine is one header of a message.
type HeaderLine struct{ Name, Value string }

// hidden stands for what is not shown.
const hidden = "[redacted]"

// shownHeaders are request headers whose values are no secrets, whoever set them.
func shownHeader(name string) bool {
	switch name {
	case "Accept", "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Kind", "Idempotency-Key":
		return true
	}
	return false
}

// headerLines are h by name, secrets hidden.
func headerLines(h http.Header) []HeaderLine {
	var lines []HeaderLine
	for _, name := range slices.Sorted(maps.Keys(h)) {
		value := hidden
		if shownHeader(name) {
			value = strings.Join(h[name], ", ")
		}
		lines = append(lines, HeaderLine{name, value})
	}
	return lines
}

// hideText is a filled-in text whose literal parts may be secrets.
func hideText(t *rules.Text, in *rules.Input) (string, error) {
	return t.RenderHiding(in, func(literal string) string {
		if strings.TrimSpace(literal) == "" {
			return literal
		}
		return hidden
	})
}

// hideURL is who is asked, and nothing of what.
func hideURL(u *url.URL) string {
	if u.RequestURI() == "/" {
		return u.Scheme + "://" + u.Host + "/"
	}
	return u.Scheme + "://" + u.Host + "/" + hidden
}
