package cli

import (
	"strings"

	"invitation-relay/relay/config"
	"invitation-relay/rules"
)

// coverage is what tests have made of each rule: that it matched in one, and that
// it did not in another. A rule that is switched off has nothing to show, and one
// that is for every event can do nothing but match.
type coverage struct {
	rules []coveredRule
}

type coveredRule struct {
	name           string
	always         bool // when: true
	matched, fails bool
}

func newCoverage(cfg *config.Config) *coverage {
	c := &coverage{}
	for _, r := range cfg.Rules {
		name := r.Name
		if !r.Enabled {
			name = "" // keeps its place
		}
		c.rules = append(c.rules, coveredRule{name: name, always: strings.TrimSpace(r.When) == "true"})
	}
	return c
}

// add notes what the rules said to one event.
func (c *coverage) add(verdicts []rules.Verdict) {
	for i, v := range verdicts {
		r := &c.rules[i]
		r.matched = r.matched || v == rules.Match || v == rules.Shadowed
		r.fails = r.fails || v == rules.NoMatch
	}
}

// neverMatched are the rules no test made match.
func (c *coverage) neverMatched() []string {
	return c.names(func(r coveredRule) bool { return !r.matched })
}

// alwaysMatched are the rules no test made not match.
func (c *coverage) alwaysMatched() []string {
	return c.names(func(r coveredRule) bool { return !r.fails && !r.always })
}

func (c *coverage) names(missing func(coveredRule) bool) []string {
	var names []string
	for _, r := range c.rules {
		if r.name != "" && missing(r) {
			names = append(names, r.name)
		}
	}
	return names
}

// of is how many of how many things tests have shown: two of each rule, one of a
// rule that is for every event.
func (c *coverage) of() (shown, all int) {
	for _, r := range c.rules {
		if r.name == "" {
			continue
		}
		if all++; r.matched {
			shown++
		}
		if r.always {
			continue
		}
		if all++; r.fails {
			shown++
		}
	}
	return shown, all
}

// percent is rounded down: 100 means all of it.
func (c *coverage) percent() int {
	shown, all := c.of()
	if all == 0 {
		return 100
	}
	return 100 * shown / all
}
