// Package rules decides where an event goes and what a message says: boolean
// expressions over an event (rules), and texts with {{ expression }} in them
// (messages), in one language, github.com/expr-lang/expr.
//
// Everything is compiled and type-checked against an Env when the config is
// loaded; what can only fail at run time becomes a verdict or an error that
// quotes no value of the event. It knows nothing of HTTP, storage or targets.
package rules

import "time"

// Input is one event as expressions see it. Nobody changes it.
type Input struct {
	EventID    string
	Source     string
	ReceivedAt time.Time
	Payload    map[string]any // top-level members: string, int, float64, bool, nil, map[string]any, []any
}

// Rule sends the events it matches to targets.
type Rule struct {
	Name     string
	When     string   // a boolean expression
	To       []string // names of targets
	Stop     bool     // when it matches, later rules are not looked at
	Disabled bool     // compiled, never evaluated
	Shadow   bool     // evaluated and recorded; changes nothing else
}

// Set is the compiled rules of a config, in their order. It is immutable and
// safe for concurrent use.
type Set struct{ names []string }

// Compile compiles the rules, disabled ones too. Problems are by rule index;
// the Set is nil when any of them is not a Warning.
func Compile(env *Env, rules []Rule) (*Set, map[int][]Problem) {
	return &Set{}, nil
}

// Names are the names of the rules, in order.
func (s *Set) Names() []string { return s.names }

// Verdict is what one rule says to one event.
type Verdict uint8

const (
	NoMatch      Verdict = iota // evaluated, false
	Match                       // evaluated, true
	Error                       // could not be evaluated
	Shadowed                    // a shadow rule that would have matched
	NotEvaluated                // disabled, or behind a rule with Stop
)

// String is the verdict's word in metrics, logs and the API; "" for not evaluated.
func (v Verdict) String() string {
	return [...]string{"no_match", "match", "error", "shadow", ""}[v%5]
}

// Decision is what all rules say to one event.
type Decision struct {
	Verdicts []Verdict // by rule index
	Errors   []RuleError
	Targets  []string // union in order of first mention, no repeats
}

// RuleError is a rule that could not be evaluated. Its text holds no value of the payload.
type RuleError struct {
	Rule string
	Err  error
}

// Decide evaluates all rules. It never panics, whatever the payload.
func (s *Set) Decide(in *Input) Decision { return Decision{} }
