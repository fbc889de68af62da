package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"invitation-relay/relay"
	"invitation-relay/rules"
)

// testResult is what became of one test.
type testResult struct {
	*ruleTest
	file     string
	line     int
	outcome  *relay.Outcome // nil when it could not be run
	missed   []miss
	surprise []string // rules whose verdict was not expected, to be explained
}

func (r *testResult) passed() bool { return len(r.missed) == 0 }

// miss is one expectation that did not hold.
type miss struct {
	what  string   // "rules", "message to risk-slack"
	said  string   // what is wrong, when a diff does not say it
	diff  []string // lines with "- ", "+ " or "  "
	shown string   // the text that was looked at
}

// check runs a test. An error is about the machine, not the test.
func (t *ruleTest) check(ctx context.Context, d *dry) (*testResult, error) {
	r := &testResult{ruleTest: t, line: t.doc.Line(t.at)}
	if t.mistaken {
		r.miss(miss{what: "test", said: "it has a mistake, and was not run"})
		return r, nil
	}
	s := d.source(t.Source, t.body.iv != "")
	if s == nil {
		r.miss(miss{what: "test", said: "the config has no source"})
		return r, nil
	}
	hook, _, err := t.body.sent(s, t.Plain, t.when)
	if err != nil {
		return nil, err
	}
	if r.outcome, err = d.Run(ctx, hook); err != nil {
		return nil, err
	}
	if !r.checkStatus() {
		return r, nil
	}
	matched, shadowed, failed := r.verdicts(d)
	e := &t.Expect
	r.checkRules("rules", t.has("expect.rules"), e.Rules, matched)
	r.checkRules("shadow", t.has("expect.shadow"), e.Shadow, shadowed)
	r.checkRules("errors", r.outcome.Event != nil, e.Errors, failed)
	if t.has("expect.targets") {
		r.checkTargets(d)
	}
	r.checkMessages(d)
	return r, nil
}

func (r *testResult) miss(m miss) { r.missed = append(r.missed, m) }

// checkStatus reports whether the webhook was answered as expected.
func (r *testResult) checkStatus() bool {
	want := cmp.Or(r.Expect.Status, 202)
	if r.outcome.Status == want {
		return true
	}
	m := miss{what: "status", diff: []string{fmt.Sprintf("- %d", want), fmt.Sprintf("+ %d", r.outcome.Status)}}
	if r.outcome.Reason != "" {
		m.said = r.outcome.Reason
	}
	r.miss(m)
	return false
}

// verdicts are the rules that matched, that would have, and that failed.
func (r *testResult) verdicts(d *dry) (matched, shadowed, failed []string) {
	for i, v := range r.outcome.Decision.Verdicts {
		name := d.cfg.Rules[i].Name
		switch v {
		case rules.Match:
			matched = append(matched, name)
		case rules.Shadowed:
			shadowed = append(shadowed, name)
		case rules.Error:
			failed = append(failed, name)
		case rules.NoMatch, rules.NotEvaluated:
		}
	}
	return matched, shadowed, failed
}

func (r *testResult) checkRules(what string, asked bool, want, got []string) {
	if !asked || slices.Equal(want, got) {
		return
	}
	r.miss(miss{what: what, diff: diffLines(want, got)})
	r.surprising(want, got)
}

// surprising notes the rules that are in one list only.
func (r *testResult) surprising(want, got []string) {
	for _, name := range slices.Concat(want, got) {
		if slices.Contains(want, name) != slices.Contains(got, name) && !slices.Contains(r.surprise, name) {
			r.surprise = append(r.surprise, name)
		}
	}
}

// checkTargets compares sets; of a target that is missing or too much, the rules
// that send to it are the surprise.
func (r *testResult) checkTargets(d *dry) {
	var want, got []string
	for _, t := range d.cfg.TargetsInOrder() {
		if slices.Contains(r.Expect.Targets, t.Name) {
			want = append(want, t.Name)
		}
		if slices.Contains(r.outcome.Decision.Targets, t.Name) {
			got = append(got, t.Name)
		}
	}
	if slices.Equal(want, got) {
		return
	}
	r.miss(miss{what: "targets", diff: diffLines(want, got)})
	if len(r.surprise) > 0 {
		return // what explains the rules explains the targets
	}
	for i, rule := range d.cfg.Rules {
		matched := r.outcome.Event != nil && r.outcome.Decision.Verdicts[i] == rules.Match
		for _, to := range rule.To {
			missing := slices.Contains(want, to) && !slices.Contains(got, to)
			extra := !slices.Contains(want, to) && slices.Contains(got, to) && matched
			if (missing || extra) && !slices.Contains(r.surprise, rule.Name) {
				r.surprise = append(r.surprise, rule.Name)
			}
		}
	}
}

// checkMessages looks at every message the event causes: one that cannot be made
// is a dead letter, whether or not somebody expects something of it.
func (r *testResult) checkMessages(d *dry) {
	sent := map[string]bool{}
	for _, m := range r.outcome.Messages() {
		first := !sent[m.Target]
		sent[m.Target] = true
		if m.Err != nil {
			if first {
				r.miss(miss{what: "message to " + m.Target, said: "it cannot be made: " + m.Err.Error()})
			}
			continue
		}
		if e := r.Expect.Messages[m.Target]; e != nil && first { // of several recipients, each gets the same words
			r.checkMessage(e, &m)
		}
	}
	for _, t := range d.cfg.TargetsInOrder() {
		if r.Expect.Messages[t.Name] != nil && !sent[t.Name] && !slices.Contains(r.Expect.Targets, t.Name) { // else said already
			r.miss(miss{what: "message to " + t.Name, said: "there is none: the event does not go there"})
			if len(r.surprise) == 0 {
				r.surprising(rulesTo(d, t.Name), nil)
			}
		}
	}
}

func rulesTo(d *dry, target string) []string {
	var names []string
	for _, rule := range d.cfg.Rules {
		if slices.Contains(rule.To, target) {
			names = append(names, rule.Name)
		}
	}
	return names
}

func (r *testResult) checkMessage(e *messageExpectation, m *relay.Message) {
	what := "message to " + m.Target
	all := allTexts(m)
	var said []string
	for _, text := range e.contains {
		if !strings.Contains(all, text) {
			said = append(said, fmt.Sprintf("it does not contain %q", text))
		}
	}
	for _, text := range e.lacks {
		if strings.Contains(all, text) {
			said = append(said, fmt.Sprintf("it contains %q", text))
		}
	}
	for _, re := range e.matches {
		if !re.MatchString(all) {
			said = append(said, fmt.Sprintf("it does not match %q", re))
		}
	}
	if len(said) > 0 {
		r.miss(miss{what: what, said: strings.Join(said, "\n"), shown: all})
	}
	if e.Equals != nil {
		r.checkEquals(what, e.Equals, m)
	}
	if r.has("expect.messages."+m.Target+".subject") && e.Subject != m.Subject {
		r.miss(miss{what: what + ", subject", diff: diffTexts(e.Subject, m.Subject)})
	}
}

func (r *testResult) checkEquals(what string, want any, m *relay.Message) {
	if text, ok := want.(string); ok {
		if got := mainText(m); got != text {
			r.miss(miss{what: what, diff: diffTexts(text, got)})
		}
		return
	}
	var got any
	if err := json.Unmarshal([]byte(m.Body), &got); err != nil {
		r.miss(miss{what: what, said: "it is no JSON", shown: m.Body})
		return
	}
	if want = throughJSON(want); !reflect.DeepEqual(want, got) {
		r.miss(miss{what: what, diff: diffTexts(indented(want), indented(got))})
	}
}

// throughJSON is a value as it reads back from JSON: every number a float64.
func throughJSON(v any) (out any) {
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	if err != nil {
		return v
	}
	return out
}

func indented(v any) string {
	var b bytes.Buffer
	if err := writeJSON(&b, v); err != nil {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}
