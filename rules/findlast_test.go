package rules_test

import "testing"

// The list's last match is compared, and not what happens to lie on the stack.
func TestLastOfAFilteredListIsComparedAsItIs(t *testing.T) {
	in := input(map[string]any{"checks": []any{
		map[string]any{"name": "liveness", "passed": true},
		map[string]any{"name": "document", "passed": true},
		map[string]any{"name": "id", "passed": false},
	}})
	for _, when := range []string{
		`"document" == last(filter(payload.checks, .passed)).name`,
		`"document" == filter(payload.checks, .passed)[-1].name`,
		`"document" == last(map(filter(payload.checks, .passed), .name))`,
		`"document" == map(filter(payload.checks, .passed), .name)[-1]`,
		`{a: filter(payload.checks, .passed)[-1], b: "document"}.a.name == "document"`,
		`last(filter(payload.checks, .name == "none")) == nil`,
		`"liveness" == filter(payload.checks, .passed)[0].name`,
		`"document" == find(reverse(payload.checks), .passed).name`,
	} {
		if got := verdicts(whens(t, invitation(t), when).Decide(in)); got != "match" {
			t.Errorf("%s: %s", when, got)
		}
	}
}
