package rules

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// check finds what compiles and is still a mistake, and words mistakes in names
// better than the compiler: all of them at once, with what may be meant.
//
// A rule that names a wrong member or compares with a wrong value would never
// match, and nobody would notice; that is the worst a rule can do.
func (e *Env) check(source string, root ast.Node, when bool) *checker {
	c := &checker{
		env: e, source: source, when: when,
		callees: map[ast.Node]bool{}, variables: map[string]bool{},
		used: map[string]bool{}, seen: map[Problem]bool{},
	}
	ast.Walk(&root, visitor(c.note))
	ast.Walk(&root, visitor(c.look))
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return c
}

type visitor func(ast.Node)

// Visit is ast.Visitor's.
func (v visitor) Visit(n *ast.Node) { v(*n) }

type checker struct {
	env       *Env
	source    string
	when      bool
	callees   map[ast.Node]bool
	variables map[string]bool
	used      map[string]bool
	problems  []Problem
	seen      map[Problem]bool
	failed    bool
}

func (c *checker) names() []string { return slices.Sorted(maps.Keys(c.used)) }

func (c *checker) report(n ast.Node, p Problem) {
	p.Line, p.Col = at(c.source, n.Location().From)
	if !c.seen[p] {
		c.seen[p] = true
		c.problems = append(c.problems, p)
		c.failed = c.failed || !p.Warning
	}
}

// note collects what look needs to know about nodes it will see.
func (c *checker) note(n ast.Node) {
	switch n := n.(type) {
	case *ast.CallNode:
		c.callees[n.Callee] = true
	case *ast.VariableDeclaratorNode:
		c.variables[n.Name] = true
	}
}

func (c *checker) look(n ast.Node) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		c.name(n)
	case *ast.MemberNode:
		if key, ok := n.Property.(*ast.StringNode); ok && isName(n.Node, namePayload) {
			c.member(key)
		}
	case *ast.CallNode:
		c.zone(n)
	case *ast.BuiltinNode:
		if slices.Contains(switchedOff(), n.Name) { // the parser knows some of them all the same
			c.report(n, switchedOffProblem(n.Name))
		}
		if n.Name == "get" && len(n.Arguments) == 2 && isName(n.Arguments[0], namePayload) {
			if key, ok := n.Arguments[1].(*ast.StringNode); ok {
				c.member(key)
			}
		}
	case *ast.BinaryNode:
		c.comparison(n)
	}
}

func isName(n ast.Node, name string) bool {
	id, ok := n.(*ast.IdentifierNode)
	return ok && id.Value == name
}

// name checks a word that stands for a field, a variable or a function.
func (c *checker) name(n *ast.IdentifierNode) {
	name := n.Value
	f, known := c.env.byName[name]
	switch {
	case known && (name != nameUnmatched || c.when):
		c.used[name] = true
		if c.callees[n] {
			c.report(n, Problem{Message: fmt.Sprintf("%q is a field (%s), not a function", name, f.Type)})
		}
	case known:
		c.report(n, Problem{Message: `"unmatched" can be used only in a rule's "when"`})
	case c.variables[name]:
	case slices.Contains(switchedOff(), name):
		c.report(n, switchedOffProblem(name))
	case slices.Contains(functionNames(), name):
		if !c.callees[n] {
			c.report(n, Problem{Message: fmt.Sprintf("%q is a function", name), Hint: fmt.Sprintf("write %s(…)", name)})
		}
	case c.callees[n]:
		c.report(n, Problem{
			Message: fmt.Sprintf("unknown function %q", name),
			Hint:    didYouMean(name, functionNames()),
		})
	default:
		c.report(n, c.unknown(name))
	}
}

func (c *checker) unknown(name string) Problem {
	p := Problem{Message: fmt.Sprintf("unknown name %q", name)}
	candidates := append(slices.Collect(maps.Keys(c.env.byName)), slices.Collect(maps.Keys(c.variables))...)
	candidates = slices.DeleteFunc(candidates, func(s string) bool { return s == nameUnmatched && !c.when })
	lower := strings.ToLower(name)
	switch {
	case name == "$env":
		p.Hint = "payload is the whole object received"
	case lower == "null" || lower == "none" || lower == "undefined":
		p.Hint = "an absent value is written nil"
	case lower == "true" || lower == "false" || lower == "nil":
		p.Hint = "write " + lower
	default:
		p.Hint = didYouMean(name, candidates)
	}
	if p.Hint == "" && validName(name) {
		p.Hint = "a member of the payload that is not declared is written payload." + name
	}
	return p
}

func switchedOffProblem(name string) Problem {
	p := Problem{Message: name + "() is not available"}
	switch name {
	case "now":
		p.Hint = "received_at is when the event came in: a replay must decide the same"
	case "repeat":
		p.Hint = "its result could be of any size"
	case "findLast":
		p.Hint = "write last(filter(list, condition)) or find(reverse(list), condition)"
	case "findLastIndex":
		p.Hint = "write findIndex(reverse(list), condition), which counts from the end"
	default:
		p.Hint = "its order changes from run to run"
	}
	return p
}

// member checks payload.x. Anything may be in a payload, so only what is nearly
// a field is suspicious; where a source may really have both, it is a warning.
func (c *checker) member(key *ast.StringNode) {
	name := key.Value
	if _, known := c.env.byName[name]; known {
		return
	}
	for _, candidate := range slices.Sorted(maps.Keys(c.env.shared)) {
		if edits(name, candidate, 2) > min(2, slips(candidate)) {
			continue
		}
		c.report(key, Problem{
			Message: fmt.Sprintf("unknown member %q of payload", name),
			Hint:    fmt.Sprintf("did you mean %q? A member that is really called %q can be declared in the source's fields", candidate, name),
			Warning: !c.env.shared[candidate],
		})
		return
	}
}
