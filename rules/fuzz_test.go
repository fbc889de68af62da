package rules_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"invitation-relay/rules"
)

// mistakes are the rules of testdata/mistakes.txt: good seeds.
func mistakes(f *testing.F) []string {
	f.Helper()
	source, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		f.Fatal(err)
	}
	return strings.Split(string(source), "\n")
}

var fuzzPayload = map[string]any{
	"full_name": "Jon Doe", "score": 0.5, "vip": true, "region": nil,
	"list": []any{1.0, "a", nil, []any{}, map[string]any{"x": 1.0}}, "obj": map[string]any{"name": "x"},
}

func FuzzCompileExpression(f *testing.F) {
	for _, seed := range mistakes(f) {
		f.Add(seed)
	}
	f.Add(`any(payload.list, # == 1) && {"a": [1, 2]}.a[0] in 1..3`)
	f.Add(`let x = full_name; map(payload.list, {let y = #; y}) | len() > 3 ? upper(x) : nil`)
	e := invitation(f)
	in := input(fuzzPayload)
	f.Fuzz(func(t *testing.T, source string) {
		set, problems := rules.Compile(e, []rules.Rule{{Name: "r", When: source}})
		for _, p := range problems[0] {
			if len(source) <= 32<<10 {
				checkProblem(t, strings.ToValidUTF8(source, "?"), asValid(source, p))
			}
		}
		if set != nil {
			if d := set.Decide(in); len(d.Verdicts) != 1 || (d.Verdicts[0] == rules.Error) != (len(d.Errors) == 1) {
				t.Errorf("%q: %+v", source, d)
			}
		}
		if v, p := rules.CompileValue(e, source); p == nil {
			_, _ = v.Eval(in) // an error is fine, a panic is not
			want, wrong := v.Text(in)
			if strings.Contains(source, "//") {
				return // a line comment ends with the {{ }}
			}
			inText, p := rules.CompileText(e, "{{"+source+"}}", rules.Plain)
			if p != nil {
				t.Fatalf("%q compiles, but not in a text: %+v", source, p)
			}
			if got, err := inText.Render(in); got != want || (err == nil) != (wrong == nil) {
				t.Errorf("%q: %q (%v) in a text, %q (%v) alone", source, got, err, want, wrong)
			}
		}
	})
}

// asValid leaves out what a problem quotes of the source itself: that may be anything.
func asValid(source string, p rules.Problem) rules.Problem {
	for _, inner := range []string{"interface", "reflect", "runtime", "map[", "%!", "goroutine", "[]", "float64", "expr-lang", " | ", "\n"} {
		if strings.Contains(source, strings.TrimSpace(inner)) || inner == "[]" {
			p.Message, p.Hint = strings.ReplaceAll(p.Message, inner, ""), strings.ReplaceAll(p.Hint, inner, "")
		}
	}
	return p
}

func FuzzCompileText(f *testing.F) {
	for _, seed := range mistakes(f) {
		f.Add("a {{ " + seed + " }} b")
	}
	for _, seed := range hostile {
		f.Add(seed + "{{ id }}")
	}
	f.Add(`{{ {"a": 1}.a }}{{ "}}" }}{{ '{{' }}`)
	f.Add("{{ `}}``` }}{{ /* }} */ id // x }}")
	f.Add("https://example.com/{{ id }}?{{ full_name }}")
	e := invitation(f)
	in := input(fuzzPayload)
	f.Fuzz(func(t *testing.T, source string) {
		for _, esc := range []rules.Escape{rules.Plain, rules.SlackText, rules.HTML, rules.Header} {
			compiled, problem := rules.CompileText(e, source, esc)
			if (compiled == nil) != (problem != nil) || problem != nil && problem.Warning {
				t.Fatalf("%q: %v %+v", source, compiled, problem)
			}
			if problem != nil {
				continue
			}
			out, err := compiled.Render(in)
			if err == nil && !strings.Contains(source, "{{") && out != source {
				t.Errorf("%q became %q", source, out)
			}
		}
		if compiled, problem := rules.CompileURL(e, source); problem == nil {
			out, err := compiled.Render(in)
			if before, _, ok := strings.Cut(source, "{{"); err == nil && ok && !strings.HasPrefix(out, before) {
				t.Errorf("%q became %q", source, out)
			}
		}
		if tree, problems := rules.CompileTree(e, []any{source, map[string]any{"x": source}}, rules.Plain); problems == nil {
			if out, err := tree.Render(in); err == nil {
				if _, err := json.Marshal(out); err != nil {
					t.Errorf("%q: %v", source, err)
				}
			}
		}
	})
}

func FuzzDecide(f *testing.F) {
	f.Add(`{"id":"i","transaction_status":"REJECTED","attempts":3,"full_name":"Jon"}`)
	f.Add(`{"id":1,"transaction_status":{},"attempts":[],"full_name":null,"list":[[1,2],{"x":[]}],"obj":{"name":{"name":1}}}`)
	f.Add(`{"attempts":1e308,"score":-0.0,"tries":9007199254740993,"vip":"yes","list":"text","obj":[{}]}`)
	f.Add(`{"full_name":"\u0000\ud83d","region":"((((","extra":[[[[[[]]]]]],"list":[true,null,"a","A"]}`)
	set := whens(f, invitation(f),
		`transaction_status == "REJECTED" && attempts >= 3`, `attempts % 2 == 0`, `tries % 2 == 0`, `score > 0.5 || vip`,
		`region in ["EU", "US"]`, `full_name matches "(?i)jon"`, `full_name matches region`, `any(payload.list, # == full_name)`,
		`all(payload.list, any(payload.list, # == 1))`, `payload.obj.name.name == 1`, `payload.obj?.name?.name == nil`,
		`len(payload.list) > 3`, `len(uniq(payload.list)) == 2`, `sort(payload.list)[0] == 1`, `sum(payload.list) > 1`,
		`join(payload.list, ",") == ""`, `toJSON(payload) contains "x"`, `string(payload) contains "x"`, `extra == payload.list`,
		`full_name in payload`, `payload[full_name] == nil`, `payload.list[attempts] == 1`, `full_name[attempts:] == ""`,
		`len(1..attempts) > 3`, `split(full_name, "")[0] == "J"`, `replace(full_name, "", full_name) == ""`, `date(attempts) > received_at`,
		`len(groupBy(payload.list, #)) > 1`, `truncate(full_name, attempts) == ""`, `initials(extra) == ""`, `mask(payload.list) == ""`,
		`fromJSON(full_name) == extra`, `flatten(extra) == []`, `max(payload.list) > 1`, `extra`, `unmatched`,
	)
	text, problem := rules.CompileText(invitation(f), `{{ full_name }} {{ payload }} {{ attempts }} {{ extra }}`, rules.SlackText)
	if problem != nil {
		f.Fatal(problem)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var payload map[string]any
		if json.Unmarshal([]byte(body), &payload) != nil {
			return
		}
		in := &rules.Input{Source: "preventor", ReceivedAt: time.Unix(1e9, 0), Payload: payload}
		d := set.Decide(in)
		if len(d.Verdicts) != len(set.Names()) {
			t.Fatalf("%d verdicts", len(d.Verdicts))
		}
		for _, e := range d.Errors {
			for _, v := range payload {
				if s, ok := v.(string); ok && len(s) > 8 && strings.Contains(e.Err.Error(), s) && !strings.Contains(e.Rule, s) {
					t.Errorf("%s quotes a value: %v", e.Rule, e.Err)
				}
			}
		}
		again := set.Decide(in)
		if verdicts(again) != verdicts(d) {
			t.Errorf("decided %s, then %s", verdicts(d), verdicts(again))
		}
		if _, err := text.Render(in); err != nil {
			t.Errorf("render: %v", err)
		}
	})
}
