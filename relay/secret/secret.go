// Package secret holds values that must not be seen: passwords, keys, and URLs
// with a token in them. A String prints as [redacted] however it is printed,
// also from inside another struct; Reveal is the only way out.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
)

const redacted = "[redacted]"

// String is a text that cannot be printed. The zero value is empty. It hides
// its value behind a pointer because fmt ignores methods on unexported fields:
// a plain string field would print from inside another struct.
type String struct{ value *string }

// New wraps s.
func New(s string) String { return String{&s} }

// Reveal returns the value, for the one place that needs it.
func (s String) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no value, or an empty one.
func (s String) IsZero() bool { return s.value == nil || *s.value == "" }

// Format prints the placeholder for every verb and flag.
func (s String) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String is the placeholder.
func (s String) String() string { return redacted }

// GoString is the placeholder.
func (s String) GoString() string { return redacted }

// MarshalText is the placeholder: for JSON, YAML and slog.
func (s String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Equal compares in time that depends on neither value: both are hashed first,
// so that not even the length shows.
func (s String) Equal(t string) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(t))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
