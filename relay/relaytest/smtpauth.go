package relaytest

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // CRAM-MD5 (RFC 2195) is what it is
	"errors"
	"fmt"
	"io"
	"strings"
)

// loginServer is the server's side of LOGIN, which no RFC describes.
type loginServer struct {
	check func(user, pass string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(l.user, string(response))
}

// cramMD5 is the server's side of RFC 2195.
type cramMD5 struct {
	user, pass string
	asked      bool
	ok         func()
}

const cramChallenge = "<1896.697170952@mail.test>"

func (m *cramMD5) Next(response []byte) (challenge []byte, done bool, err error) {
	if !m.asked {
		m.asked = true
		return []byte(cramChallenge), false, nil
	}
	mac := hmac.New(md5.New, []byte(m.pass))
	if _, err := io.WriteString(mac, cramChallenge); err != nil {
		return nil, false, errors.Join(errBadLogin, err)
	}
	if want := fmt.Appendf(nil, "%s %x", m.user, mac.Sum(nil)); !bytes.Equal(response, want) {
		return nil, false, errBadLogin
	}
	m.ok()
	return nil, true, nil
}

// xoauth2 is the server's side of XOAUTH2: one message with the token. A token
// that is not good is told in a challenge, which the client answers with an
// empty line before it gets its 535.
type xoauth2 struct {
	check   func(user, token string) error
	refused error
}

func (x *xoauth2) Next(response []byte) (challenge []byte, done bool, err error) {
	if x.refused != nil {
		return nil, false, x.refused
	}
	if response == nil {
		return []byte{}, false, nil
	}
	text, ok := strings.CutSuffix(string(response), "\x01\x01")
	user, token, both := strings.Cut(text, "\x01auth=Bearer ")
	user, named := strings.CutPrefix(user, "user=")
	if !ok || !both || !named {
		return nil, false, errBadLogin
	}
	if x.refused = x.check(user, token); x.refused != nil {
		return []byte(`{"status":"401","schemes":"bearer","scope":"mail"}`), false, nil
	}
	return nil, true, nil
}
