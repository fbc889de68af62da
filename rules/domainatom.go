package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// atom is a part of an expression that the analysis does not take apart: a
// comparison, or anything else with a value. Atoms that read the same are one.
type atom struct {
	text      string
	vars      []int // what it depends on, by index
	whole     bool  // it reads the payload as a whole
	unmatched bool  // it names `unmatched`
	source    bool  // it names `source`
	exact     bool  // it says the same of all values that a stand-in stands for
	safe      bool  // it cannot fail
	plain     *plainAtom
	program   *program // compiled when it is first needed
	broken    bool     // it does not compile by itself
	tables    map[string]*table
}

// plainAtom is x OP literal. Where x is a field or a member of the payload it
// needs no compiling.
type plainAtom struct {
	name  string // of the field or member
	field bool   // read as field, else as payload.field
	odd   bool   // a member of a member, or x ?? literal: for the machine
	op    string // "" for a field that is a boolean itself
	lit   any
}

// atomUnmatched is the atom that `unmatched` is where nothing says what it is.
const atomUnmatched = 0

// atom finds or makes the atom of an expression.
func (u *universe) atom(n ast.Node) int {
	text := n.String()
	if i, ok := u.byText[text]; ok {
		return i
	}
	a := &atom{text: text, tables: map[string]*table{}}
	a.plain = u.plain(n)
	u.read(a, n)
	a.safe = u.safe(n)
	a.exact = (a.plain != nil || u.member(a, n)) && len(a.vars) == 1 && !a.whole
	u.atoms = append(u.atoms, a)
	if !a.unmatched { // `unmatched` is something else in each rule
		u.byText[text] = len(u.atoms) - 1
	}
	for _, v := range a.vars {
		u.literals(u.vars[v], n)
	}
	return len(u.atoms) - 1
}

// read notes what an expression depends on.
func (u *universe) read(a *atom, root ast.Node) {
	var nodes []ast.Node
	ast.Walk(&root, visitor(func(n ast.Node) { nodes = append(nodes, n) }))
	covered := map[ast.Node]bool{}
	for _, n := range slices.Backward(nodes) { // what stands around a node comes before it
		if path, ok := u.path(n); ok {
			if !covered[n] {
				a.dependOn(u.variable(path))
			}
			cover(covered, n)
			continue
		}
		if id, ok := n.(*ast.IdentifierNode); ok && !covered[n] {
			a.whole = a.whole || id.Value == namePayload
			a.unmatched = a.unmatched || id.Value == nameUnmatched
			a.source = a.source || id.Value == nameSource
		}
	}
}

func (a *atom) dependOn(v int) {
	if !slices.Contains(a.vars, v) {
		a.vars = append(a.vars, v)
	}
}

// cover marks what a path is made of: it is no path of its own.
func cover(covered map[ast.Node]bool, n ast.Node) {
	switch n := n.(type) {
	case *ast.ChainNode:
		covered[n.Node] = true
	case *ast.MemberNode:
		covered[n.Node] = true
	}
}

// path is the way from the payload to what n reads, when it is written out:
// x, x.y, payload.x, payload["x"]?.y. The times and ids that are no part of a
// payload have a way of one step too, which is their name.
func (u *universe) path(n ast.Node) ([]string, bool) {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		switch f, known := u.env.byName[n.Value]; {
		case !known || n.Value == namePayload || n.Value == nameSource || n.Value == nameUnmatched:
			return nil, false
		case f.Name == nameEventID || f.Name == nameReceivedAt:
			return []string{"", f.Name}, true // "" is no key a rule can be about
		}
		return []string{n.Value}, true
	case *ast.ChainNode:
		return u.path(n.Node)
	case *ast.MemberNode:
		key, ok := n.Property.(*ast.StringNode)
		if !ok || key.Value == "" {
			return nil, false
		}
		if isName(n.Node, namePayload) {
			return []string{key.Value}, true
		}
		above, ok := u.path(n.Node)
		if !ok || above[0] == "" {
			return nil, false
		}
		return append(slices.Clip(above), key.Value), true
	}
	return nil, false
}

// plain recognises field OP literal, either way round.
func (u *universe) plain(n ast.Node) *plainAtom {
	if p := u.operand(n); p != nil {
		return p // a boolean field
	}
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		return nil
	}
	mirrored, comparison := map[string]string{"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[b.Operator]
	if !comparison {
		return nil
	}
	op, p := b.Operator, u.operand(b.Left)
	lit, ok := literalOf(b.Right)
	if p == nil || !ok {
		op, p = mirrored, u.operand(b.Right)
		if lit, ok = literalOf(b.Left); p == nil || !ok {
			return nil
		}
	}
	if _, number := numberOf(lit); !number && op != "==" && op != "!=" {
		return nil // the order of texts has no end of values in between
	}
	p.op, p.lit = op, lit
	return p
}

// operand is a field, or field ?? literal.
func (u *universe) operand(n ast.Node) *plainAtom {
	if b, ok := n.(*ast.BinaryNode); ok && b.Operator == "??" {
		p := u.operand(b.Left)
		if _, ok := literalOf(b.Right); p == nil || !ok {
			return nil
		}
		p.odd = true
		return p
	}
	path, ok := u.path(n)
	if !ok || path[0] == "" {
		return nil
	}
	_, field := n.(*ast.IdentifierNode)
	return &plainAtom{name: path[0], field: field, odd: len(path) > 1}
}

// member recognises field in [literals], where all values that are none of them
// are alike, and field in 1..9.
func (u *universe) member(a *atom, n ast.Node) bool {
	b, ok := n.(*ast.BinaryNode)
	if !ok || b.Operator != "in" || u.operand(b.Left) == nil {
		return false
	}
	switch list := b.Right.(type) {
	case *ast.ArrayNode:
		return !slices.ContainsFunc(list.Nodes, func(e ast.Node) bool { _, ok := literalOf(e); return !ok })
	case *ast.BinaryNode:
		_, lo := list.Left.(*ast.IntegerNode)
		_, hi := list.Right.(*ast.IntegerNode)
		return list.Operator == ".." && lo && hi && len(a.vars) == 1 && u.vars[a.vars[0]].integer
	}
	return false
}

// literalOf is the value of a literal.
func literalOf(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.NilNode:
		return nil, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode:
		return n.Value, true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.UnaryNode:
		if v, ok := literalOf(n.Node); ok && n.Operator == "-" {
			if f, number := numberOf(v); number {
				return -f, true
			}
		}
	}
	return nil, false
}

func numberOf(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}
