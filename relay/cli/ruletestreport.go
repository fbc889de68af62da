package cli

import (
	"fmt"
	"slices"
	"strings"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/rules"
)

// tested writes a report for a person: mistakes in the files, what failed and
// why, then the sum and what no test has shown.
func (p *page) tested(r *testReport, cfg *config.Config, verbose bool) {
	for _, problem := range r.problems {
		p.line("%s", problem)
	}
	for _, t := range r.results {
		switch {
		case !t.passed():
			p.failed(t, cfg)
		case verbose:
			p.line("%s %s%s", p.paint(green, "ok  "), visible(t.Name), p.summary(t, cfg))
		}
	}
	passed, failed := r.counts()
	p.line("%d passed, %d failed", passed, failed)
	p.covered(r)
}

// summary is what a test that passed has shown.
func (p *page) summary(t *testResult, cfg *config.Config) string {
	if t.outcome.Event == nil {
		return p.paint(faint, fmt.Sprintf("  (refused with %d: %s)", t.outcome.Status, t.outcome.Reason))
	}
	var matched []string
	for i, v := range t.outcome.Decision.Verdicts {
		if v == rules.Match {
			matched = append(matched, cfg.Rules[i].Name)
		}
	}
	say := func(list []string) string {
		if len(list) == 0 {
			return "none"
		}
		return strings.Join(list, ", ")
	}
	return p.paint(faint, fmt.Sprintf("  (rules %s → targets %s)", say(matched), say(t.outcome.Decision.Targets)))
}

func (p *page) failed(t *testResult, cfg *config.Config) {
	p.line("%s %s", p.paint(red, "FAIL"), visible(t.Name))
	p.indent = "     "
	defer func() { p.indent = "" }()
	if t.mistaken {
		p.line("%s:%d has a mistake, and was not run", t.file, t.line)
		return
	}
	p.line("%s:%d", t.file, t.line)
	for _, m := range t.missed {
		p.missed(m)
	}
	for _, e := range t.explained() {
		i := slices.IndexFunc(cfg.Rules, func(r config.Rule) bool { return r.Name == e.Rule })
		p.rule(e, &cfg.Rules[i])
	}
	p.line("")
}

func (p *page) missed(m miss) {
	what := m.what
	if len(m.diff) > 0 {
		what += p.paint(faint, "  (- expected, + got)")
	}
	p.line("%s", what)
	if m.said != "" {
		p.block(m.said)
	}
	for _, line := range m.diff {
		p.line("  %s", p.paint(diffColour(line), line))
	}
	if m.shown != "" {
		p.line("  its text:")
		p.indent += "  "
		p.block(m.shown)
		p.indent = strings.TrimSuffix(p.indent, "  ")
	}
}

func diffColour(line string) string {
	switch line[0] {
	case '-':
		return red
	case '+':
		return green
	}
	return ""
}

// explained are the rules that surprised, in their order.
func (r *testResult) explained() []rules.Explanation {
	if len(r.surprise) == 0 || r.outcome == nil {
		return nil
	}
	return slices.DeleteFunc(r.outcome.Explain(), func(e rules.Explanation) bool {
		return !slices.Contains(r.surprise, e.Rule)
	})
}

func (p *page) covered(r *testReport) {
	if names := r.coverage.neverMatched(); len(names) > 0 {
		p.line("rules no test made match: %s", strings.Join(names, ", "))
	}
	if names := r.coverage.alwaysMatched(); len(names) > 0 {
		p.line("rules no test made not match: %s", strings.Join(names, ", "))
	}
	shown, all := r.coverage.of()
	line := fmt.Sprintf("coverage %d%% (%d of %d)", r.coverage.percent(), shown, all)
	if !r.covered() {
		line = p.paint(red, fmt.Sprintf("%s, less than the %d%% asked for", line, r.least))
	}
	p.line("%s", line)
}

type testReportJSON struct {
	Passed   int          `json:"passed"`
	Failed   int          `json:"failed"`
	Problems []finding    `json:"problems"`
	Tests    []testJSON   `json:"tests"`
	Coverage coverageJSON `json:"coverage"`
}

type testJSON struct {
	Name     string                `json:"name"`
	File     string                `json:"file"`
	Line     int                   `json:"line"`
	Passed   bool                  `json:"passed"`
	Status   int                   `json:"status,omitempty"`
	Targets  []string              `json:"targets"`
	Failures []missJSON            `json:"failures,omitempty"`
	Rules    []relay.ExplainedRule `json:"explained,omitempty"` // those that surprised
}

type missJSON struct {
	What string   `json:"what"`
	Said string   `json:"message,omitempty"`
	Diff []string `json:"diff,omitempty"`
	Text string   `json:"text,omitempty"`
}

type coverageJSON struct {
	Percent       int      `json:"percent"`
	Least         int      `json:"min_percent"`
	NeverMatched  []string `json:"never_matched"`
	AlwaysMatched []string `json:"always_matched"`
}

func (r *testReport) json(cfg *config.Config) testReportJSON {
	out := testReportJSON{
		Problems: findings(r.problems), Tests: make([]testJSON, 0, len(r.results)),
		Coverage: coverageJSON{r.coverage.percent(), r.least, orEmpty(r.coverage.neverMatched()), orEmpty(r.coverage.alwaysMatched())},
	}
	out.Passed, out.Failed = r.counts()
	for _, t := range r.results {
		j := testJSON{Name: t.Name, File: t.file, Line: t.line, Passed: t.passed(), Targets: []string{}}
		if t.outcome != nil {
			j.Status, j.Targets = t.outcome.Status, orEmpty(t.outcome.Decision.Targets)
		}
		for _, m := range t.missed {
			j.Failures = append(j.Failures, missJSON{m.what, m.said, m.diff, m.shown})
		}
		for _, e := range t.explained() {
			i := slices.IndexFunc(cfg.Rules, func(r config.Rule) bool { return r.Name == e.Rule })
			j.Rules = append(j.Rules, relay.NewExplainedRule(e, cfg.Rules[i].When, cfg.Rules[i].To))
		}
		out.Tests = append(out.Tests, j)
	}
	return out
}
