package rules_test

import (
	"flag"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"invitation-relay/relay/relaytest/racetest"
	"invitation-relay/rules"
)

var seed = flag.Uint64("seed", 20261123, "of the generated expressions and payloads")

// cases is how many payloads are decided and explained.
const cases = 10_000

func TestExplainDecidesAsDecideOnGeneratedExpressionsAndPayloads(t *testing.T) {
	racetest.Sequential(t)
	t.Logf("-seed %d", *seed)
	g := &generator{Rand: rand.New(rand.NewPCG(*seed, 1))}
	env := invitation(t)
	saw := map[rules.Verdict]int{}
	for done := 0; done < cases; {
		list := []rules.Rule{g.rule("a"), g.rule("b")}
		set, _ := rules.Compile(env, list)
		if set == nil {
			continue // not every generated expression has types that fit
		}
		for range 4 {
			done++
			in := input(nil)
			in.Payload = g.payload()
			compareExplained(t, set, list, in, saw)
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("verdicts: %v", saw)
	for v := range rules.NotEvaluated + 1 {
		if saw[v] < cases/50 {
			t.Errorf("only %d times %q: the generator has lost its use", saw[v], v)
		}
	}
}

// rule is a rule with a generated expression.
func (g *generator) rule(name string) rules.Rule {
	return rules.Rule{
		Name: name, When: g.boolean(1 + g.IntN(4)), To: []string{"archive"},
		Stop: g.IntN(4) == 0, Disabled: g.IntN(12) == 0, Shadow: g.IntN(8) == 0,
	}
}

func compareExplained(t *testing.T, set *rules.Set, list []rules.Rule, in *rules.Input, saw map[rules.Verdict]int) {
	t.Helper()
	decision, explained := set.Decide(in), set.Explain(in)
	failed := decision.Errors
	for i, e := range explained {
		saw[e.Verdict]++
		fail := func(what string) {
			t.Errorf("%s\nrule    %s\npayload %s\ndecided %v, explained %v (%v)", what, list[i].When, describe(in.Payload), decision.Verdicts[i], e.Verdict, e.Err)
		}
		switch {
		case e.Rule != list[i].Name || e.Verdict != decision.Verdicts[i]:
			fail("another verdict")
		case (e.Verdict == rules.NotEvaluated) != (e.Whole == nil) || (e.Why == "") != (e.Whole != nil):
			fail("parts of what was not evaluated, or none of what was: " + e.Why)
		case (e.Verdict == rules.Error) != (e.Err != nil):
			fail("an error without the verdict, or the verdict without")
		case e.Err != nil && (len(failed) == 0 || !reflect.DeepEqual(failed[0].Err, error(e.Err))):
			fail("another error")
		case e.Whole != nil && e.Whole.Text == "":
			fail("no text")
		}
		if e.Err != nil {
			failed = failed[1:]
		}
		if e.Whole != nil {
			compareParts(t, e, fail)
		}
	}
}

// compareParts is about what the parts say: they are there, the whole has the
// verdict's value, and exactly one of them failed when the rule did.
func compareParts(t *testing.T, e rules.Explanation, fail func(string)) {
	t.Helper()
	errs := 0
	var walk func(p *rules.Part, seen map[*rules.Part]bool)
	walk = func(p *rules.Part, seen map[*rules.Part]bool) {
		if seen[p] {
			return
		}
		seen[p] = true
		if p.Err != "" {
			errs++
		}
		switch {
		case !p.Loop && len(p.Values) != min(p.Times, 1), p.Loop && len(p.Values) != min(p.Times, rules.KeptValues):
			fail("part " + p.Text + " has not the values it should")
		case p.Text == "" || strings.ContainsAny(p.Text, "\n\r"):
			fail("part without a text on one line")
		}
		for _, below := range p.Parts {
			walk(below, seen)
		}
	}
	walk(e.Whole, map[*rules.Part]bool{})
	switch e.Verdict {
	case rules.Error:
		if errs != 1 || !e.Whole.Failed() {
			fail("the part that failed is not marked, or not the only one")
		}
	case rules.Match, rules.Shadowed, rules.NoMatch:
		if errs != 0 || len(e.Whole.Values) != 1 || e.Whole.Values[0] != (e.Verdict != rules.NoMatch) {
			fail("the whole has not the value of the verdict")
		}
	case rules.NotEvaluated:
	}
}
