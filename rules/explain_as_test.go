package rules_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

func TestExplainAsFollowsTheDecisionThatWasMade(t *testing.T) {
	set, problems := rules.Compile(invitation(t), []rules.Rule{
		{Name: "off", When: "attempts == 3", Disabled: true},
		{Name: "named", When: `full_name == "Jon Doe"`},
		{Name: "rest", When: "unmatched"},
		{Name: "last", When: `attempts == 3`, Stop: true},
		{Name: "behind", When: `attempts > 0`},
	})
	if set == nil {
		t.Fatal(problems)
	}
	masked := input(map[string]any{"full_name": "J***"})
	for _, c := range []struct {
		said []rules.Verdict
		want []rules.Verdict
	}{
		{nil, []rules.Verdict{rules.NotEvaluated, rules.NoMatch, rules.Match, rules.Match, rules.NotEvaluated}},
		// For the real name the second rule matched, and so the third did not.
		{
			[]rules.Verdict{rules.NotEvaluated, rules.Match, rules.NoMatch, rules.Match, rules.NotEvaluated},
			[]rules.Verdict{rules.NotEvaluated, rules.NoMatch, rules.NoMatch, rules.Match, rules.NotEvaluated},
		},
		// The fourth did not match, so the fifth was looked at.
		{
			[]rules.Verdict{rules.NotEvaluated, rules.Match, rules.NoMatch, rules.NoMatch, rules.Match},
			[]rules.Verdict{rules.NotEvaluated, rules.NoMatch, rules.NoMatch, rules.Match, rules.Match},
		},
	} {
		var got []rules.Verdict
		for _, e := range set.ExplainAs(masked, c.said) {
			got = append(got, e.Verdict)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("said %v (-want +got):\n%s", c.said, diff)
		}
	}
}

func TestReadsNamesWhatARuleLooksAt(t *testing.T) {
	set := whens(t, invitation(t), `received_at.Hour() > 7`, `full_name != "" && attempts > 1`, `payload.x == event_id`)
	for i, want := range []bool{true, false, true} {
		if got := set.Reads(i, "received_at", "event_id"); got != want {
			t.Errorf("rule %d: %t, want %t", i, got, want)
		}
	}
}
