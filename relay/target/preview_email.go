package target

import (
	"bytes"
	"errors"
	"strings"
)

// Preview is the mail Send would hand over, for m's recipient; without one, for
// the first.
func (e *Email) Preview(m *Message) (Preview, error) {
	to := e.to[m.Recipient]
	if m.Recipient == "" && len(e.hashes) > 0 {
		to = e.to[e.hashes[0]]
	}
	if to == nil {
		return Preview{}, errors.New("this recipient is not in the target's `to`")
	}
	p := Preview{Kind: e.Kind()}
	l, err := e.letter(m)
	if err != nil {
		return Preview{}, err
	}
	p.Subject, p.Text, p.HTML = l.subject, l.text, l.html
	var wire bytes.Buffer
	if _, err := e.address(l, to).WriteTo(&wire); err != nil {
		return Preview{}, errors.New("the mail cannot be put together") // the error may quote it
	}
	head, _, _ := strings.Cut(wire.String(), "\r\n\r\n")
	head = strings.ReplaceAll(head, "\r\n ", " ") // a long line is folded (RFC 5322, section 2.2.3)
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		p.Header = append(p.Header, HeaderLine{name, value})
	}
	return p, nil
}
