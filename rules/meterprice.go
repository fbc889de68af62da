package rules

import (
	"reflect"
	"regexp/syntax"

	"github.com/expr-lang/expr/ast"
)

// The prices below were measured, and are rather too high than too low: what
// they are for is a bound.

// small is true of types whose values have a size.
func small(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Float64, reflect.Int64, reflect.Struct:
		return true
	default:
		return false
	}
}

// look finds out what a node goes through.
func (m *metering) look(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryNode:
		m.operator(n)
	case *ast.BuiltinNode:
		for i := range n.Arguments {
			if p, ok := builtinPrice(n, i); ok {
				m.add(n, &n.Arguments[i], p)
			}
		}
	case *ast.CallNode:
		if ours(n) {
			return
		}
		for i := range n.Arguments {
			m.add(n, &n.Arguments[i], callPrice(n))
		}
	case *ast.MemberNode:
		m.add(n, &n.Property, price{perByte: 16}) // a key is hashed
	case *ast.PairNode:
		m.add(n, &n.Key, price{perByte: 16})
	}
}

func (m *metering) operator(n *ast.BinaryNode) {
	switch n.Operator {
	case "contains":
		if isFixed(n.Right) {
			m.add(n, &n.Left, price{perByte: 12})
		} else {
			m.add(n, &n.Left, price{perByte: 32})
		}
	case "startsWith", "endsWith":
		if !isFixed(n.Right) {
			m.add(n, &n.Left, price{perByte: 1})
		}
	case "matches":
		m.matches(n)
	case "in":
		m.add(n, &n.Right, price{perByte: 1, perItem: 320})
	case "==", "!=":
		if !isFixed(n.Left) && !isFixed(n.Right) && !small(n.Left.Type()) && !small(n.Right.Type()) {
			m.add(n, &n.Left, price{perByte: 1, perItem: 960, deep: true})
		}
	case "<", "<=", ">", ">=":
		if !isFixed(n.Left) && !isFixed(n.Right) {
			m.add(n, &n.Left, price{perByte: 1})
		}
	case "+":
		m.add(n, &n.Left, price{perByte: 32})
		m.add(n, &n.Right, price{perByte: 32})
	}
}

// matches pays for a text by the size of the pattern's automaton. A pattern that
// comes from the payload is compiled for each event: it must be short.
func (m *metering) matches(n *ast.BinaryNode) {
	size := 1000
	if pattern, ok := n.Right.(*ast.StringNode); ok {
		size = patternSize(pattern.Value)
	} else {
		m.add(n, &n.Right, price{perByte: 16 * 5000})
	}
	m.add(n, &n.Left, price{perByte: 16 * (4 + 4*size)})
}

func patternSize(pattern string) int {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return 0 // the compiler will say so
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(prog.Inst)
}

// builtinPrice is the price of an argument of a function of the language.
func builtinPrice(n *ast.BuiltinNode, i int) (price, bool) {
	first := i == 0
	switch n.Name {
	case "len":
		return price{perByte: 16}, true
	case "int", "float", "duration", "indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "trimPrefix", "trimSuffix", "toBase64", "fromBase64":
		return price{perByte: 32}, true
	case "trim":
		if first {
			return price{perByte: 32}, true
		}
		return price{perByte: 16 * 5000}, true // each end is looked at for each of its characters
	case "upper", "lower":
		return price{perByte: 64}, first
	case "split", "splitAfter":
		return price{perByte: 240}, first
	case "string", "toJSON", "fromJSON":
		return price{perByte: 320, perItem: 6400, deep: true}, true
	case "max", "min", "mean", "sum", "flatten", "concat", "reverse", "groupBy":
		return price{perItem: 640, deep: n.Name != "groupBy"}, n.Name != "groupBy" || first
	case "median":
		return price{perItem: 1600, deep: true}, true
	case "sort", "sortBy":
		return price{perByte: 1, perItem: 4000}, first
	}
	return price{}, false
}

// callPrice is the price of the arguments of our functions and of methods.
func callPrice(n *ast.CallNode) price {
	if id, ok := n.Callee.(*ast.IdentifierNode); ok {
		switch id.Value {
		case "mask", "initials", "truncate", "uniq":
			return price{perByte: 320, perItem: 8000, deep: true}
		case "replace":
			return price{perByte: 192}
		}
	}
	return price{perByte: 32, perItem: 1600}
}
