package rules_test

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/rules"
)

// TestReviewOfHardRulesEnds: what is hard to decide is given up, and soon.
func TestReviewOfHardRulesEnds(t *testing.T) {
	e := invitation(t)
	sets := map[string][]rules.Rule{}
	add := func(name, when string, stop bool) {
		sets[name] = append(sets[name], rules.Rule{Name: fmt.Sprint("r", len(sets[name])), When: when, To: []string{"a"}, Stop: stop})
	}
	for i := range 1000 {
		add("thresholds", fmt.Sprintf(`attempts > %d && region == "r%d"`, i, i), true)
		add("regions", fmt.Sprintf(`region == "r%d"`, i), false)
	}
	wide := `transaction_status == "REJECTED"`
	for i := range 45 {
		wide += fmt.Sprintf(` && (payload.a%d == "x" || payload.b%d contains "y" || payload.c%d > 3)`, i, i, i)
	}
	for i := range 20 {
		add("wide", fmt.Sprintf("attempts == %d && %s", i, wide), i%2 == 0)
	}
	parity := `vip`
	for i := range 40 { // as many combinations as there can be, and no shorter way through them
		parity = fmt.Sprintf(`((%s) ? payload.p%d != "x" : payload.p%d == "x")`, parity, i, i)
	}
	add("parity", parity, false)
	add("parity", "not ("+parity+")", false)
	for name := range sets {
		add(name, "unmatched", false)
	}
	must, _ := rules.CompileMust(e, []string{`transaction_status == "REJECTED"`, `region == "r7" && full_name contains "x"`})
	for name, list := range sets {
		set, problems := rules.Compile(e, list)
		if set == nil {
			t.Fatalf("%s: %+v", name, problems)
		}
		begun := time.Now()
		n := len(set.Review(must))
		took := time.Since(begun)
		t.Logf("%s: %d findings in %v", name, n, took)
		if took > 20*time.Second { // hundreds of times what it takes
			t.Errorf("%s took %v", name, took)
		}
	}
}
