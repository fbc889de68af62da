// Package rules decides where an event goes and what a message says: boolean
// expressions over an event (rules), and texts with {{ expression }} in them
// (messages), in one language, github.com/expr-lang/expr.
//
// Everything is compiled and type-checked against an Env when the config is
// loaded; what can only fail at run time becomes a verdict or an error that
// quotes no value of the event. It knows nothing of HTTP, storage or targets.
package rules

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/expr-lang/expr/ast"
)

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

// Problem is a mistake in an expression or a text, for the person who wrote it.
type Problem struct {
	Line, Col int // 1-based, columns in characters, in the text that was compiled; 0 when not known
	Message   string
	Hint      string // what would help; may be empty
	Warning   bool   // it may be meant
}

// Set is the compiled rules of a config, in their order. It is immutable and
// safe for concurrent use.
type Set struct {
	env     *Env
	rules   []compiled
	frame   *frame
	targets []string
	asks    bool // some rule asks for `unmatched`
}

type compiled struct {
	Rule
	*program
	to []int // indexes of targets
}

// Compile compiles the rules, disabled ones too. Problems are by rule index;
// the Set is nil when any of them is not a Warning.
func Compile(env *Env, rules []Rule) (*Set, map[int][]Problem) {
	s := &Set{env: env}
	problems := map[int][]Problem{}
	names := map[string]bool{}
	index := map[string]int{}
	failed := false
	for i, r := range rules {
		p, found := env.compile(r.When, position{1, 1}, true)
		if p != nil {
			found = append(found, p.checkBool("rule")...)
		}
		for _, problem := range found {
			problems[i] = append(problems[i], problem)
			failed = failed || !problem.Warning
		}
		if p == nil {
			continue
		}
		c := compiled{Rule: r, program: p}
		for _, target := range r.To {
			if _, ok := index[target]; !ok {
				index[target] = len(s.targets)
				s.targets = append(s.targets, target)
			}
			c.to = append(c.to, index[target])
		}
		if !r.Disabled {
			for _, name := range p.names {
				names[name] = true
			}
		}
		s.rules = append(s.rules, c)
	}
	if failed {
		return nil, problems
	}
	s.asks = names[nameUnmatched]
	s.frame = env.frame(slices.Sorted(maps.Keys(names)))
	return s, problems
}

// checkBool is about the value of a rule, or what else has to be true or false, as a whole.
func (p *program) checkBool(what string) []Problem {
	problem := Problem{Line: 1, Col: 1}
	switch n := p.root.(type) {
	case *ast.BoolNode:
		_, written := p.parsed.(*ast.BoolNode)
		if written && n.Value {
			return nil // the plain way to say "every event"
		}
		problem.Warning = true
		problem.Message = fmt.Sprintf("the %s is always %t", what, n.Value)
		if written && what == "rule" {
			problem.Hint = "enabled: false switches a rule off"
		}
		return []Problem{problem}
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.NilNode, *ast.ConstantNode:
		problem.Message = fmt.Sprintf("the %s must be true or false, but this is always %s", what, p.root.String())
		return []Problem{problem}
	}
	switch kind := p.kind(); {
	case kind == reflect.Bool:
		return nil
	case kind == reflect.Invalid && !p.root.Nature().Nil:
		return nil // known only when an event is there
	}
	problem.Message = fmt.Sprintf("the %s must be true or false, but this is %s", what, p.typeName())
	if p.kind() == reflect.Func {
		problem.Hint = "a function is called with ()"
	}
	return []Problem{problem}
}

// Names are the names of the rules, in order.
func (s *Set) Names() []string {
	names := make([]string, len(s.rules))
	for i := range s.rules {
		names[i] = s.rules[i].Name
	}
	return names
}
