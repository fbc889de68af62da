package rules

import "github.com/expr-lang/expr/ast"

// noFindLast keeps the compiler away from loops that run backwards: in
// github.com/expr-lang/expr v1.17.8 they leave a value on the machine's stack
// (its issue 950, mended after that release), so that "a" == findLast(…) compares
// the wrong two values, without an error. findLast() and findLastIndex() are
// switched off; this is about last(filter(…)) and filter(…)[-1], which the
// compiler would turn into them. A slice of the whole list in between, which
// costs nothing, is not what it looks for.
type noFindLast struct{}

// Visit puts the slice there.
func (noFindLast) Visit(n *ast.Node) {
	switch n := (*n).(type) {
	case *ast.MemberNode:
		if _, plain := n.Property.(*ast.IntegerNode); !plain {
			wholeList(&n.Node)
		}
	case *ast.BuiltinNode:
		if n.Name == "last" && len(n.Arguments) == 1 {
			wholeList(&n.Arguments[0])
		}
	}
}

// wholeList replaces a list that filter() or map() makes by all of it.
func wholeList(slot *ast.Node) {
	if list, ok := (*slot).(*ast.BuiltinNode); ok && (list.Name == "filter" || list.Name == "map") {
		ast.Patch(slot, &ast.SliceNode{Node: list})
	}
}
