package rules_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest/racetest"
	"invitation-relay/rules"
)

// worstPayloads are bodies of the usual largest size, 256 KiB, each long in
// another way.
func worstPayloads() map[string]map[string]any {
	numbers, texts, objects := make([]any, 100_000), make([]any, 25_000), make([]any, 14_000)
	for i := range numbers {
		numbers[i] = float64(i * 7919 % 10)
	}
	for i := range texts {
		texts[i] = fmt.Sprintf("s%d", i*7919%25_000)
	}
	for i := range objects {
		objects[i] = map[string]any{"a": float64(i % 10), "b": "x"}
	}
	nested := any("x")
	for range 60 {
		nested = []any{nested}
	}
	wide := make([]any, 1500)
	for i := range wide {
		wide[i] = nested
	}
	big, half := strings.Repeat("a", 250_000), strings.Repeat("ab", 60_000)
	return map[string]map[string]any{
		"numbers": {"l": numbers, "k": numbers[:50_000], "s": "0"},
		"texts":   {"l": texts, "k": texts[:12_000], "s": "s9999x"},
		"objects": {"l": objects, "k": objects[:7_000], "s": "x"},
		"nested":  {"l": wide, "k": wide[:700], "s": "x"},
		"text":    {"s": big, "k": []any{big}, "l": []any{big}},
		"pair":    {"s": half, "t": half[1:] + "a", "k": []any{half}, "l": []any{half[1:] + "a"}},
	}
}

// worstExpressions are what was found to take longest before it was metered:
// minutes, some of them.
func worstExpressions() []string {
	long := `# == 1`
	for range 80 {
		long += ` || # == -1`
	}
	sum := `payload.s`
	for range 150 {
		sum += ` + payload.s`
	}
	contains := `payload.s contains "aaaaaaaaaaaaaaaaaaab"`
	for range 140 {
		contains += ` || payload.s contains "aaaaaaaaaaaaaaaaaaab"`
	}
	return []string{
		`any(payload.l, # == 100)`,
		`any(payload.l, any(payload.l, # == 100))`,
		`all(payload.l, all(payload.l, all(payload.l, # != 100)))`,
		`len(filter(payload.l, len(filter(payload.k, # == "zz")) > 3)) > 3`,
		`any(payload.l, not (` + long + `))`,
		`any(1..30000, any(1..30000, # == -1))`,
		`any(payload.l, payload.s contains "aaaaaaaaaaaaab")`, `any(payload.l, payload.s contains payload.t)`,
		`any(payload.l, payload.s matches "ab$")`, `payload.s matches "(a|aa|aaa|aaaa)*c"`, `payload.s matches "(.*)(.*)(.*)(.*)(.*)[^a]x"`,
		`payload.s matches "(a?){500}c"`, `"x" matches payload.s`, `any(payload.l, "x" matches payload.s)`,
		`any(payload.l, # in payload.k)`, `any(payload.l, "zz" in payload.k)`, `payload.k in payload.l`, `any(payload.l, payload.k in payload.l)`,
		`any(payload.l, payload.s == payload.t)`, `any(payload.l, payload.l == payload.k)`, `any(payload.l, payload.s < payload.t)`, `payload == payload`,
		`any(payload.l, payload.s startsWith payload.t)`, `any(payload.l, payload[payload.s] == 1)`,
		sum + ` == "x"`, contains,
		`reduce(payload.l, string(#acc) + string(#), "") == "x"`, `reduce(payload.l, #acc + payload.s, "") == "x"`,
		`any(payload.l, upper(payload.s) == "x")`, `any(payload.l, len(payload.s) == 1)`, `any(payload.l, len(split(payload.s, "")) == 1)`,
		`len(split(payload.s, "")) == 1`, `any(payload.l, trim(payload.s, payload.s) == "x")`, `trim(payload.s, payload.s + "ä") == "x"`,
		`any(payload.l, sort(payload.l)[0] == "x")`, `sort(payload.l)[0] == "x"`, `len(sortBy(payload.l, #)) == 3`, `len(sortBy(payload.l, .a)) == 3`,
		`len(groupBy(payload.l, string(#))) == 100`, `len(groupBy(payload.l, payload.s)) == 100`,
		`any(payload.l, toJSON(payload) == "x")`, `toJSON(payload) == "x"`, `string(payload) == "x"`, `len(fromJSON(toJSON(payload))) == 100`,
		`len(uniq(payload.l)) == 1`, `len(flatten([payload.l, payload.l])) == 1`, `any(payload.l, len(flatten(payload.l)) == 1)`,
		`len(concat(payload.l, payload.l, payload.l)) == 1`, `any(payload.l, len(reverse(payload.l)) == 3)`,
		`len(map(payload.l, payload.l)) == 1`, `len(map(payload.l, [payload.l, payload.l, payload.l])) == 1`,
		`sum(map(payload.l, len(payload.s + payload.s))) == 1`, `max(payload.l) == 100`, `median(payload.l) == 100`, `mean(payload.l) == 100`,
		`join(payload.l, payload.s) == "x"`, `len(join(map(1..30000, payload.s), payload.s)) == 3`, `any(payload.l, join(payload.k, ",") == "x")`,
		`replace(payload.s, "a", "bbbb") == "x"`, `any(payload.l, replace(payload.s, "a", "b") == "x")`, `any(payload.l, replace("aaaaaaaaaa", "a", payload.s) == "x")`,
		`len(toBase64(payload.s)) == 1`, `indexOf(payload.s, "aaaaaaaaaab") == 3`, `any(payload.l, indexOf(payload.s, "aaaaaaaaaab") == 3)`,
		`truncate(payload.s, 3) == "x"`, `initials(payload) == "x"`, `mask(payload) == "x"`, `any(payload.l, mask(payload) == "x")`,
		`any(payload.l, int(payload.s) == 1)`, `any(payload.l, received_at.Format(payload.s) == "x")`, `any(payload.l, date(payload.s) == received_at)`,
		`let x = payload.s + payload.s; let y = x + x; let z = y + y; let w = z + z; let v = w + w; let u = v + v; u + u + u + u == "x"`,
	}
}

// TestNoRuleTakesLong: whatever the rule and whatever the payload, an event has
// its decision within a few milliseconds. The bound here has room for a busy
// machine and the race detector; -v says what it was.
func TestNoRuleTakesLong(t *testing.T) {
	racetest.Sequential(t)
	e := env(t, rules.Source{Name: "s", Preset: "json"})
	slowest, where := time.Duration(0), ""
	for _, when := range worstExpressions() {
		set, problems := rules.Compile(e, []rules.Rule{{Name: "r", When: when}})
		if set == nil {
			t.Errorf("%.60s: %+v", when, problems)
			continue
		}
		for name, payload := range worstPayloads() {
			in := &rules.Input{Source: "s", Payload: payload}
			took := time.Hour
			for range 3 {
				begun := time.Now()
				set.Decide(in)
				if took = min(took, time.Since(begun)); took < 20*time.Millisecond {
					break
				}
			}
			if took > slowest {
				slowest, where = took, fmt.Sprintf("%.70s with %s", when, name)
			}
			if took > 300*time.Millisecond {
				t.Errorf("%v for %.70s with %s", took, when, name)
			}
		}
	}
	t.Logf("the slowest took %v: %s", slowest, where)
}

// TestBudgetsLeaveOrdinaryListsAlone: what people write about lists of the size
// people have is far from any budget.
func TestBudgetsLeaveOrdinaryListsAlone(t *testing.T) {
	checks := make([]any, 200)
	for i := range checks {
		checks[i] = map[string]any{"name": fmt.Sprint("check ", i), "result": "pass", "score": float64(i), "tags": []any{"a", "b"}}
	}
	in := input(map[string]any{"checks": checks, "note": strings.Repeat("All is well with this person. ", 100), "allowed": []any{"a", "b", "c"}})
	e := invitation(t)
	for _, when := range []string{
		`all(payload.checks, .result == "pass")`, `len(filter(payload.checks, .score > 100 && .name contains "1")) > 3`,
		`all(payload.checks, any(.tags, # in payload.allowed))`, `sum(payload.checks, .score) > 10`, `count(payload.checks, .name matches "^check [0-9]+$") == 200`,
		`join(map(payload.checks, upper(.name)), ", ") contains "CHECK 7"`, `sortBy(payload.checks, .score)[0].name == "check 0"`,
		`len(groupBy(payload.checks, .result)) == 1`, `payload.note matches "(?i)well|good|fine"`, `len(split(payload.note, " ")) > 10`,
		`all(payload.checks[:100], all(payload.checks[:100], .score >= 0))`, `len(toJSON(payload)) > 100`, `len(uniq(map(payload.checks, .result))) == 1`,
		`lower(payload.note) contains "person"`, `max(map(payload.checks, .score)) == 199`,
	} {
		if d := whens(t, e, when).Decide(in); d.Verdicts[0] != rules.Match {
			t.Errorf("%s: %v %v", when, d.Verdicts, d.Errors)
		}
	}
}

// TestBudgetOfAnEvaluationIsItsOwn: what one rule has spent, the next has not.
func TestBudgetOfAnEvaluationIsItsOwn(t *testing.T) {
	list := make([]any, 9_000)
	for i := range list {
		list[i] = float64(i)
	}
	const when = `any(payload.list, # == -1)`
	d := whens(t, invitation(t), when, when, when, when, `any(payload.list, any(payload.list, # == -1))`, when).Decide(input(map[string]any{"list": list}))
	if got := verdicts(d); got != "no_match no_match no_match no_match error no_match" {
		t.Error(got, d.Errors)
	}
}
