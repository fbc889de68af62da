package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// truth is the value of an expression for some events: with a run-time error it
// is neither true nor false, and ends whatever asked for it.
type truth uint8

const (
	no truth = iota
	yes
	fails
	free // not decided
)

// clause is an expression as far as it is made of && || not ?: and constants,
// which the analysis understands; the rest are atoms.
type clause struct {
	op    clauseOp
	kids  []*clause
	atom  int   // opAtom
	value truth // opConst
}

type clauseOp uint8

const (
	opConst clauseOp = iota
	opAtom
	opUnmatched
	opNot
	opAnd
	opOr
	opIf
)

// clause takes an expression apart.
func (u *universe) clause(n ast.Node) *clause {
	switch n := n.(type) {
	case *ast.BoolNode:
		if n.Value {
			return &clause{op: opConst, value: yes}
		}
		return &clause{op: opConst, value: no}
	case *ast.IdentifierNode:
		if n.Value == nameUnmatched {
			return &clause{op: opUnmatched}
		}
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			return &clause{op: opNot, kids: []*clause{u.clause(n.Node)}}
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			return &clause{op: opAnd, kids: []*clause{u.clause(n.Left), u.clause(n.Right)}}
		case "or", "||":
			return &clause{op: opOr, kids: []*clause{u.clause(n.Left), u.clause(n.Right)}}
		}
	case *ast.ConditionalNode:
		return &clause{op: opIf, kids: []*clause{u.clause(n.Cond), u.clause(n.Exp1), u.clause(n.Exp2)}}
	}
	return &clause{op: opAtom, atom: u.atom(n)}
}

// walk calls f for each atom.
func (c *clause) walk(f func(atom int)) {
	if c.op == opAtom {
		f(c.atom)
	}
	for _, kid := range c.kids {
		kid.walk(f)
	}
}

// asks says whether the expression names `unmatched`, if only inside an atom.
func (u *universe) asks(c *clause) bool {
	if c.op == opUnmatched || c.op == opAtom && u.atoms[c.atom].unmatched {
		return true
	}
	return slices.ContainsFunc(c.kids, u.asks)
}

// eval evaluates as the machine does, from left to right and no further than
// needed. known is false when it needs an atom that is not decided: s.need.
func (s *state) eval(c *clause) (t truth, known bool) {
	switch c.op {
	case opConst:
		return c.value, true
	case opAtom:
		return s.ask(c.atom)
	case opUnmatched:
		if s.unmatched != free {
			return s.unmatched, true
		}
		return s.ask(atomUnmatched)
	default: // made of others
	}
	if t, known = s.eval(c.kids[0]); !known || t == fails {
		return t, known
	}
	switch c.op {
	case opNot:
		return yes - t, true
	case opAnd:
		if t == no {
			return no, true
		}
		return s.eval(c.kids[1])
	case opOr:
		if t == yes {
			return yes, true
		}
		return s.eval(c.kids[1])
	default:
		if t == yes {
			return s.eval(c.kids[1])
		}
		return s.eval(c.kids[2])
	}
}
