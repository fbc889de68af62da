package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A documented member has its documented type, or is null, or is not there.
func TestDocumentedTypes(t *testing.T) {
	s := func() *Schema {
		return &Schema{Required: []string{"id"}, Types: map[string]Type{
			"id": String, "s": String, "i": Integer, "n": Number, "b": Bool, "any": Any,
		}}
	}
	fits := map[string]string{
		"s": `"" "x" "1"`, "b": `true false`, "any": `1 "x" true [] {}`,
		"i": `0 -0 1 -1 1.0 1e0 10e-1 0.1e1 -2.50e1 1E+2 0e400 0.0 1000e-3 9007199254740993 9223372036854775807 -9223372036854775808 9.223372036854775807e18`,
		"n": `0 1 1.5 1e400 -1e400 1e-400`,
	}
	fail := map[string]string{
		"id": `1 true [] {} ""`, "s": `1 true [] {}`, "b": `0 "true" [] {}`, "n": `"1" true [] {}`,
		"i": `1.5 0.1 1e-1 -0.5 1e400 1e-400 9223372036854775808 -9223372036854775809 1e19 1e99999999999999999999 1e-99999999999999999999 "1" true [1] {}`,
	}
	try := func(want bool, table map[string]string) {
		for name, values := range table {
			for v := range strings.FieldsSeq(values) {
				body := fmt.Sprintf(`{"id":"a",%q:%s}`, name, v)
				if name == "id" {
					body = fmt.Sprintf(`{"id":%s}`, v)
				}
				f, err := Decode([]byte(body), s())
				if want != (err == nil) || err != nil && !errors.Is(err, ErrInvalid) {
					t.Errorf("%s: %v", body, err)
				}
				if err == nil && name == "i" && reflect.TypeOf(f.Members["i"]).Kind() != reflect.Int {
					t.Errorf("%s is a %T", body, f.Members["i"])
				}
			}
			_, err := Decode(fmt.Appendf(nil, `{"id":"a","x":1,%q:null}`, name), s())
			if name != "id" && err != nil {
				t.Errorf("%s null: %v", name, err)
			}
		}
	}
	try(true, fits)
	try(false, fail)
	for _, body := range []string{`{}`, `{"id":null}`, `{"ID":"a"}`, `{"Id":"a"}`, `{"id ":"a"}`, `{"x":{"id":"a"}}`} {
		if _, err := Decode([]byte(body), s()); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestIntegersAreExact(t *testing.T) {
	for text, want := range map[string]int{
		"9007199254740993": 9007199254740993, "-2.50e1": -25, "1E+2": 100, "1000e-3": 1, "123400e-2": 1234,
		"0e99": 0, "-0": 0, "0.000": 0, "9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
		"92233720368547758.07e2": math.MaxInt64, "0.00001e5": 1, "1" + strings.Repeat("0", 500) + "e-500": 1,
	} {
		if n, ok := integer([]byte(text)); n != want || !ok {
			t.Errorf("%s is %d, %t; want %d", text, n, ok, want)
		}
	}
}

// A number beyond float64 is the largest one: every field can be JSON again.
func TestHugeNumbersStayNumbers(t *testing.T) {
	f, err := Decode([]byte(`{"a":1e400,"b":-1e400,"c":1e-400,"d":1`+strings.Repeat("0", 10_000)+`,"e":[1e999]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"a": math.MaxFloat64, "b": -math.MaxFloat64, "c": 0.0, "d": math.MaxFloat64, "e": []any{math.MaxFloat64}}
	if d := cmp.Diff(want, f.Members); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if _, err := json.Marshal(f.Members); err != nil {
		t.Error(err)
	}
}
