package relaytest

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// Mail is one mail as it came in.
type Mail struct {
	Sender     string   // of the envelope
	Recipients []string // of the envelope
	User       string   // who had logged in, "" for nobody
	Mechanism  string   // by which they had
	TLS        bool     // came in encrypted
	Raw        []byte   // header and body, lines ending in CR LF
}

// Header is a header field, decoded (RFC 2047); "" when there is none.
func (m Mail) Header(key string) string {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return ""
	}
	v := msg.Header.Get(key)
	if d, err := new(mime.WordDecoder).DecodeHeader(v); err == nil {
		return d
	}
	return v
}

// Subject is the decoded subject.
func (m Mail) Subject() string { return m.Header("Subject") }

// Part is the decoded text of the first part of that type ("text/plain",
// "text/html"), lines ending in \n; "" when there is none.
func (m Mail) Part(mediaType string) string {
	msg, err := mail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		return ""
	}
	text, _ := findPart(textproto.MIMEHeader(msg.Header), msg.Body, mediaType)
	return strings.ReplaceAll(text, "\r\n", "\n")
}

// Text is the mail as a person sees it in a program without pictures: From, To
// and Subject, an empty line, and the text, or the HTML when there is no text.
func (m Mail) Text() string {
	body := m.Part("text/plain")
	if body == "" {
		body = m.Part("text/html")
	}
	return "From: " + m.Header("From") + "\nTo: " + m.Header("To") + "\nSubject: " + m.Subject() +
		"\n\n" + strings.TrimRight(body, "\n") + "\n"
}

// findPart looks for a part of that type, at any depth.
func findPart(h textproto.MIMEHeader, body io.Reader, want string) (string, bool) {
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind = "text/plain" // RFC 2045, section 5.2
	}
	if !strings.HasPrefix(kind, "multipart/") {
		if kind != want {
			return "", false
		}
		text, err := io.ReadAll(decodeBody(h.Get("Content-Transfer-Encoding"), body))
		return string(text), err == nil
	}
	for parts := multipart.NewReader(body, params["boundary"]); ; {
		p, err := parts.NextRawPart()
		if err != nil {
			return "", false
		}
		if text, ok := findPart(p.Header, p, want); ok {
			return text, true
		}
	}
}

func decodeBody(encoding string, body io.Reader) io.Reader {
	switch strings.ToLower(encoding) {
	case "quoted-printable":
		return quotedprintable.NewReader(body)
	case "base64":
		return base64.NewDecoder(base64.StdEncoding, body)
	}
	return body
}
