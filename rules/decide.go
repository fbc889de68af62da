package rules

// Verdict is what one rule says to one event.
type Verdict uint8

// The verdicts.
const (
	NoMatch      Verdict = iota // evaluated, false
	Match                       // evaluated, true
	Error                       // could not be evaluated
	Shadowed                    // a shadow rule that would have matched
	NotEvaluated                // disabled, or behind a rule with Stop that matched
)

// String is the verdict's word in metrics, logs and the API; "" for not evaluated.
func (v Verdict) String() string {
	return [...]string{"no_match", "match", "error", "shadow", "", "", "", ""}[v&7]
}

// Decision is what all rules say to one event.
type Decision struct {
	Verdicts []Verdict   // by rule index
	Errors   []RuleError // of the rules with verdict Error, in their order
	Targets  []string    // union in order of first mention, no repeats; names as in To
}

// RuleError is a rule that could not be evaluated. Err is an *EvalError: its
// text says where and why, and holds no value of the payload.
type RuleError struct {
	Rule string
	Err  error
}

// Error is the rule and what went wrong.
func (e RuleError) Error() string { return "rule " + e.Rule + ": " + e.Err.Error() }

// Unwrap is Err.
func (e RuleError) Unwrap() error { return e.Err }

// Decide evaluates the rules in their order. It is safe for concurrent use and
// never panics, whatever the payload.
//
// A rule that matches makes `unmatched` false for later ones, and with Stop
// ends the evaluation. A rule that errs, a shadow rule and a disabled one do
// neither.
func (s *Set) Decide(in *Input) Decision {
	d := Decision{Verdicts: make([]Verdict, len(s.rules))}
	m := s.env.acquire()
	defer s.env.release(m)
	s.frame.fill(m.vars, in)
	m.seen = append(m.seen[:0], make([]bool, len(s.targets))...)
	stopped, matched := false, false
	for i := range s.rules {
		r := &s.rules[i]
		if stopped || r.Disabled {
			d.Verdicts[i] = NotEvaluated
			continue
		}
		yes, err := m.decide(r.program)
		switch {
		case err != nil:
			d.Verdicts[i] = Error
			d.Errors = append(d.Errors, RuleError{Rule: r.Name, Err: err})
		case !yes:
		case r.Shadow:
			d.Verdicts[i] = Shadowed
		default:
			d.Verdicts[i] = Match
			stopped = r.Stop
			if s.asks && !matched {
				m.vars[nameUnmatched] = false
			}
			matched = true
			d.Targets = s.add(d.Targets, r, m.seen)
		}
	}
	return d
}

func (m *machine) decide(p *program) (yes bool, err error) {
	v, err := m.run(p)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		// nil too: a flag that is absent is not false, it is not known.
		line, col := p.origin.within(1, 1)
		return false, &EvalError{Line: line, Col: col, Message: "the rule gives " + valueWord(v) + " instead of true or false"}
	}
	return yes, nil
}

func (s *Set) add(targets []string, r *compiled, seen []bool) []string {
	if targets == nil && len(r.to) > 0 {
		targets = make([]string, 0, len(r.to))
	}
	for _, t := range r.to {
		if !seen[t] {
			seen[t] = true
			targets = append(targets, s.targets[t])
		}
	}
	return targets
}
