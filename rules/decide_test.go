package rules_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

func TestEventGoesToTheUnionOfTheTargetsOfAllRulesThatMatch(t *testing.T) {
	set, _ := rules.Compile(invitation(t), []rules.Rule{
		{Name: "rejected", When: `transaction_status == "REJECTED" && attempts >= 3`, To: []string{"risk", "case"}},
		{Name: "accepted", When: `transaction_status == "ACCEPTED"`, To: []string{"crm"}},
		{Name: "all", When: `true`, To: []string{"archive", "risk", "archive"}},
	})
	d := set.Decide(input(nil))
	if got := verdicts(d); got != "match no_match match" {
		t.Errorf("verdicts: %s", got)
	}
	if diff := cmp.Diff([]string{"risk", "case", "archive"}, d.Targets); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"rejected", "accepted", "all"}, set.Names()); diff != "" {
		t.Error(diff)
	}
}

func TestUnmatchedIsTrueUntilARuleMatches(t *testing.T) {
	set := whens(t, invitation(t), `unmatched`, `unmatched`, `attempts == 99`, `not unmatched`)
	if got := verdicts(set.Decide(input(nil))); got != "match no_match no_match match" {
		t.Error(got)
	}
}

func TestStopEndsTheEvaluationOnlyWhenItsRuleMatches(t *testing.T) {
	rs := []rules.Rule{
		{Name: "a", When: `attempts > 3`, To: []string{"a"}, Stop: true},
		{Name: "b", When: `attempts > 2`, To: []string{"b"}, Stop: true},
		{Name: "c", When: `true`, To: []string{"c"}},
	}
	set, _ := rules.Compile(invitation(t), rs)
	d := set.Decide(input(nil))
	if got := verdicts(d); got != "no_match match -" || !slices.Equal(d.Targets, []string{"b"}) {
		t.Errorf("%s to %v", got, d.Targets)
	}
}

func TestRuleThatErrsIsRecordedAndChangesNeitherUnmatchedNorStop(t *testing.T) {
	set, _ := rules.Compile(invitation(t), []rules.Rule{
		{Name: "broken", When: `confidence_score > 0.5`, To: []string{"a"}, Stop: true},
		{Name: "rest", When: `unmatched`, To: []string{"b"}},
	})
	d := set.Decide(input(nil))
	if got := verdicts(d); got != "error match" || !slices.Equal(d.Targets, []string{"b"}) {
		t.Errorf("%s to %v", got, d.Targets)
	}
	if len(d.Errors) != 1 || d.Errors[0].Rule != "broken" {
		t.Fatalf("errors: %v", d.Errors)
	}
	const want = "1:18: cannot compare nil with a number: an absent value needs a default, as in (x ?? 0)"
	if got := d.Errors[0].Err.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestShadowAndDisabledRulesChangeNeitherUnmatchedNorStopNorTargets(t *testing.T) {
	set, _ := rules.Compile(invitation(t), []rules.Rule{
		{Name: "shadow", When: `true`, To: []string{"a"}, Stop: true, Shadow: true},
		{Name: "shadow that does not match", When: `attempts == 0`, To: []string{"a"}, Shadow: true},
		{Name: "shadow that errs", When: `score > 1`, To: []string{"a"}, Shadow: true},
		{Name: "disabled", When: `true`, To: []string{"b"}, Stop: true, Disabled: true},
		{Name: "rest", When: `unmatched`, To: []string{"c"}},
	})
	d := set.Decide(input(nil))
	if got := verdicts(d); got != "shadow no_match error - match" || !slices.Equal(d.Targets, []string{"c"}) {
		t.Errorf("%s to %v", got, d.Targets)
	}
}

func TestDisabledRulesAreCompiledToo(t *testing.T) {
	set, problems := rules.Compile(invitation(t), []rules.Rule{{Name: "x", When: `nonsense`, Disabled: true}})
	if set != nil || len(problems[0]) != 1 {
		t.Errorf("set %v, problems %v", set, problems)
	}
}

func TestAbsentAndNullDocumentedFieldsAreTheZeroValueAndOthersNil(t *testing.T) {
	set := whens(t, invitation(t),
		`full_name == "" && attempts == 0`, // documented
		`flow_status == nil && region == nil && score == nil && vip == nil && tries == nil && extra == nil`,
		`payload.full_name == nil`, // as it came
	)
	in := input(nil)
	in.Payload = map[string]any{"id": "i-1", "full_name": nil, "flow_status": nil, "region": nil}
	if got := verdicts(set.Decide(in)); got != "match match match" {
		t.Error(got)
	}
}

func TestAbsentDeclaredFieldsCompareWithoutError(t *testing.T) {
	set := whens(t, invitation(t),
		`region == "EU"`, `region != "EU"`, `region in ["EU", "US"]`, `region startsWith "E"`, `tries == 3`, `vip == true`,
		`(region ?? "") == ""`, `(score ?? 0) > 1`,
	)
	const want = "no_match match no_match no_match no_match no_match match no_match"
	if got := verdicts(set.Decide(input(nil))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAFlagThatIsAbsentIsAnErrorAndNeverQuietlyFalse(t *testing.T) {
	set := whens(t, invitation(t), `vip`, `not vip`, `payload.vip`, `attempts > 1 && vip`, `extra`)
	if got := verdicts(set.Decide(input(nil))); got != "error error error error error" {
		t.Error(got)
	}
	if got := verdicts(set.Decide(input(map[string]any{"vip": true, "extra": false}))); got != "match no_match match match no_match" {
		t.Error(got)
	}
}

func TestWholeNumbersOfJSONAreIntegersInIntegerFields(t *testing.T) {
	set := whens(t, invitation(t), `tries % 2 == 1`, `attempts == 4`, `tries == 5`)
	d := set.Decide(input(map[string]any{"tries": 5.0, "attempts": 4.0}))
	if got := verdicts(d); got != "match match match" {
		t.Errorf("%s %v", got, d.Errors)
	}
}

func TestValuesOfUnexpectedTypesAreErrorsOrFalseAndNeverPanics(t *testing.T) {
	set := whens(t, invitation(t), `full_name == "x"`, `attempts > 2`, `region == "EU"`, `risk_code in ["A"]`, `full_name contains "x"`)
	d := set.Decide(input(map[string]any{"full_name": 5.0, "attempts": []any{}, "region": 5.0, "risk_code": 7.0}))
	if got := verdicts(d); got != "error error no_match error error" {
		t.Errorf("%s %v", got, d.Errors)
	}
}

func TestRunTimeErrorsQuoteNoValue(t *testing.T) {
	const canary = "Canary-Value-31337"
	set := whens(t, invitation(t),
		`int(full_name) > 1`, `float(full_name) > 1`, `full_name < payload.x`, `payload.obj[full_name].x == 1`,
		`payload.obj[full_name][0] == 1`, `full_name matches (full_name + "(")`, `date(full_name) > received_at`,
		`duration(full_name) > duration("1h")`, `fromBase64(full_name + "!") == ""`, `fromJSON(full_name) == 1`,
		`payload.obj.name > 3`, `payload.obj.name + 1 == 2`, `not payload.obj.name`, `any(payload.obj.n, # == 1)`,
		`payload.obj.name in payload.obj.name`, `len(payload.obj.n) > 1`, `payload.obj.list[payload.obj.name] == 1`,
		`payload.obj.list[99] == 1`, `sortBy(payload.obj.list, #)[0] == 1`, `join(payload.obj.list) == ""`,
		`payload.obj.name`, `payload.obj[1:2] == 3`, `mean(payload.obj.list) == 1`, `max(payload.obj.list) == 1`,
		`int(payload.obj) == 1`, `truncate(full_name, payload.obj.name) == ""`, `replace(full_name, payload.obj.n, "") == ""`,
		`payload.obj.name.x == 1`, `bitnot(payload.obj.name) == 1`, `abs(payload.obj.name) == 1`,
		`round(payload.obj.name) == 1`, `1..payload.obj.name == []`, `take(payload.obj.list, payload.obj.name) == []`,
		`split(full_name, payload.obj.n) == []`, `upper(payload.obj) == ""`, `trim(payload.obj.n) == ""`,
		`len(groupBy(payload.obj.list, payload.obj)) == 2`, `payload.obj.name ? true : false`, `-payload.obj.name == 1`,
	)
	in := input(map[string]any{
		"full_name": canary, "x": 1.0,
		"obj": map[string]any{"name": canary, "n": 5.0, "list": []any{canary, 1.0, nil}},
	})
	d := set.Decide(in)
	for i, v := range d.Verdicts {
		if v != rules.Error {
			t.Errorf("%s: %s, want an error", set.Names()[i], v)
		}
	}
	for _, e := range d.Errors {
		text := e.Err.Error()
		for _, inner := range []string{canary, "interface", "reflect", "runtime", "%!", "map["} {
			if strings.Contains(text, inner) {
				t.Errorf("%s: the error has %q in it: %s", e.Rule, inner, text)
			}
		}
		if strings.Contains(text, "cannot be evaluated") {
			t.Errorf("%s: no words for this error: %s", e.Rule, text)
		}
	}
}

func TestNestedLoopsOverALongListEnd(t *testing.T) {
	list := make([]any, 10_000) // 100 million turns; every one counts
	set := whens(t, invitation(t), `let a = payload.list; all(a, all(a, # == nil))`, `all(payload.list, # == nil)`)
	if got := verdicts(set.Decide(input(map[string]any{"list": list}))); got != "error match" {
		t.Error(got)
	}
}

func TestEventOfASourceThatIsGoneIsDecidedByTheUnion(t *testing.T) {
	set := whens(t, invitation(t), `transaction_status == "REJECTED"`, `source == "former"`, `region == nil`)
	in := input(nil)
	in.Source = "former"
	if got := verdicts(set.Decide(in)); got != "match match match" {
		t.Error(got)
	}
}

func TestNamesOfTheRelayItselfAreThere(t *testing.T) {
	set := whens(t, invitation(t),
		`event_id startsWith "0193"`, `source == "preventor"`, `received_at.Year() == 2026`,
		`received_at.In(timezone("Europe/Berlin")).Day() == 23`, `payload.id == id`, `payload["not declared"] == nil`,
	)
	d := set.Decide(input(nil))
	if got := verdicts(d); got != "match match match match match match" {
		t.Errorf("%s %v", got, d.Errors)
	}
}

func TestDecideIsSafeForConcurrentUse(t *testing.T) {
	set := whens(t, invitation(t), `attempts == 3`, `unmatched`, `any(payload.list, # == full_name)`, `score > 1`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				in := input(map[string]any{"attempts": i % 4, "list": []any{"Jon Doe"}})
				want := "no_match match match error"
				if i%4 == 3 {
					want = "match no_match match error"
				}
				if got := verdicts(set.Decide(in)); got != want {
					t.Errorf("attempts %d: %s", i%4, got)
				}
			}
		})
	}
	wg.Wait()
}

func TestVerdictsHaveTheirWords(t *testing.T) {
	want := map[rules.Verdict]string{
		rules.NoMatch: "no_match", rules.Match: "match", rules.Error: "error", rules.Shadowed: "shadow", rules.NotEvaluated: "",
	}
	for v, word := range want {
		if v.String() != word {
			t.Errorf("%d: %q, want %q", v, v, word)
		}
	}
}
