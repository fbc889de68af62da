package rules_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

func text(t *testing.T, source string, esc rules.Escape, in *rules.Input) string {
	t.Helper()
	compiled, problem := rules.CompileText(invitation(t), source, esc)
	if problem != nil {
		t.Fatalf("%q: %+v", source, *problem)
	}
	out, err := compiled.Render(in)
	if err != nil {
		t.Fatalf("%q: %v", source, err)
	}
	return out
}

func TestTheEndOfAnExpressionIsFoundByItsGrammar(t *testing.T) {
	for source, want := range map[string]string{
		``:                     "",
		`no expression }} { }`: `no expression }} { }`,
		`{{ full_name }}`:      "Jon Doe",
		`{{full_name}}`:        "Jon Doe",
		`a {{ attempts }} b {{ attempts + 1 }} c`:     "a 3 b 4 c",
		`{{ {"a": 1}.a }}`:                            "1",
		`{{{"a": {"b": 1}}.a.b}}`:                     "1",
		`{{ {"a": {"b": {}}} }}`:                      `{"a":{"b":{}}}`,
		`{{ "}}" }}`:                                  "}}",
		`{{ '}}' + "it's" }}`:                         "}}it's",
		"{{ `}}``}}` }}":                              "}}`}}",
		`{{ "\"}}" }}`:                                `"}}`,
		`{{ "{{" }} and {{ "}}" }}`:                   "{{ and }}",
		"{{ /* }} */ attempts }}":                     "3",
		"{{ attempts // tries }} made":                "3 made",
		"{{ attempts // tries\n + 1 }} made":          "4 made",
		`{{ attempts / 2 }}`:                          "1.5",
		`{{ any([1], {# == 1}) }}`:                    "true",
		`{{ let x = {"a": 2}; x.a }}}}`:               "2}}",
		"{{\n  full_name\n}}":                         "Jon Doe",
		`{{ if attempts > 2 {"many"} else {"few"} }}`: "many",
	} {
		if got := text(t, source, rules.Plain, input(nil)); got != want {
			t.Errorf("%q: got %q, want %q", source, got, want)
		}
	}
}

func TestMistakesInTextsAreToldWithTheirPlace(t *testing.T) {
	for _, c := range []struct {
		source, want, hint string
		line, col          int
	}{
		{"Hello {{ full_name", "this {{ is not closed", `an expression ends with }}; two braces as text are written {{ "{{" }}`, 1, 7},
		{"Hello\n  {{ full_name }", "this {{ is not closed", `an expression ends with }}; two braces as text are written {{ "{{" }}`, 2, 3},
		{"{{ it's }}", "a text in quotes is not closed", "", 1, 6},
		{"é {{ /* x }}", "a comment is not closed", "", 1, 6},
		{"Dear {{ ful_name }}", `unknown name "ful_name"`, `did you mean "full_name"?`, 1, 9},
		{"Dear\n{{ id }} and\n\n  {{ id +\n 3 }}", "+ cannot take a string and an integer", "", 4, 9},
		{"x {{\n\n  ful_name }}", `unknown name "ful_name"`, `did you mean "full_name"?`, 3, 3},
		{"x {{ }}", "the expression is empty", "", 1, 5},
		{"{{ (id }}", "the expression ends too early", "", 1, 7},
		{"{{ unmatched }}", `"unmatched" can be used only in a rule's "when"`, "", 1, 4},
		{"{{ received_at.Year }}", "this is a function, not its value", "a function is called with ()", 1, 16},
		{`{{ transaction_status == "rejected" ? 1 : 2 }}`, `"rejected" is not a known value of transaction_status`, `did you mean "REJECTED"?`, 1, 26},
	} {
		compiled, p := rules.CompileText(invitation(t), c.source, rules.Plain)
		if p == nil || compiled != nil {
			t.Errorf("%q: no problem", c.source)
			continue
		}
		want := rules.Problem{Line: c.line, Col: c.col, Message: c.want, Hint: c.hint}
		if diff := cmp.Diff(want, *p); diff != "" {
			t.Errorf("%q: %s", c.source, diff)
		}
	}
}

func TestAValueTheVendorHasNotDocumentedIsNoProblemInAText(t *testing.T) {
	if got := text(t, `{{ invitation_state == "EXPIRED" ? "gone" : "there" }}`, rules.Plain, input(nil)); got != "there" {
		t.Error(got)
	}
}

func TestValuesReadAsPeopleWriteThem(t *testing.T) {
	in := input(map[string]any{
		"extra": map[string]any{"b": []any{1.0, "x<y", nil, true}, "a": 1.5}, "score": 0.1, "big": 1641600622454.0,
		"huge": 1e300, "small": 1e-9, "list": []any{}, "bad": "a\xffb", "flag": true,
	})
	for expression, want := range map[string]string{
		`attempts`:                        "3",
		`attempts * 1000000`:              "3000000",
		`score`:                           "0.1",
		`payload.big`:                     "1641600622454",
		`payload.huge`:                    "1e+300",
		`payload.small`:                   "1e-09",
		`1e20`:                            "100000000000000000000",
		`-0.000001`:                       "-0.000001",
		`3.0`:                             "3",
		`nil`:                             "",
		`payload.nothing`:                 "",
		`region`:                          "",
		`payload.flag`:                    "true",
		`1 == 2`:                          "false",
		`received_at`:                     "2026-11-23T22:30:00Z",
		`extra`:                           `{"a":1.5,"b":[1,"x<y",null,true]}`,
		`payload.list`:                    "[]",
		`split("a,b", ",")`:               `["a","b"]`,
		`1..3`:                            "[1,2,3]",
		`duration("90m")`:                 "1h30m0s",
		`received_at.Weekday()`:           "Monday",
		`payload.bad`:                     "a\uFFFDb",
		`groupBy([1, 2], # % 2)`:          `{"0":[2],"1":[1]}`,
		`b"bytes"`:                        "bytes",
		`[received_at]`:                   `["2026-11-23T22:30:00Z"]`,
		`{"t": duration("1s"), "n": nil}`: `{"n":null,"t":"1s"}`,
	} {
		if got := text(t, "{{ "+expression+" }}", rules.Plain, in); got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}

func TestValuesWithoutATextAreErrorsThatQuoteNothing(t *testing.T) {
	for expression, want := range map[string]string{
		`1 / 0`:              "1:10: the value is not a finite number",
		`[0 / 0]`:            "1:10: the value is not a finite number",
		`[received_at.Year]`: "1:10: the value is a function: it has no text",
		`score * 2`:          "1:17: cannot calculate with nil and an integer: an absent value needs a default, as in (x ?? 0)",
	} {
		compiled, problem := rules.CompileText(invitation(t), "Score: {{ "+expression+" }}", rules.Plain)
		if problem != nil {
			t.Fatalf("%s: %+v", expression, problem)
		}
		_, err := compiled.Render(input(nil))
		if err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", expression, err, want)
		}
	}
}

func TestEachValueIsEscapedAndTheTextAroundItIsNot(t *testing.T) {
	in := input(map[string]any{"full_name": `<b>"O'Brien" & Söhne</b>`})
	got := text(t, `<p title="{{ full_name }}">{{ full_name }} & co</p>`, rules.HTML, in)
	const name = `&lt;b&gt;&#34;O&#39;Brien&#34; &amp; Söhne&lt;/b&gt;`
	if want := `<p title="` + name + `">` + name + ` & co</p>`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnExpressionIsEvaluatedToAValueOrToItsText(t *testing.T) {
	v, problem := rules.CompileValue(invitation(t), `[id, attempts]`)
	if problem != nil {
		t.Fatal(problem)
	}
	got, err := v.Eval(input(nil))
	if diff := cmp.Diff([]any{"i-1", 3}, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if s, err := v.Text(input(nil)); s != `["i-1",3]` || err != nil {
		t.Errorf("%s %v", s, err)
	}
	if v, problem := rules.CompileValue(invitation(t), "\n idd"); v != nil || problem == nil || problem.Line != 2 || problem.Col != 2 {
		t.Errorf("%v %+v", v, problem)
	}
}

func TestAnEventIsNeverChangedThroughWhatIsRendered(t *testing.T) {
	in := input(map[string]any{"extra": map[string]any{"list": []any{"a"}}})
	tree, problems := rules.CompileTree(invitation(t), map[string]any{"x": "{{ extra }}"}, rules.Plain)
	if problems != nil {
		t.Fatal(problems)
	}
	got, err := tree.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	got.(map[string]any)["x"].(map[string]any)["list"].([]any)[0] = "changed"
	if in.Payload["extra"].(map[string]any)["list"].([]any)[0] != "a" {
		t.Error("the payload was changed")
	}
}

func TestOwnFunctions(t *testing.T) {
	in := input(map[string]any{"full_name": "jon  van Doe", "created": 1641600622454.0, "e": "é", "two": "ab"})
	for expression, want := range map[string]string{
		`mask(full_name)`:                        "j***",
		`mask(payload.two)`:                      "***",
		`mask(region)`:                           "",
		`mask(payload.created)`:                  "1***",
		`initials(full_name)`:                    "J. V. D.",
		`initials("Łukasz (ex) Öz")`:             "Ł. Ö.",
		`initials(region)`:                       "",
		`truncate(full_name, 4)`:                 "jon…",
		`truncate(full_name, 5)`:                 "jon…",
		`truncate(full_name, 12)`:                "jon  van Doe",
		`truncate("äöü", 3)`:                     "äöü",
		`truncate("äöü", 2)`:                     "ä…",
		`truncate("abc", 0)`:                     "",
		`truncate(region, 3)`:                    "",
		`upper(full_name)`:                       "JON  VAN DOE",
		`date(payload.created)`:                  "2022-01-08T00:10:22Z",
		`date("2026-01-02")`:                     "2026-01-02T00:00:00Z",
		`date("2026-01-02 03:04:05")`:            "2026-01-02T03:04:05Z",
		`date("2026-01-02T03:04:05+02:00")`:      "2026-01-02T01:04:05Z",
		`date("02.01.2026", "02.01.2006")`:       "2026-01-02T00:00:00Z",
		`date(received_at).Format("2 Jan 2006")`: "23 Nov 2026",
		`received_at.In(timezone("Asia/Tokyo")).Format("15:04 MST")`: "07:30 JST",
		`replace("aXb", "X", "-")`:                                   "a-b",
		`replace("aXbX", "X", "-", 1)`:                               "a-bX",
		`uniq([1, 2, 1])`:                                            "[1,2]",
		`full_name | upper() | truncate(4)`:                          "JON…",
	} {
		if got := text(t, "{{ "+expression+" }}", rules.Plain, in); got != want {
			t.Errorf("%s: got %q, want %q", expression, got, want)
		}
	}
}

func TestOwnFunctionsRefuseWhatWouldGrowWithoutBounds(t *testing.T) {
	long := strings.Repeat("a", 200_000)
	list := make([]any, 2_000)
	for expression, want := range map[string]string{
		`replace(payload.long, "", payload.long)`: "1:4: replace() would make too long a text",
		`uniq(payload.list)`:                      "1:4: uniq() takes at most 1,000 elements",
		`date(1e300)`:                             "1:4: date() needs a text, or epoch milliseconds",
		`date(payload.long)`:                      "1:4: date() cannot read the text as a date",
		`truncate("abc", 1.5)`:                    "",
	} {
		compiled, problem := rules.CompileText(invitation(t), "{{ "+expression+" }}", rules.Plain)
		if problem != nil {
			if want != "" {
				t.Errorf("%s: %+v", expression, problem)
			}
			continue
		}
		if _, err := compiled.Render(input(map[string]any{"long": long, "list": list})); err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", expression, err, want)
		}
	}
}

func TestTimesAreUTCWhateverTheMachinesZone(t *testing.T) {
	in := input(nil)
	in.ReceivedAt = in.ReceivedAt.In(time.FixedZone("X", 3600))
	if got := text(t, `{{ received_at.Hour() }} {{ received_at }}`, rules.Plain, in); got != "22 2026-11-23T22:30:00Z" {
		t.Error(got)
	}
}
