package rules

import "github.com/expr-lang/expr/ast"

// Must is the compiled must_route of a config: expressions, each of which says
// of an event that it has to reach a target. It is immutable and safe for
// concurrent use.
type Must struct {
	env     *Env
	entries []*program
	frame   *frame
}

// CompileMust compiles the entries. They are boolean, and cannot ask for
// `unmatched`. Problems are by index; the Must is nil when any of them is not a
// Warning.
func CompileMust(env *Env, entries []string) (*Must, map[int][]Problem) {
	m := &Must{env: env}
	problems := map[int][]Problem{}
	var names []string
	failed := false
	for i, entry := range entries {
		p, found := env.compile(entry, position{1, 1}, false)
		if p != nil {
			found = append(found, p.checkBool("expression")...)
			names = append(names, p.names...)
		}
		for _, problem := range found {
			problems[i] = append(problems[i], problem)
			failed = failed || !problem.Warning
		}
		m.entries = append(m.entries, p)
	}
	if failed {
		return nil, problems
	}
	m.frame = env.frame(distinct(names))
	return m, problems
}

// Len is how many entries there are; a nil Must has none.
func (m *Must) Len() int {
	if m == nil {
		return 0
	}
	return len(m.entries)
}

// Evaluate asks each entry about an event. By index: Match, NoMatch or Error,
// and why it was Error, which quotes no value of the event.
func (m *Must) Evaluate(in *Input) ([]Verdict, []error) {
	verdicts, errs := make([]Verdict, len(m.entries)), make([]error, len(m.entries))
	machine := m.env.acquire()
	defer m.env.release(machine)
	m.frame.fill(machine.vars, in)
	for i, p := range m.entries {
		switch isTrue, err := machine.decide(p); {
		case err != nil:
			verdicts[i], errs[i] = Error, err
		case isTrue:
			verdicts[i] = Match
		}
	}
	return verdicts, errs
}

// constant says that the optimiser has found a fixed value.
func (p *program) constant() bool {
	_, is := p.root.(*ast.BoolNode)
	return is
}
