package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// soundEnv has fields of every kind.
func soundEnv(t testing.TB) *Env {
	t.Helper()
	env, err := NewEnv(
		Source{Name: "preventor", Preset: "invitation", Fields: map[string]Type{"region": String, "score": Number, "vip": Bool, "tries": Integer}},
		Source{Name: "tickets", Preset: "idv-ticket"},
		Source{Name: "other", Preset: "json"},
	)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

// soundParts are what expressions are made of at random.
var soundParts = []string{
	`transaction_status == "REJECTED"`, `transaction_status != "ACCEPTED"`, `transaction_status in ["REJECTED", "ACCEPTED"]`, `transaction_status == ""`,
	`payload.transaction_status == nil`, `payload.transaction_status == "REJECTED"`, `transaction_status startsWith "REJ"`, `lower(transaction_status) == "rejected"`,
	`attempts >= 3`, `attempts < 3`, `attempts == 0`, `attempts in 2..4`, `attempts > 2.5`, `0 < attempts < 4`, `payload.attempts > 3`, `payload.attempts == nil`,
	`score > 0.5`, `score <= 0.5`, `(score ?? 0.0) > 0.5`, `score == nil`, `score in [1, 2.5]`, `-score < 0`,
	`region == "EU"`, `region != nil`, `region in ["EU", "US"]`, `(region ?? "EU") == "EU"`, `region contains "U"`,
	`vip`, `vip ?? false`, `vip == true`, `vip != nil`, `tries > 3`, `tries in 1..3`, `payload.tries in 1..3`,
	`flow_status == "REJECTED"`, `flow_status != "REJECTED"`, `flow_status == nil`, `flow_status in ["REJECTED", "ACCEPTED"]`, `flow_status not in ["REJECTED"]`,
	`risk_code == 3`, `risk_code == "3"`, `risk_code > 3`, `risk_code in [3, "x"]`, `risk_code in [3, 4]`, `confidence_score == true`,
	`data == nil`, `data != nil && data.score > 3`, `data.score <= 3`, `data?.score == nil`, `payload.data.kind == "x"`, `payload?.data?.kind != "x"`, `data.list == []`,
	`remaining_attempts > 1`, `remaining_attempts <= attempts`, `source == "tickets"`, `source != "other"`, `received_at.Hour() < 12`, `event == "onboarding.completed"`,
	`any(payload.list ?? [], # == "x")`, `len(payload) > 3`, `full_name matches "^J"`, `full_name contains cifcod`, `unmatched`, `true`, `false`,
}

func soundExpression(r *rand.Rand, depth int) string {
	if depth == 0 || r.IntN(4) == 0 {
		return soundParts[r.IntN(len(soundParts))]
	}
	a, b := soundExpression(r, depth-1), soundExpression(r, depth-1)
	switch r.IntN(6) {
	case 0:
		return "not (" + a + ")"
	case 1, 2:
		return "(" + a + ") || (" + b + ")"
	case 3:
		return "((" + a + ") ? (" + b + ") : (" + soundExpression(r, depth-1) + "))"
	}
	return "(" + a + ") && (" + b + ")"
}

// soundEvent is an event as intake lets it through, of values the parts are about.
func soundEvent(r *rand.Rand, env *Env) *Input {
	sources := []string{"preventor", "tickets", "other"}
	in := &Input{
		EventID: "e", Source: sources[r.IntN(3)], Payload: map[string]any{},
		ReceivedAt: time.Date(2027, 3, 1+r.IntN(20), r.IntN(24), 0, 0, 0, time.UTC),
	}
	own := env.sources[in.Source]
	for _, name := range []string{
		"id", "transaction_status", "attempts", "score", "region", "vip", "tries", "flow_status", "risk_code", "confidence_score", "data",
		"remaining_attempts", "event", "full_name", "cifcod", "list", "ticket",
	} {
		f := own[name]
		if r.IntN(3) == 0 && !f.Required {
			continue
		}
		value := soundValue(r, 2)
		if f.Documented {
			value = any([]string{"REJECTED", "ACCEPTED", "", "REJ", "x", "EU", "rejected", "Jon"}[r.IntN(8)])
			if f.Type == Integer {
				value = r.IntN(14) - 2
			}
			if f.Required && value == "" {
				value = "r"
			}
		}
		in.Payload[name] = value
	}
	return in
}

func soundValue(r *rand.Rand, depth int) any {
	switch n := r.IntN(14); {
	case n < 3:
		return []string{"REJECTED", "ACCEPTED", "EU", "US", "x", "3", "", "onboarding.completed"}[r.IntN(8)]
	case n < 7:
		return []float64{0, 0.5, 1, 2, 2.5, 3, 3.5, 4, 1e9, -1, -0.25}[r.IntN(11)]
	case n < 9:
		return r.IntN(2) == 0
	case n == 9:
		return nil
	case depth == 0:
		return "leaf"
	case n == 10:
		return []any{soundValue(r, depth-1), soundValue(r, depth-1)}
	case n == 11:
		return []any{}
	}
	return map[string]any{"score": soundValue(r, depth-1), "kind": soundValue(r, depth-1), "list": soundValue(r, depth-1)}
}

// TestWhatReviewIsSureOfHoldsForEveryEvent makes sets of rules and events at
// random: no event may contradict what has been said without a condition, and
// none may break an entry of which nothing has been said.
func TestWhatReviewIsSureOfHoldsForEveryEvent(t *testing.T) {
	env := soundEnv(t)
	r := rand.New(rand.NewPCG(3, 14))
	said := map[string]int{}
	for n := range 300 {
		set, must := soundSet(r, env)
		if set == nil || must == nil {
			continue
		}
		review := newReview(set, must)
		findings := set.Review(must)
		about := map[[2]int]Finding{}
		for _, f := range findings {
			about[[2]int{f.Rule, f.Entry}] = f
			said[soundKind(f)]++
		}
		for range 80 {
			in := soundEvent(r, env)
			d := set.Decide(in)
			for _, f := range findings {
				if soundContradicts(review, f, in, d) {
					t.Fatalf("set %d: %+v\n%s\nbut %s %v: %v", n, f, soundRules(set), in.Source, in.Payload, d.Verdicts)
				}
			}
			truths, _ := must.Evaluate(in)
			for e, v := range truths {
				_, doubtful := about[[2]int{-1, e}]
				if v == Match && len(d.Targets) == 0 && !doubtful && soundUsual(in) {
					t.Fatalf("set %d: nothing said of %s\n%s\nbut %s %v", n, must.entries[e].source, soundRules(set), in.Source, in.Payload)
				}
			}
		}
	}
	for _, kind := range []string{"never", "always", "can never match", "unmatched", "no target", "proven"} {
		if said[kind] == 0 {
			t.Errorf("nothing %q: %v", kind, said)
		}
	}
	t.Log(said)
}

func soundSet(r *rand.Rand, env *Env) (*Set, *Must) {
	var list []Rule
	for i := range 1 + r.IntN(4) {
		list = append(list, Rule{
			Name: fmt.Sprint("r", i), When: soundExpression(r, 2), To: []string{"a"},
			Stop: r.IntN(3) == 0, Shadow: r.IntN(8) == 0, Disabled: r.IntN(10) == 0,
		})
	}
	if r.IntN(3) == 0 {
		list = append(list, Rule{Name: "rest", When: "unmatched", To: []string{"b"}})
	}
	set, _ := Compile(env, list)
	entry := strings.ReplaceAll(soundExpression(r, 1), "unmatched", "true")
	must, _ := CompileMust(env, []string{entry})
	return set, must
}

// soundKind is what a finding is about.
func soundKind(f Finding) string {
	switch {
	case strings.Contains(f.Message, "can never match"):
		return "can never match"
	case strings.Contains(f.Message, "never true here"):
		return "unmatched"
	case strings.Contains(f.Message, "never true"):
		return "never"
	case strings.Contains(f.Message, "always true"):
		return "always"
	case strings.Contains(f.Message, "no target"):
		return "no target"
	}
	return "proven"
}

// soundContradicts says whether an event disproves a finding.
func soundContradicts(r *review, f Finding, in *Input, d Decision) bool {
	if f.Rule < 0 || strings.Contains(f.Message, "as long as") && !soundUsual(in) {
		return false
	}
	p := r.set.rules[f.Rule].program
	isTrue := func(unmatched truth) bool { return r.isTrue(p, &witness{in: in, unmatched: unmatched}) }
	switch soundKind(f) {
	case "never":
		return isTrue(yes) || isTrue(no)
	case "always":
		return !isTrue(yes) || !isTrue(no)
	case "can never match":
		return d.Verdicts[f.Rule] == Match || d.Verdicts[f.Rule] == Shadowed
	case "unmatched":
		return !slices.Contains(d.Verdicts[:f.Rule], Match)
	}
	return false
}

// soundUsual says whether all values are as one would expect them.
func soundUsual(in *Input) bool {
	for name, value := range in.Payload {
		var ok bool
		switch name {
		case "attempts", "remaining_attempts", "tries", "score":
			n, number := numberOf(value)
			ok = number && (n >= 0 && n <= most || name == "tries" || name == "score")
		case "region", "flow_status", "transaction_status", "event", "id", "ticket", "full_name", "cifcod":
			s, text := value.(string)
			ok = text && (s != "" || name != "id" && name != "ticket" && name != "event")
		case "vip":
			_, ok = value.(bool)
		case "data":
			data, object := value.(map[string]any)
			_, score := numberOf(data["score"])
			_, kind := data["kind"].(string)
			_, list := data["list"].([]any)
			ok = object && (score || data["score"] == nil) && (kind || data["kind"] == nil) && (list || data["list"] == nil)
		case "list":
			ok = true
		}
		if !ok && value != nil {
			return false
		}
	}
	return true
}

func soundRules(s *Set) string {
	var b strings.Builder
	for _, r := range s.rules {
		fmt.Fprintf(&b, "%s stop=%t shadow=%t off=%t: %s\n", r.Name, r.Stop, r.Shadow, r.Disabled, r.When)
	}
	return b.String()
}

// TestComparisonsAreLookedUpAsTheMachineEvaluatesThem compares what is looked up
// without compiling with what the machine makes of it, for every stand.
func TestComparisonsAreLookedUpAsTheMachineEvaluatesThem(t *testing.T) {
	env := soundEnv(t)
	u := newUniverse(env)
	for _, part := range soundParts {
		root, err := parse(part, env.inWhen)
		if err != nil {
			t.Fatal(err)
		}
		u.clause(root)
	}
	u.settle()
	tried := 0
	for _, a := range u.atoms {
		if a.plain == nil || a.plain.odd || len(a.vars) != 1 {
			continue
		}
		v := u.vars[a.vars[0]]
		for _, source := range u.sources {
			for _, s := range v.of(source, env.sources[source]) {
				in := sample(source)
				if !v.put(in, s.value) {
					t.Fatalf("%s: cannot be %v", v.key, s.value)
				}
				if got, want := a.plain.is(s.value, u.slots[source]), u.run(a, in); got != want {
					t.Errorf("%s with %v from %s is %d, and not %d", a.text, s.value, source, got, want)
				}
				tried++
			}
		}
		if a.broken {
			t.Errorf("%s does not compile by itself", a.text)
		}
	}
	if tried < 1000 {
		t.Errorf("only %d tried", tried)
	}
}
