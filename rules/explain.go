package rules

import "slices"

// Explanation is what one rule says to one event, and why: the value of every
// part of its expression. It holds values of the event. It is for the eyes of
// the person who asked, and never for a log.
type Explanation struct {
	Rule    string
	Verdict Verdict
	Why     string     // with NotEvaluated: what kept it from being looked at; else why parts are missing, "" when none are
	Err     *EvalError // with Error: where and why, without any value
	Whole   *Part      // the expression with the values of its parts; nil with NotEvaluated
}

// Part is a piece of an expression with what it was for one event. Pieces that
// are the same for every event (a text in quotes, a list of numbers) are no parts.
type Part struct {
	Text   string // as the language writes it, on one line
	Times  int    // how often it was evaluated; 0: short-circuited, or behind what failed
	Loop   bool   // it stands in any(), filter() and the like: a value for each element
	Values []any  // as JSON has them; one, or with Loop at most the first KeptValues
	Err    string // why its evaluation failed, in words without a value; "" when it did not
	Parts  []*Part
}

// KeptValues is how many values of a Part in a loop are kept.
const KeptValues = 8

// Explain evaluates the rules as Decide does, and notes the value of every part
// on the way. The verdicts are Decide's for the same event. It is safe for
// concurrent use, and slow: every rule is compiled anew.
func (s *Set) Explain(in *Input) []Explanation { return s.explainAll(in, nil) }

// ExplainAs is Explain for an event that was decided before: each rule is
// evaluated as if those before it had said what said has for them, by index,
// whatever they say now. So one rule that decides otherwise today (another
// release, values taken out of the event) changes nothing of the next one's
// explanation. The verdicts returned are those of now.
func (s *Set) ExplainAs(in *Input, said []Verdict) []Explanation { return s.explainAll(in, said) }

func (s *Set) explainAll(in *Input, said []Verdict) []Explanation {
	out := make([]Explanation, len(s.rules))
	m := s.env.acquire()
	defer s.env.release(m)
	s.frame.fill(m.vars, in)
	stopped, matched := "", false
	for i := range s.rules {
		r, e := &s.rules[i], &out[i]
		e.Rule = r.Name
		switch {
		case r.Disabled:
			e.Verdict, e.Why = NotEvaluated, "it is switched off (enabled: false)"
			continue
		case stopped != "":
			e.Verdict, e.Why = NotEvaluated, "rule "+stopped+" has matched before it, with stop: true"
			continue
		}
		s.explain(m, r, e)
		verdict := e.Verdict
		if i < len(said) {
			verdict = said[i]
		}
		if verdict != Match {
			continue
		}
		if r.Stop {
			stopped = r.Name
		}
		if s.asks && !matched {
			m.vars[nameUnmatched] = false
		}
		matched = true
	}
	return out
}

// Reads reports whether the rule with this index reads one of the names.
func (s *Set) Reads(rule int, names ...string) bool {
	return slices.ContainsFunc(s.rules[rule].names, func(n string) bool { return slices.Contains(names, n) })
}

// explain fills in e for a rule that is evaluated. The verdict comes from the
// very program Decide runs; a second run, of the same program with notes taken,
// shows the parts. Should the two ever differ, the parts are left out: a wrong
// explanation is worse than none.
func (s *Set) explain(m *machine, r *compiled, e *Explanation) {
	yes, err := m.decide(r.program)
	e.Verdict, e.Err = verdict(r, yes, err)
	whole, again, errAgain := s.env.trace(r.program, m.vars)
	if v, failed := verdict(r, again, errAgain); v != e.Verdict || e.Err != nil && *failed != *e.Err {
		whole, e.Why = &Part{Text: partText(r.parsed)}, "its parts cannot be shown"
		whole.end(yes, e.Err)
	}
	e.Whole = whole
}

func verdict(r *compiled, yes bool, err error) (Verdict, *EvalError) {
	switch {
	case err != nil:
		failed, ok := err.(*EvalError) //nolint:errorlint // decide returns this type
		if !ok {
			failed = &EvalError{Message: err.Error()}
		}
		return Error, failed
	case !yes:
		return NoMatch, nil
	case r.Shadow:
		return Shadowed, nil
	default:
		return Match, nil
	}
}

// end notes how the evaluation of a whole expression ended, unless that is
// noted already.
func (p *Part) end(v any, failed *EvalError) {
	switch {
	case failed != nil && !p.Failed():
		p.Err = failed.Message
	case failed == nil && p.Times == 0:
		p.Times, p.Values = 1, []any{plainly(v)}
	}
}

// Failed reports whether the part, or one below it, could not be evaluated.
func (p *Part) Failed() bool {
	return p.Err != "" || slices.ContainsFunc(p.Parts, (*Part).Failed)
}
