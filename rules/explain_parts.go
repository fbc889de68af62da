package rules

import (
	"strconv"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// outline makes the tree of parts of a parsed expression, before the compiler
// changes it. A node that is no part itself is left out, and its parts stand in
// its place.
type outline struct {
	root  ast.Node
	parts map[ast.Node]*Part
	order []ast.Node        // of parts, the outer ones first
	known map[ast.Node]bool // every node, part or not
}

func newOutline(root ast.Node) *outline {
	o := &outline{root: root, parts: map[ast.Node]*Part{}, known: map[ast.Node]bool{}}
	ast.Walk(&root, visitor(func(n ast.Node) { o.known[n] = true }))
	return o
}

// add returns the parts that stand for n: itself, or those below it.
func (o *outline) add(n ast.Node, loop bool) []*Part {
	if p := o.parts[n]; p != nil {
		return []*Part{p} // in a chain like 1 < x < 5 a node stands in two places
	}
	if isFixed(n) {
		return nil
	}
	p := &Part{Text: partText(n), Loop: loop}
	o.parts[n] = p
	o.order = append(o.order, n)
	for _, c := range operands(n) {
		p.Parts = append(p.Parts, o.add(*c.slot, loop || c.loop)...)
	}
	return []*Part{p}
}

// operand is a place in a node where a part of it stands.
type operand struct {
	slot *ast.Node
	loop bool // evaluated for each element of a list
}

// operands are the places in n whose values explain n's, in the order of their
// evaluation. They are values wherever they stand: what cannot be wrapped in a
// call without a change of meaning (a callee, a link of a ?. chain, the base of a
// plain path like payload.a.b) is none.
func operands(n ast.Node) []operand {
	var out []operand
	add := func(slots ...*ast.Node) {
		for _, s := range slots {
			if *s == nil {
				continue
			}
			switch v := (*s).(type) {
			case *ast.PredicateNode:
				out = append(out, operand{body(&v.Node), true})
			default:
				out = append(out, operand{s, false})
			}
		}
	}
	switch n := n.(type) {
	case *ast.UnaryNode:
		add(&n.Node)
	case *ast.BinaryNode:
		add(&n.Left, &n.Right)
	case *ast.ConditionalNode:
		add(&n.Cond, &n.Exp1, &n.Exp2)
	case *ast.BuiltinNode:
		for i := range n.Arguments {
			add(&n.Arguments[i])
		}
		if n.Map != nil { // the optimiser has put map() into filter()
			out = append(out, operand{body(&n.Map), true})
		}
	case *ast.CallNode:
		if method, ok := n.Callee.(*ast.MemberNode); ok {
			if _, field := method.Node.(*ast.IdentifierNode); field {
				add(&method.Node) // received_at.Hour()
			}
			addBase(add, &method.Node)
		}
		for i := range n.Arguments {
			add(&n.Arguments[i])
		}
	case *ast.MemberNode:
		addBase(add, &n.Node)
		add(&n.Property)
	case *ast.SliceNode:
		add(&n.Node, &n.To, &n.From)
	case *ast.VariableDeclaratorNode:
		add(&n.Value, &n.Expr)
	case *ast.SequenceNode:
		for i := range n.Nodes {
			if i == len(n.Nodes)-1 || !isTurn(n.Nodes[i]) {
				add(&n.Nodes[i])
			}
		}
	case *ast.ArrayNode:
		for i := range n.Nodes {
			add(&n.Nodes[i])
		}
	case *ast.MapNode:
		for _, pair := range n.Pairs {
			if p, ok := pair.(*ast.PairNode); ok {
				add(&p.Key, &p.Value)
			}
		}
	}
	return out
}

// addBase adds what a member is taken from, unless it is only a step of a path
// and would repeat the whole payload; of a step, what it is taken from in turn.
func addBase(add func(...*ast.Node), base *ast.Node) {
	switch b := (*base).(type) {
	case *ast.IdentifierNode, *ast.PointerNode:
	case *ast.MemberNode:
		addBase(add, &b.Node)
		add(&b.Property)
	default:
		add(base)
	}
}

// body is where the expression of a predicate stands; loopBudget has put a step
// before it.
func body(slot *ast.Node) *ast.Node {
	if s, ok := (*slot).(*ast.SequenceNode); ok && len(s.Nodes) == 2 && isTurn(s.Nodes[0]) {
		return &s.Nodes[1]
	}
	return slot
}

// isTurn recognises what loopBudget adds.
func isTurn(n ast.Node) bool {
	r, ok := n.(*ast.BinaryNode)
	return ok && r.Operator == ".." && isFixed(n)
}

// isFixed reports whether n is the same for every event.
func isFixed(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.BytesNode, *ast.ConstantNode:
		return true
	case *ast.UnaryNode, *ast.BinaryNode, *ast.ArrayNode, *ast.MapNode:
		for _, c := range operands(n) {
			if !isFixed(*c.slot) {
				return false
			}
		}
		return true
	case *ast.CallNode:
		_, zone := timezoneName(n)
		return zone
	}
	return false
}

// partText is a node on one line.
func partText(n ast.Node) string {
	return strings.Map(func(r rune) rune {
		if isBreak(r) {
			return ' '
		}
		return r
	}, n.String())
}

// plainly is a value as JSON has it, for people to read; what JSON has no form
// for becomes a word.
func plainly(v any) any {
	switch v := v.(type) {
	case float64:
		if _, err := numberText(v); err != nil {
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	out, err := toJSON(v, Plain)
	if err != nil {
		return "(" + valueWord(v) + ")"
	}
	return out
}
