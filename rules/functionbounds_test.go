package rules_test

import (
	"strings"
	"testing"

	"invitation-relay/rules"
)

func TestBoundedFunctionsDoAsTheLanguageDoes(t *testing.T) {
	e := invitation(t)
	in := input(map[string]any{
		"list": []any{"b", "a", "b", 1.0, 1, true, "1", "true", nil, nil, []any{1.0}, []any{1.0}, map[string]any{"x": "y"}, map[string]any{"x": "y"}},
		"long": strings.Repeat("x", 2000), "many": make([]any, 1001),
	})
	for expression, want := range map[string]string{
		`uniq(payload.list)`:                                `["b","a",1,true,"1","true",null,[1],{"x":"y"}]`,
		`uniq(1..3)`:                                        "[1,2,3]",
		`uniq([])`:                                          "[]",
		`join(["a", "b"], ", ")`:                            "a, b",
		`join(["a", "b"])`:                                  "ab",
		`join([], ", ")`:                                    "",
		`split("a b", " ") | join("-")`:                     "a-b",
		`map(1..3, string(#)) | join("")`:                   "123",
		`join(map(1..1000, payload.long), "")`:              "join() would make too long a text",
		`join(map(1..1000, "x"), payload.long)`:             "join() would make too long a text",
		`join(payload.list, "")`:                            "join() needs a list of texts",
		`uniq(payload.many)`:                                "uniq() takes at most 1,000 elements",
		`uniq(payload.long)`:                                "uniq() needs a list",
		`map(1..2000, payload.long + "x") | last() | len()`: "2001",
	} {
		v, p := rules.CompileValue(e, expression)
		if p != nil {
			t.Errorf("%s: %+v", expression, p)
			continue
		}
		got, err := v.Text(in)
		if err != nil {
			got = err.Error()
		}
		if got != want && !strings.HasSuffix(got, ": "+want) {
			t.Errorf("%s: %s, want %s", expression, got, want)
		}
	}
}
