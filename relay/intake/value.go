package intake

import (
	"bytes"
	"errors"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// value reads the next value, whatever it is, inside depth levels.
func (sc *scanner) value(depth int) (any, error) {
	switch sc.dec.PeekKind() {
	case jsontext.KindString:
		raw, err := sc.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		return sc.unquote(raw)
	case jsontext.KindNumber:
		raw, err := sc.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		return float(raw), nil
	case jsontext.KindTrue:
		_, err := sc.dec.ReadValue()
		return true, err
	case jsontext.KindFalse:
		_, err := sc.dec.ReadValue()
		return false, err
	case jsontext.KindBeginObject:
		return sc.nested(depth + 1)
	case jsontext.KindBeginArray:
		return sc.list(depth + 1)
	default: // null, or what was peeked is an error
		_, err := sc.dec.ReadValue()
		return nil, err
	}
}

// nested reads an object inside the body.
func (sc *scanner) nested(depth int) (map[string]any, error) {
	if depth > maxDepth {
		return nil, refDeep
	}
	if _, err := sc.dec.ReadToken(); err != nil {
		return nil, err
	}
	obj := make(map[string]any)
	for sc.dec.PeekKind() != jsontext.KindEndObject {
		raw, err := sc.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		name, err := sc.unquote(raw)
		if err != nil {
			return nil, err
		}
		if obj[name], err = sc.value(depth); err != nil {
			return nil, err
		}
	}
	_, err := sc.dec.ReadToken()
	return obj, err
}

// list reads an array.
func (sc *scanner) list(depth int) ([]any, error) {
	if depth > maxDepth {
		return nil, refDeep
	}
	if _, err := sc.dec.ReadToken(); err != nil {
		return nil, err
	}
	arr := []any{}
	for sc.dec.PeekKind() != jsontext.KindEndArray {
		v, err := sc.value(depth)
		if err != nil {
			return nil, err
		}
		arr = append(arr, v)
	}
	_, err := sc.dec.ReadToken()
	return arr, err
}

// unquote is the string that dec has just read as raw. Without escapes it is a
// part of text: one copy of the body serves all strings in it.
func (sc *scanner) unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') >= 0 {
		b, err := jsontext.AppendUnquote(nil, raw)
		return string(b), err
	}
	if sc.text == "" {
		sc.text = string(sc.body)
	}
	end := int(sc.dec.InputOffset()) - 1
	return sc.text[end-len(raw)+2 : end], nil
}

// float reads a JSON number. What is beyond float64 becomes the largest one: a
// member nobody documented must not cost an event, and infinity is no JSON.
func float(raw []byte) float64 {
	f, err := strconv.ParseFloat(string(raw), 64)
	if errors.Is(err, strconv.ErrRange) && math.IsInf(f, 0) {
		return math.Copysign(math.MaxFloat64, f)
	}
	return f
}

// integer reads a JSON number that is a whole one and fits an int, exactly:
// 9007199254740993 is not rounded, 1.0 and 10e-1 are 1, 1e400 is refused
// without being written out.
func integer(raw []byte) (int, bool) {
	if n, err := strconv.Atoi(string(raw)); err == nil {
		return n, true
	}
	mantissa, exponent := raw, []byte(nil)
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		mantissa, exponent = raw[:i], raw[i+1:]
	}
	negative := bytes.HasPrefix(mantissa, []byte("-"))
	whole, fraction, _ := bytes.Cut(bytes.TrimPrefix(mantissa, []byte("-")), []byte("."))
	digits := bytes.TrimLeft(bytes.Join([][]byte{whole, fraction}, nil), "0")
	trimmed := bytes.TrimRight(digits, "0")
	if len(trimmed) == 0 {
		return 0, true
	}
	exp := 0
	if exponent != nil {
		var err error
		if exp, err = strconv.Atoi(string(exponent)); err != nil {
			return 0, false // ±10^19 and more: neither whole nor an int
		}
	}
	// The value is trimmed × 10^zeros.
	zeros := exp - len(fraction) + len(digits) - len(trimmed)
	if zeros < 0 || zeros > 19 || len(trimmed) > 19 {
		return 0, false
	}
	text := string(trimmed) + "0000000000000000000"[:zeros]
	if negative {
		text = "-" + text
	}
	n, err := strconv.Atoi(text)
	return n, err == nil
}
