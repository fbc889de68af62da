package rules_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

// testdata/explain.txt holds one rule a line; explain.golden is what each part of
// it was for a third rejection with two checks.
func TestExplainShowsTheValueOfEveryPart(t *testing.T) {
	source, err := os.ReadFile("testdata/explain.txt")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(string(source)) {
		b.WriteString(line)
		when := strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(when, "# ") || when == "" {
			continue
		}
		e := whens(t, invitation(t), when).Explain(checked())[0]
		fmt.Fprintf(&b, "    %s", e.Verdict)
		if e.Err != nil {
			fmt.Fprintf(&b, ": %v", e.Err)
		}
		b.WriteString("\n")
		writePart(&b, e.Whole, 2)
	}
	golden(t, "explain.golden", b.String())
}

// checked is a third rejection with two checks.
func checked() *rules.Input {
	return input(map[string]any{"checks": []any{
		map[string]any{"name": "liveness", "passed": true}, map[string]any{"name": "id", "passed": false},
	}})
}

func writePart(b *strings.Builder, p *rules.Part, depth int) {
	said := "not evaluated"
	switch {
	case p.Failed():
		said = "failed"
	case p.Times > 0:
		said = values(p)
	}
	if p.Err != "" {
		said += ": " + p.Err
	}
	fmt.Fprintf(b, "%s%-*s %s\n", strings.Repeat("    ", depth), 70-4*depth, p.Text, said)
	for _, below := range p.Parts {
		writePart(b, below, depth+1)
	}
}

func values(p *rules.Part) string {
	var out []string
	for _, v := range p.Values {
		text, err := json.Marshal(v)
		if err != nil {
			text = []byte(err.Error())
		}
		out = append(out, string(text))
	}
	if p.Loop {
		out = append(out, fmt.Sprintf("(%d times)", p.Times))
	}
	return strings.Join(out, " ")
}

func TestExplainSaysWhyARuleWasNotLookedAt(t *testing.T) {
	set, _ := rules.Compile(invitation(t), []rules.Rule{
		{Name: "off", When: `true`, Disabled: true, Stop: true},
		{Name: "shadow", When: `attempts == 3`, Shadow: true, Stop: true},
		{Name: "broken", When: `score > 1`, Stop: true},
		{Name: "rejected", When: `unmatched && attempts == 3`, Stop: true},
		{Name: "rest", When: `unmatched`},
	})
	var got []string
	for _, e := range set.Explain(input(nil)) {
		got = append(got, strings.Join(strings.Fields(e.Rule+" "+e.Verdict.String()+" "+e.Why), " "))
		if (e.Whole == nil) != (e.Verdict == rules.NotEvaluated) {
			t.Errorf("%s: %+v", e.Rule, e.Whole)
		}
	}
	want := []string{
		"off it is switched off (enabled: false)", "shadow shadow", "broken error", "rejected match",
		"rest rule rejected has matched before it, with stop: true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnmatchedIsExplainedAsTheRuleSawIt(t *testing.T) {
	set := whens(t, invitation(t), `unmatched`, `unmatched`)
	for i, e := range set.Explain(input(nil)) {
		if want := []any{i == 0}; !slices.Equal(e.Whole.Values, want) {
			t.Errorf("rule %d: unmatched is %v", i, e.Whole.Values)
		}
	}
}

// What failed is said without a value: the text may end in a log beside the
// rule's error.
func TestReasonOfAFailedPartHoldsNoValue(t *testing.T) {
	in := input(map[string]any{"score": "Canary Person", "extra": []any{"Canary Person"}})
	for _, when := range []string{`score > 3`, `extra > 3`, `any(extra, # > 3)`, `int(payload.score) > 3`, `date(payload.score) == nil`} {
		e := whens(t, invitation(t), when).Explain(in)[0]
		reasons := e.Err.Error()
		var walk func(p *rules.Part)
		walk = func(p *rules.Part) {
			reasons += p.Err
			for _, below := range p.Parts {
				walk(below)
			}
		}
		walk(e.Whole)
		if strings.Contains(reasons, "Canary") || !e.Whole.Failed() {
			t.Errorf("%s: %s", when, reasons)
		}
	}
}

func TestValuesOfALongLoopAreCountedAndTheFirstKept(t *testing.T) {
	e := whens(t, invitation(t), `all(1..5000, # > 0)`).Explain(input(nil))[0]
	inside := e.Whole.Parts[len(e.Whole.Parts)-1]
	if inside.Times != 5000 || len(inside.Values) != rules.KeptValues || !inside.Loop {
		t.Errorf("%+v", inside)
	}
}

func TestTextIsShownWithoutWhatStandsAroundItsValues(t *testing.T) {
	text, problem := rules.CompileText(invitation(t), `Bearer s3cret {{ cifcod }}/{{ full_name }}!`, rules.Plain)
	if problem != nil {
		t.Fatal(problem)
	}
	plain, problem := rules.CompileText(invitation(t), `s3cret`, rules.Plain)
	if problem != nil {
		t.Fatal(problem)
	}
	for text, want := range map[*rules.Text]string{text: "…C-77…Jon Doe…", plain: "…"} {
		got, err := text.RenderHiding(input(nil), func(string) string { return "…" })
		if err != nil || got != want {
			t.Errorf("%q (%v), want %q", got, err, want)
		}
	}
}

func FuzzExplain(f *testing.F) {
	source, err := os.ReadFile("testdata/explain.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(source)) {
		f.Add(strings.TrimSuffix(line, "\n"), `{"id": "i-1", "attempts": 3, "checks": [{"name": "id", "passed": true}]}`)
	}
	env := invitation(f)
	f.Fuzz(func(t *testing.T, when, body string) {
		list := []rules.Rule{{Name: "fuzz", When: when}}
		set, _ := rules.Compile(env, list)
		in := input(nil)
		if set == nil || json.Unmarshal([]byte(body), &in.Payload) != nil {
			return
		}
		compareExplained(t, set, list, in, map[rules.Verdict]int{})
	})
}
