package config

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"invitation-relay/relay/secret"
)

// Source is one sender of webhooks.
type Source struct {
	// Name is the source's key in the config.
	Name string `yaml:"-"`

	// Path is where its webhooks arrive, from "/"; each source has its own.
	Path string `yaml:"path"`
	// Preset says what a body looks like: invitation, idv-ticket or json. Default invitation.
	Preset string `yaml:"preset"`
	// Auth is what the sender must show.
	Auth Auth `yaml:"auth"`
	// Encryption is how the body is encrypted.
	Encryption Encryption `yaml:"encryption"`
	// MaxBody is the largest body taken, as received. Default 256KiB.
	MaxBody Size `yaml:"max_body"`
	// Fields are further fields rules may name, with their types: any, string, integer, number or bool.
	Fields map[string]string `yaml:"fields"`
	// Dedupe says what makes a repeat a repeat.
	Dedupe Dedupe `yaml:"dedupe"`
	// KeepRefused keeps what an authenticated sender sent and was refused.
	KeepRefused KeepRefused `yaml:"keep_refused"`
}

// Auth is what a sender must show: all that is set must hold, several entries of
// one kind are alternatives, for rotation.
type Auth struct {
	// Basic are user names and passwords (RFC 7617).
	Basic []BasicAuth `yaml:"basic"`
	// Headers are request headers with fixed values.
	Headers []HeaderAuth `yaml:"headers"`
	// Signature are Standard Webhooks secrets (whsec_…), for senders that sign.
	Signature []secret.String `yaml:"signature"`
	// AllowFrom are the networks (CIDR, or single addresses) requests may come from. Default any.
	AllowFrom []netip.Prefix `yaml:"allow_from"`
	// Anonymous says that anybody may send. Required when nothing else is set and the listener is not on a loopback address.
	Anonymous bool `yaml:"anonymous"`
}

// BasicAuth is a user name and a password.
type BasicAuth struct {
	// Username must not contain a colon.
	Username string `yaml:"username"`
	// Password is compared in constant time.
	Password secret.String `yaml:"password"`
}

// HeaderAuth is a request header with a fixed value.
type HeaderAuth struct {
	// Name is the header's name, in any case.
	Name string `yaml:"name"`
	// Value is compared in constant time.
	Value secret.String `yaml:"value"`
}

// Encryption is how a sender encrypts its bodies (AES-256-CBC).
type Encryption struct {
	// Keys are 32 bytes each, raw or as hex:… or base64:…; all are tried. With keys set, plaintext is refused.
	Keys []secret.String `yaml:"keys"`
	// AcceptPlaintextUntil lets plaintext in before this date (YYYY-MM-DD, 0:00 UTC), for the change to encryption. Default never.
	AcceptPlaintextUntil time.Time `yaml:"accept_plaintext_until"`
}

// RawKeys are the keys as they are used: 32 bytes each.
func (e *Encryption) RawKeys() ([][]byte, error) { return rawKeys(e.Keys) }

func rawKeys(keys []secret.String) ([][]byte, error) {
	out := make([][]byte, 0, len(keys))
	for i, k := range keys {
		raw, err := RawKey(k)
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		}
		out = append(out, raw)
	}
	return out, nil
}

// Dedupe says what makes a repeat a repeat.
type Dedupe struct {
	// Window is how long a repeat is recognised; 0s never. Default 7d.
	Window time.Duration `yaml:"window"`
	// Key is an expression: events with the same value are one event. Default: the SHA-256 of the decrypted body.
	Key string `yaml:"key"`
}

// KeepRefused keeps what an authenticated sender sent and was refused, so that a
// mistake in our config loses nothing.
type KeepRefused struct {
	// For is how long; 0s keeps nothing. Default 7d.
	For time.Duration `yaml:"for"`
	// Max is how many, the oldest go first; 0 keeps nothing. Default 1000.
	Max int `yaml:"max"`
}

// keySize is the size of an AES-256 key.
const keySize = 32

// keyError says what is wrong with a key without showing any of it.
type keyError struct{ message, hint string }

func (e *keyError) Error() string { return e.message }

// RawKey returns the 32 bytes of a key: a text of 32 bytes is taken as it is, as
// the vendor does, and anything else must be hex:… or base64:… (either alphabet,
// with or without padding). The error tells how many bytes there are, and
// nothing else of them.
func RawKey(s secret.String) ([]byte, error) {
	text := s.Reveal()
	if len(text) == keySize {
		return []byte(text), nil
	}
	if rest, ok := strings.CutPrefix(text, "hex:"); ok {
		raw, err := hex.DecodeString(strings.TrimSpace(rest))
		if err != nil {
			return nil, &keyError{"the key after hex: is not hexadecimal", "64 digits, 0 to 9 and a to f"}
		}
		return rightSize(raw, "")
	}
	if rest, ok := strings.CutPrefix(text, "base64:"); ok {
		raw, err := lenientBase64(rest)
		if err != nil {
			return nil, &keyError{"the key after base64: is not base64", ""}
		}
		return rightSize(raw, "")
	}
	hint := "a key is 32 characters as they are, or hex: and 64 digits, or base64: and 44 characters"
	trimmed := strings.TrimRight(text, "\r\n")
	_, notHex := hex.DecodeString(trimmed)
	decoded, not64 := lenientBase64(trimmed)
	switch {
	case text == "":
		return nil, &keyError{"the key is empty", hint}
	case len(trimmed) == keySize:
		hint = "the key ends in a line break: without it, it is 32 bytes"
	case notHex == nil && len(trimmed) == 2*keySize:
		hint = "these are 64 hexadecimal digits: write hex: in front of them"
	case not64 == nil && len(decoded) == keySize:
		hint = "this is base64 of 32 bytes: write base64: in front of it"
	}
	return rightSize([]byte(text), hint)
}

func rightSize(raw []byte, hint string) ([]byte, error) {
	if len(raw) != keySize {
		return nil, &keyError{fmt.Sprintf("the key is %s, it must be %d", count(len(raw), "byte"), keySize), hint}
	}
	return raw, nil
}

var errNotBase64 = errors.New("not base64")

// lenientBase64 takes both alphabets, with or without padding and white space.
func lenientBase64(s string) ([]byte, error) {
	s = strings.NewReplacer("-", "+", "_", "/", "\n", "", "\r", "", " ", "", "\t", "").Replace(s)
	raw, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, errNotBase64 // its own words quote the input's place
	}
	return raw, nil
}
