package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// safe says that an expression has a value for every event: that no event makes
// it fail. It knows the plain cases, where types have been checked and nothing
// can be absent; of all others it says no.
func (u *universe) safe(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return true
	case *ast.IdentifierNode:
		f := u.env.byName[n.Value]
		return f != nil && f.Documented && n.Value != namePayload
	case *ast.UnaryNode:
		return u.safe(n.Node)
	case *ast.ArrayNode:
		return u.allSafe(n.Nodes)
	case *ast.BinaryNode:
		return u.safeOperator(n)
	case *ast.BuiltinNode:
		return slices.Contains([]string{"len", "lower", "upper", "trim", "trimPrefix", "trimSuffix", "abs", "indexOf"}, n.Name) &&
			u.allSafe(n.Arguments)
	case *ast.CallNode:
		return u.safeCall(n)
	}
	return false
}

func (u *universe) allSafe(nodes []ast.Node) bool {
	return !slices.ContainsFunc(nodes, func(n ast.Node) bool { return !u.safe(n) })
}

func (u *universe) safeOperator(n *ast.BinaryNode) bool {
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "contains", "startsWith", "endsWith":
		return u.safe(n.Left) && u.safe(n.Right)
	case "matches", "in":
		switch n.Right.(type) {
		case *ast.StringNode, *ast.ArrayNode:
			return u.safe(n.Left) && u.safe(n.Right)
		}
	}
	return false
}

// safeCall is for the methods of a time: received_at.Hour().
func (u *universe) safeCall(n *ast.CallNode) bool {
	if _, zone := timezoneName(n); zone {
		return true
	}
	m, ok := n.Callee.(*ast.MemberNode)
	return ok && !m.Optional && u.safe(m.Node) && u.allSafe(n.Arguments)
}
