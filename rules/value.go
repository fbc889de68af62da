package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Errors of values that have no text. None quotes the value.
const (
	errNoText    = funcError("the value is a function: it has no text")
	errNotFinite = funcError("the value is not a finite number")
	errNoJSON    = funcError("the value has no JSON form")
)

// toText is how a value reads in a text: a string as it is, an integer in
// digits, a number in its shortest form (with an exponent only where digits
// would be endless), true or false, a time as RFC 3339 in its zone, nil as
// nothing, and a list or an object as compact JSON.
func toText(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return strings.ToValidUTF8(v, "\uFFFD"), nil // a slice of a string can cut a character
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return numberText(v)
	case bool:
		return strconv.FormatBool(v), nil
	case time.Time:
		return v.Format(time.RFC3339), nil
	case []byte:
		return strings.ToValidUTF8(string(v), "\uFFFD"), nil
	case fmt.Stringer: // a duration, a weekday, a month, a time zone
		return v.String(), nil
	}
	clean, err := toJSON(v, Plain)
	if err != nil {
		return "", err
	}
	switch clean := clean.(type) {
	case map[string]any, []any:
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false) // escaping is for where the text lands
		if err := enc.Encode(clean); err != nil {
			return "", errNoJSON
		}
		return strings.TrimSuffix(b.String(), "\n"), nil
	default:
		return toText(clean)
	}
}

func numberText(f float64) (string, error) {
	switch abs := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return "", errNotFinite
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		return strconv.FormatFloat(f, 'g', -1, 64), nil
	}
	return strconv.FormatFloat(f, 'f', -1, 64), nil
}

// toJSON is a copy of a value made of what JSON has: nil, bool, int, float64,
// string, []any, map[string]any; each string in it, keys too, is escaped. The
// copy is the caller's: an event is never changed through it.
func toJSON(v any, esc Escape) (any, error) {
	switch v := v.(type) {
	case nil, bool, int:
		return v, nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, errNotFinite
		}
		return v, nil
	case string, []byte, time.Time, fmt.Stringer:
		s, err := toText(v)
		return esc(s), err
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = toJSON(v[i], esc); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			value, err := toJSON(v[key], esc)
			if err != nil {
				return nil, err
			}
			out[esc(strings.ToValidUTF8(key, "\uFFFD"))] = value
		}
		return out, nil
	}
	return toJSONSlow(reflect.ValueOf(v), esc)
}

// toJSONSlow is for what an expression can make beside what a payload has:
// lists of one type, integers of other sizes, the groups of groupBy().
func toJSONSlow(v reflect.Value, esc Escape) (any, error) {
	switch {
	case v.CanInt():
		return int(v.Int()), nil
	case v.CanUint() && v.Uint() <= math.MaxInt:
		return int(v.Uint()), nil //nolint:gosec // fits, just checked
	case v.CanFloat():
		return toJSON(v.Float(), esc)
	case v.Kind() == reflect.Bool:
		return v.Bool(), nil
	case v.Kind() == reflect.String:
		return toJSON(v.String(), esc)
	case v.Kind() == reflect.Func:
		return nil, errNoText
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		out := make([]any, v.Len())
		for i := range out {
			var err error
			if out[i], err = toJSON(v.Index(i).Interface(), esc); err != nil {
				return nil, err
			}
		}
		return out, nil
	case v.Kind() == reflect.Map:
		out := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			key, err := toText(it.Key().Interface())
			if err != nil {
				return nil, err
			}
			if out[esc(key)], err = toJSON(it.Value().Interface(), esc); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return nil, errNoJSON
}

// valueWord is a value's type in words, never the value.
func valueWord(v any) string {
	if v == nil {
		return "nil"
	}
	return typeWord(reflect.TypeOf(v).String())
}
