package rules

import (
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	exprchecker "github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/vm"
)

// The machine has no clock, and one would make a replay decide otherwise than
// the first time. So what grows with the payload is paid for out of a budget, in
// units of about a nanosecond: turns of loops, and what goes through a text or a
// list from end to end. Everything else is bounded by maxNodes.
const (
	workInRules = 3_000_000  // an event waits for them, and is not answered before
	workInTexts = 30_000_000 // a worker of the target makes them
	largestBody = 256 << 10  // the usual max_body
)

// errWork is a budget that is used up.
const errWork = funcError("the texts or lists are too long for this expression")

// Names no expression can have: they come into being after it has been checked.
const (
	nameMeter = "__meter"
	namePay   = "__pay"
	nameTurn  = "__turn"
)

// meter is what is left of a budget.
type meter struct{ left int }

// price is what a value costs to go through, in sixteenths of a unit.
type price struct {
	perByte, perItem int
	deep             bool // all that is in it, at any depth
}

// settings is what expr.Compile makes of its options before it parses. Explain
// must begin from the same, or it would explain another program.
func settings(options []expr.Option) *conf.Config {
	config := conf.CreateNew()
	for _, option := range options {
		option(config)
	}
	for name := range config.Disabled {
		delete(config.Builtins, name)
	}
	config.Check()
	return config
}

// buildMetered is expr.Compile with a step between optimising and compiling.
func buildMetered(source string, options []expr.Option) (*vm.Program, error) {
	config := settings(options)
	tree, err := exprchecker.ParseCheck(source, config)
	if err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, err
	}
	addMeter(&tree.Node, config)
	return compiler.Compile(tree, config)
}

// addMeter makes a tree that is ready to be compiled pay for what it does.
func addMeter(root *ast.Node, config *conf.Config) {
	m := &metering{inLoop: map[ast.Node]bool{}}
	ast.Walk(root, visitor(m.findLoops))
	ast.Walk(root, visitor(m.look))
	m.place()
	config.Functions[namePay] = &builtin.Function{Name: namePay, Func: pay}
	config.Functions[nameTurn] = &builtin.Function{Name: nameTurn, Func: turn}
}

// metering collects what has to be paid for.
type metering struct {
	inLoop map[ast.Node]bool
	sites  []site
}

type site struct {
	slot *ast.Node
	price
	loop bool
}

// findLoops marks what is evaluated for each element of a list, and lets the
// turn that loopBudget has put there be paid for.
func (m *metering) findLoops(n ast.Node) {
	switch n := n.(type) {
	case *ast.PredicateNode:
		ast.Walk(&n.Node, visitor(func(inner ast.Node) { m.inLoop[inner] = true }))
	case *ast.SequenceNode:
		if len(n.Nodes) == 2 && isTurn(n.Nodes[0]) {
			payForTurn(n)
		}
	}
}

// payForTurn puts the price of a loop's body where its turn is counted. Loops
// inside the body pay for themselves.
func payForTurn(s *ast.SequenceNode) {
	nodes, inner := 0, map[ast.Node]bool{}
	ast.Walk(&s.Nodes[1], visitor(func(n ast.Node) {
		if p, ok := n.(*ast.PredicateNode); ok {
			ast.Walk(&p.Node, visitor(func(below ast.Node) { inner[below] = true }))
		}
	}))
	ast.Walk(&s.Nodes[1], visitor(func(n ast.Node) {
		if !inner[n] {
			nodes += weight(n)
		}
	}))
	s.Nodes[0] = call(s.Nodes[0], nameTurn, &ast.IdentifierNode{Value: nameMeter}, &ast.IntegerNode{Value: 60 + 15*nodes})
}

// weight is how long a node takes by itself, in units of a simple one.
func weight(n ast.Node) int {
	switch n := n.(type) {
	case *ast.BinaryNode, *ast.MemberNode:
		return 3
	case *ast.BuiltinNode:
		return 8
	case *ast.CallNode:
		if isName(n.Callee, nameLeave) {
			return -4 // two calls, their names and a number, which only explaining adds
		}
		if isName(n.Callee, nameEnter) {
			return 1
		}
		return 20
	}
	return 1
}

// ours says whether a call is none that somebody has written.
func ours(n *ast.CallNode) bool {
	id, ok := n.Callee.(*ast.IdentifierNode)
	return ok && strings.HasPrefix(id.Value, "__")
}

// call is a call of a function of ours in place of n.
func call(n ast.Node, name string, args ...ast.Node) *ast.CallNode {
	c := &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
	for _, added := range append(args, c, c.Callee) {
		if added != n {
			added.SetLocation(n.Location())
		}
	}
	return c
}

// place puts payments where they are due. What stands in no loop is done once:
// where all of that is within the budget for the largest body there usually is,
// it costs nothing.
func (m *metering) place() {
	once := 0
	for _, s := range m.sites {
		if !s.loop {
			once += largestBody*s.perByte/16 + largestBody/2*s.perItem/16
		}
	}
	for _, s := range m.sites {
		if !s.loop && once <= workInRules {
			continue
		}
		n := *s.slot
		c := call(n, namePay, &ast.IdentifierNode{Value: nameMeter}, &ast.ConstantNode{Value: s.price}, n)
		c.SetNature(*n.Nature())
		*s.slot = c
	}
}

func (m *metering) add(n ast.Node, slot *ast.Node, p price) {
	if isFixed(*slot) || small((*slot).Type()) {
		return
	}
	m.sites = append(m.sites, site{slot: slot, price: p, loop: m.inLoop[n]})
}
