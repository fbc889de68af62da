package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"strings"

	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

func (k *checker) sources() {
	if len(k.c.Sources) == 0 && !k.places["sources"].broken {
		k.missing("sources", "at least one sender:\nsources:\n  preventor: {path: /webhooks/invitation, auth: {basic: [{username: preventor, password: \"${env:PREVENTOR_PASSWORD}\"}]}}")
	}
	k.names("sources", k.c.sourceOrder)
	paths := make(map[string]string, len(k.c.Sources))
	for _, s := range k.c.SourcesInOrder() {
		at := dot("sources", s.Name)
		k.sourcePath(at+".path", s, paths)
		k.oneOf(at+".preset", s.Preset, rules.Presets()...)
		k.auth(at, s)
		for i, key := range s.Encryption.Keys {
			k.key(index(at+".encryption.keys", i), key)
		}
		if !s.Encryption.AcceptPlaintextUntil.IsZero() && len(s.Encryption.Keys) == 0 {
			k.doubt(at+".encryption.accept_plaintext_until", "without keys everything is plaintext", "leave it out, or add keys")
		}
		if s.MaxBody < 1 || s.MaxBody > maxMaxBody {
			k.wrong(at+".max_body", "must be 1 to 64MiB", "")
		}
		k.lasts(at+".dedupe.window", s.Dedupe.Window, 0, maxWindow)
		k.lasts(at+".keep_refused.for", s.KeepRefused.For, 0, 365*day)
		k.between(at+".keep_refused.max", s.KeepRefused.Max, 0, 1_000_000)
	}
}

const (
	maxMaxBody = 64 << 20 // a body is held in memory
	maxWindow  = 90 * day // rows are not kept longer, so there is nothing to compare with
)

// reserved are addresses of the admin listener. A source there would work, and
// lead whoever puts both behind one proxy into confusion.
var reserved = [...]string{"/livez", "/readyz", "/metrics", "/-", "/api"}

func (k *checker) sourcePath(at string, s *Source, paths map[string]string) {
	p := s.Path
	switch {
	case p == "":
		k.missing(at, "path: /webhooks/"+s.Name)
		return
	case p[0] != '/':
		k.wrong(at, "must begin with /", "")
		return
	case strings.ContainsAny(p, "?#"):
		k.wrong(at, "a path has no ? and no #", "")
		return
	case strings.ContainsFunc(p, func(r rune) bool { return !pathRune(r) }):
		k.wrong(at, "a path is made of letters, digits, /, -, ., _ and ~", "")
		return
	case path.Clean(p) != p && path.Clean(p)+"/" != p:
		k.wrong(at, "must not contain //, /./ or /../", "")
		return
	}
	for _, r := range reserved {
		if p == r || strings.HasPrefix(p, r+"/") {
			k.wrong(at, r+" is an address of the admin listener", "path: /webhooks/"+s.Name)
			return
		}
	}
	if other := paths[p]; other != "" {
		k.wrong(at, fmt.Sprintf("source %q has the same path", other), "path: /webhooks/"+s.Name)
		return
	}
	paths[p] = s.Name
}

func pathRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/-._~", r)
}

func (k *checker) auth(at string, s *Source) {
	a, path := &s.Auth, at+".auth"
	for i, b := range a.Basic {
		k.basic(index(path+".basic", i), b)
	}
	for i, h := range a.Headers {
		k.header(index(path+".headers", i), h)
	}
	for i, sec := range a.Signature {
		k.signature(index(path+".signature", i), sec)
	}
	closed := len(a.Basic)+len(a.Headers)+len(a.Signature) > 0 || a.restricts()
	switch {
	case a.Anonymous && closed:
		k.doubt(path+".anonymous", "what else stands in auth must hold all the same", "leave it out")
	case closed || a.Anonymous || IsLoopback(k.c.Server.Listen):
	case k.brokenBelow(path), k.places["server.listen"].broken:
	default:
		k.open(at, s)
	}
}

// restricts reports whether AllowFrom keeps anybody out.
func (a *Auth) restricts() bool {
	for _, p := range a.AllowFrom {
		if p.Bits() == 0 {
			return false
		}
	}
	return len(a.AllowFrom) > 0
}

// open refuses a source that anybody could use, with lines to paste.
func (k *checker) open(at string, s *Source) {
	message := "anybody on the network could send events to it: it has no auth, and server.listen is not a loopback address"
	if len(s.Encryption.Keys) > 0 {
		message = "anybody on the network could send events to it: encryption alone is no authentication, since an encrypted body can be altered and repeated"
	}
	variable := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) + "_PASSWORD"
	k.atKey(at, Problem{Message: message, Hint: fmt.Sprintf(`add below %s, with what is set at the vendor:
auth:
  basic: [{username: %s, password: "${env:%s}"}]
or, if anybody may send:
auth: {anonymous: true}`, s.Name, s.Name, variable)})
}

func (k *checker) basic(at string, b BasicAuth) {
	switch {
	case b.Username == "":
		k.missing(at+".username", "")
	case strings.ContainsFunc(b.Username, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f }):
		k.wrong(at+".username", "must not contain a colon or a control character", "HTTP Basic sends username:password")
	}
	k.sayable(at+".password", b.Password)
	if b.Password.Reveal() == examplePassword && !IsLoopback(k.c.Server.Listen) {
		k.wrong(at+".password", "this is the example's password, which everybody knows, and server.listen is not a loopback address", "set a password of your own, or its variable")
	}
}

// What config.example.yaml uses so that it runs as it stands, on loopback only.
const (
	examplePassword = "demo-password"
	exampleKey      = "demo-key-0123456789-ABCDEFGHIJKL"
)

func (k *checker) header(at string, h HeaderAuth) {
	switch {
	case h.Name == "":
		k.missing(at+".name", "")
	case strings.ContainsFunc(h.Name, func(r rune) bool { return !headerRune(r) }):
		k.wrong(at+".name", "not a header's name", "letters, digits and -: X-Relay-Token")
	case takenHeaders[strings.ToLower(h.Name)]:
		k.wrong(at+".name", "this header has a meaning of its own", "use one like X-Relay-Token")
	}
	k.sayable(at+".value", h.Value)
	if v := h.Value.Reveal(); v != strings.TrimSpace(v) {
		k.wrong(at+".value", "a header cannot begin or end with a blank or a line break", "")
	}
}

// takenHeaders are read by net/http or by decryption.
var takenHeaders = map[string]bool{
	"host": true, "content-length": true, "content-type": true, "content-encoding": true,
	"transfer-encoding": true, "connection": true, "x-pvt-cipher-iv": true, "x-forwarded-for": true,
}

// headerRune is tchar of RFC 9110, section 5.6.2.
func headerRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// sayable checks a secret that a sender must be able to send in a header.
func (k *checker) sayable(at string, s secret.String) {
	switch v := s.Reveal(); {
	case v == "":
		k.wrong(at, "must not be empty", "")
	case strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		k.wrong(at, "contains a line break or another control character", "a file it comes from may end in an empty line")
	}
}

// signature checks a Standard Webhooks secret: whsec_ and base64 of 24 to 64
// bytes (Standard Webhooks 1.0, "Signature scheme").
func (k *checker) signature(at string, s secret.String) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), "whsec_"))
	switch {
	case err != nil || len(raw) == 0:
		k.wrong(at, "not a Standard Webhooks secret", "whsec_ and base64 of 24 to 64 bytes")
	case len(raw) < 24 || len(raw) > 64:
		k.doubt(at, fmt.Sprintf("the secret is %s, 24 to 64 are usual", count(len(raw), "byte")), "")
	}
}

// key checks one of our AES-256 keys.
func (k *checker) key(at string, s secret.String) {
	if s.Reveal() == exampleKey && !IsLoopback(k.c.Server.Listen) {
		k.wrong(at, "this is the example's key, which everybody knows, and server.listen is not a loopback address", "use the secret set at the vendor, or its variable")
	}
	_, err := RawKey(s)
	if ke := (*keyError)(nil); errors.As(err, &ke) {
		k.wrong(at, ke.message, ke.hint)
	}
}
