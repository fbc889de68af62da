package rules

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Budgets of one evaluation, and of what a machine keeps between two. What takes
// time is paid for out of another: see meter.
const (
	memoryBudget = 100_000 // elements of lists, ranges and objects made
	keptStack    = 256
)

// loopBudget puts a step before the body of every loop, where a turn is paid for
// in the end. Until then it is a range of one element, which has no effect.
type loopBudget struct{}

// Visit changes the bodies of any(), all(), filter() and the like.
func (loopBudget) Visit(n *ast.Node) {
	p, ok := (*n).(*ast.PredicateNode)
	if !ok {
		return
	}
	turn := &ast.BinaryNode{Operator: "..", Left: &ast.IntegerNode{}, Right: &ast.IntegerNode{}}
	body := &ast.SequenceNode{Nodes: []ast.Node{turn, p.Node}}
	turn.SetLocation(p.Location())
	body.SetLocation(p.Node.Location())
	p.Node = body
}

// machine is what an evaluation needs and another can use again: the variables
// an expression reads, and expr's virtual machine. Between two uses it holds no
// value of an event, so that nobody's name outlives the event in a pool.
type machine struct {
	vars  map[string]any
	vm    vm.VM
	meter meter
	loops bool   // the vm has gone through lists since it was clean
	seen  []bool // scratch of Decide
}

func newMachine() *machine {
	return &machine{vars: map[string]any{}, vm: vm.VM{MemoryBudget: memoryBudget}}
}

func (e *Env) acquire() *machine { return e.machines.Get().(*machine) }

func (e *Env) release(m *machine) {
	m.forget()
	e.machines.Put(m)
}

// forget removes every value. vm.VM itself clears only what the next run would
// trip over.
func (m *machine) forget() {
	clear(m.vars)
	stack := m.vm.Stack[:cap(m.vm.Stack)]
	if cap(stack) > keptStack {
		stack = nil
	}
	clear(stack)
	clear(m.vm.Variables)
	if m.loops {
		// The scopes of loops are out of our reach: take a new vm around the old stack.
		m.vm = vm.VM{MemoryBudget: memoryBudget, Variables: m.vm.Variables}
		m.loops = false
	}
	m.vm.Stack = stack[:0]
}

// frame is the part of the environment that some expressions read: filling in
// only that is most of what makes a decision cheap.
type frame struct {
	bySource map[string][]slot
	other    []slot // for a source that is not in the config (any more)
}

// slot fills one variable.
type slot struct {
	name    string
	from    origin
	absent  any // its value when the payload has none
	integer bool
}

type origin uint8

const (
	fromPayload origin = iota
	fromNowhere        // not a field of this source
	fromSource
	fromTime
	fromID
	wholePayload
	fromDecision // unmatched
)

func (e *Env) frame(names []string) *frame {
	f := &frame{bySource: make(map[string][]slot, len(e.sources))}
	for source, fields := range e.sources {
		for _, name := range names {
			own, has := fields[name]
			s := e.slot(name, own.Documented, has)
			if name == nameSource {
				s.from, s.absent = fromNowhere, source // the same for each event: boxed once
			}
			f.bySource[source] = append(f.bySource[source], s)
		}
	}
	for _, name := range names {
		f.other = append(f.other, e.slot(name, e.byName[name].Documented, true))
	}
	return f
}

func (e *Env) slot(name string, documented, has bool) slot {
	field := e.byName[name]
	s := slot{name: name, integer: field.Type == Integer}
	switch name {
	case namePayload:
		s.from = wholePayload
	case nameSource:
		s.from = fromSource
	case nameReceivedAt:
		s.from = fromTime
	case nameEventID:
		s.from = fromID
	case nameUnmatched:
		s.from = fromDecision
	default:
		if !has {
			// What a payload of this source has under the name is something
			// else; it is reached through payload.
			s.from, documented = fromNowhere, field.Documented
		}
		if documented {
			s.absent = field.Type.zero()
		}
	}
	return s
}

func (f *frame) fill(vars map[string]any, in *Input) {
	slots, ok := f.bySource[in.Source]
	if !ok {
		slots = f.other
	}
	for i := range slots {
		s := &slots[i]
		switch s.from {
		case fromPayload:
			v := in.Payload[s.name]
			if v == nil {
				v = s.absent
			} else if s.integer {
				if n, ok := v.(float64); ok {
					if whole, ok := wholeNumber(n); ok {
						v = whole
					}
				}
			}
			vars[s.name] = v
		case fromNowhere:
			vars[s.name] = s.absent
		case fromSource:
			vars[s.name] = in.Source
		case fromTime:
			vars[s.name] = in.ReceivedAt.UTC()
		case fromID:
			vars[s.name] = in.EventID
		case wholePayload:
			vars[s.name] = in.Payload
		case fromDecision:
			vars[s.name] = true
		}
	}
}

// errGaveUp is a panic that expr did not turn into an error.
var errGaveUp = errors.New("the machine gave up")

// run evaluates p. It does not panic, and its error quotes no value.
func (m *machine) run(p *program) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, p.failure(errGaveUp)
		}
	}()
	m.loops = m.loops || p.loops
	if p.metered {
		m.meter.left = p.work
		m.vars[nameMeter] = &m.meter
	}
	v, err = m.vm.Run(p.code, m.vars)
	if err != nil {
		return nil, p.failure(err)
	}
	return v, nil
}

// EvalError is an expression that could not be evaluated for one event. It
// holds nothing of the event, so that it may be logged and stored.
type EvalError struct {
	Line, Col int // in the expression or the text; 0 unknown
	Message   string
}

func (e *EvalError) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%d:%d: %s", e.Line, e.Col, e.Message)
}

func (p *program) failure(err error) *EvalError {
	e := &EvalError{Line: p.origin.line, Col: p.origin.col, Message: runWords(err)}
	if fe, ok := errors.AsType[*file.Error](err); ok {
		line, col := at(p.source, fe.From)
		e.Line, e.Col = p.origin.within(line, col)
		if fe.Prev == nil {
			e.Message = runWords(errors.New(fe.Message))
		} else {
			e.Message = runWords(fe.Prev)
		}
	}
	return e
}

// timeMethods are what can be asked of a time.
func timeMethods() []string {
	t := reflect.TypeFor[time.Time]()
	names := make([]string, t.NumMethod())
	for i := range names {
		names[i] = t.Method(i).Name
	}
	return names
}
