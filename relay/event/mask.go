package event

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Show is how much of a field may be seen.
type Show uint8

// How much of a field may be seen.
const (
	Whole  Show = iota // all of it
	Masked             // as MaskValue leaves it
	Gone               // neither its name nor its value
)

// errNoObject says that a body is not what intake takes.
var errNoObject = errors.New("not one JSON object")

// MaskBody is body with the values of the named top-level fields masked, for a
// person to look at. What is not one JSON object shows nothing: the result is
// nil then. body is not changed.
func MaskBody(body []byte, fields []string) []byte {
	masked, err := ShapeBody(body, func(name string) Show {
		if slices.Contains(fields, name) {
			return Masked
		}
		return Whole
	})
	if err != nil {
		return nil
	}
	return masked
}

// ShapeBody is body, one JSON object, with its top-level members as show says.
// The order stays, and the members that are shown whole stay byte for byte, name
// and value; white space between members does not. The error quotes nothing, and
// the result is nil with it. body is not changed.
func ShapeBody(body []byte, show func(name string) Show) ([]byte, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(body))
	if dec.PeekKind() != jsontext.KindBeginObject {
		return nil, errNoObject
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, errNoObject
	}
	out := append(make([]byte, 0, len(body)), '{')
	for dec.PeekKind() != jsontext.KindEndObject {
		raw, err := dec.ReadValue()
		if err != nil {
			return nil, errNoObject // a name twice is one too: which of them would be shown?
		}
		name, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, errNoObject
		}
		how, before := show(string(name)), len(out)
		if before > 1 {
			out = append(out, ',')
		}
		out = append(append(out, raw...), ':')
		if raw, err = dec.ReadValue(); err != nil {
			return nil, errNoObject
		}
		switch how {
		case Whole:
			out = append(out, raw...)
		case Masked:
			out = append(out, maskRaw(raw)...)
		default:
			out = out[:before]
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, errNoObject
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	return append(out, '}'), nil
}

// maskRaw is MaskValue for a value as it stands in JSON.
func maskRaw(raw jsontext.Value) []byte {
	switch raw.Kind() {
	case jsontext.KindNull:
		return []byte("null")
	case jsontext.KindString:
		if s, err := jsontext.AppendUnquote(nil, raw); err == nil {
			if masked, err := jsontext.AppendQuote(nil, Mask(string(s))); err == nil {
				return masked
			}
		}
	default:
	}
	return []byte(`"***"`)
}

// MaskValue hides a field's value: a text as Mask does, nothing stays nothing,
// and any other value is hidden whole, since the first character of a number or
// of true says much.
func MaskValue(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return Mask(v)
	default:
		return "***"
	}
}

// Mask hides a text but for its first character, as mask() does in expressions:
// enough to tell two people apart, not enough to know either. A text of one or
// two characters is hidden whole; of its length nothing shows.
func Mask(s string) string {
	runes := []rune(s)
	switch {
	case len(runes) == 0:
		return ""
	case len(runes) <= 2:
		return "***"
	}
	return string(runes[:1]) + "***"
}
