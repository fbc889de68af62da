package rules

import (
	"errors"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	exprchecker "github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Names no expression can have: they are declared after the expression has been
// checked.
const (
	nameEnter = "__enter"
	nameLeave = "__leave"
)

// tracer compiles an expression as expr.Compile does, and in the tree that would
// be compiled next, after types are known and everything is optimised, puts two
// calls around each part:
//
//	x   becomes   __leave(__enter(id), x)
//
// with the type of x. So what runs is the program Decide runs, to the choice of
// each instruction, plus the calls: one evaluation gives the value of every part,
// shows what was skipped, and the part entered last and not left is the one that
// failed.
type tracer struct {
	*outline
	calls map[ast.Node]bool // of ours
	dead  map[file.Location][]ast.Node
	ids   map[*Part]int
	noted []*Part       // by id
	last  map[*Part]any // of parts in no loop
	open  []*Part       // entered, not left
}

// trace evaluates p once more, with notes. vars are not changed.
func (e *Env) trace(p *program, vars map[string]any) (whole *Part, yes bool, err error) {
	t := &tracer{calls: map[ast.Node]bool{}, dead: map[file.Location][]ast.Node{}, ids: map[*Part]int{}, last: map[*Part]any{}}
	code, err := t.compile(p.source, e.inWhen)
	if err != nil {
		return nil, false, &EvalError{Message: "its parts cannot be shown"}
	}
	traced := *p
	traced.code = code
	m := &machine{vars: vars, vm: vm.VM{MemoryBudget: memoryBudget}}
	yes, err = m.decide(&traced)
	return t.finish(p, yes, err), yes, err
}

// compile is expr.Compile with a step of ours in it.
func (t *tracer) compile(source string, options []expr.Option) (code *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			code, err = nil, errors.New("the compiler gave up")
		}
	}()
	config := settings(options)
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, err
	}
	t.outline = newOutline(tree.Node)
	t.add(tree.Node, false)
	if _, err := new(exprchecker.Checker).PatchAndCheck(tree, config); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, err
	}
	t.instrument(&tree.Node)
	config.Functions[nameEnter] = &builtin.Function{Name: nameEnter, Func: t.enter}
	config.Functions[nameLeave] = &builtin.Function{Name: nameLeave, Func: t.leave}
	addMeter(&tree.Node, config)
	return compiler.Compile(tree, config)
}

// instrument puts the calls around every part that is left of the expression.
func (t *tracer) instrument(root *ast.Node) {
	alive := map[ast.Node]bool{}
	t.see(*root, alive)
	for _, n := range t.order {
		if !alive[n] {
			t.dead[n.Location()] = append(t.dead[n.Location()], n)
		}
	}
	t.wrap(root)
}

// see collects n and what stands below it.
func (t *tracer) see(n ast.Node, alive map[ast.Node]bool) {
	alive[n] = true
	for _, c := range operands(n) {
		t.see(*c.slot, alive)
	}
}

// wrap puts the calls around the part at slot and those below it.
func (t *tracer) wrap(slot *ast.Node) {
	n := *slot
	if t.calls[n] {
		return // the node stands in two places
	}
	for _, c := range operands(n) {
		t.wrap(c.slot)
	}
	part := t.partOf(n)
	if part == nil {
		return
	}
	id, ok := t.ids[part]
	if !ok {
		id = len(t.noted)
		t.ids[part] = id
		t.noted = append(t.noted, part)
	}
	number := &ast.IntegerNode{Value: id}
	enter := &ast.CallNode{Callee: &ast.IdentifierNode{Value: nameEnter}, Arguments: []ast.Node{number}}
	leave := &ast.CallNode{Callee: &ast.IdentifierNode{Value: nameLeave}, Arguments: []ast.Node{enter, n}}
	for _, added := range []ast.Node{number, enter, leave} {
		added.SetLocation(n.Location())
		t.calls[added] = true
	}
	leave.SetNature(*n.Nature())
	*slot = leave
}

// partOf is the part a node of the optimised tree computes: its own, or, of a
// node that the compiler has made, the outermost at the same place that is gone.
func (t *tracer) partOf(n ast.Node) *Part {
	if t.known[n] {
		return t.parts[n]
	}
	if _, steps := n.(*ast.SequenceNode); steps {
		return nil // loopBudget's
	}
	here := n.Location()
	if gone := t.dead[here]; len(gone) > 0 && here != (file.Location{}) {
		t.dead[here] = gone[1:]
		t.parts[n] = t.parts[gone[0]]
		t.known[n] = true
		return t.parts[n]
	}
	return nil
}

func (t *tracer) enter(args ...any) (any, error) {
	id, _ := args[0].(int)
	t.open = append(t.open, t.noted[id])
	return id, nil
}

func (t *tracer) leave(args ...any) (any, error) {
	id, _ := args[0].(int)
	p := t.noted[id]
	t.open = t.open[:len(t.open)-1]
	p.Times++
	switch {
	case !p.Loop:
		t.last[p] = args[1]
	case len(p.Values) < KeptValues:
		p.Values = append(p.Values, plainly(args[1]))
	}
	return args[1], nil
}

// finish makes the tree of parts ready to be shown.
func (t *tracer) finish(p *program, yes bool, err error) *Part {
	for part, v := range t.last {
		part.Values = []any{plainly(v)}
	}
	failed, _ := errors.AsType[*EvalError](err)
	if failed != nil && len(t.open) > 0 {
		t.open[len(t.open)-1].Err = failed.Message
	}
	whole := &Part{Text: partText(p.parsed)}
	if tops := t.tidy(t.add(t.root, false)); len(tops) == 1 && tops[0] == t.parts[t.root] {
		whole = tops[0]
	} else {
		whole.Parts = tops
	}
	whole.end(yes, failed)
	return whole
}

// tidy leaves out parts the compiler has left nothing of; what it has kept of
// those below stands in their place.
func (t *tracer) tidy(parts []*Part) []*Part {
	var out []*Part
	for _, p := range parts {
		below := t.tidy(p.Parts)
		if _, traced := t.ids[p]; !traced {
			out = append(out, below...)
			continue
		}
		p.Parts = below
		out = append(out, p)
	}
	return out
}
