package rules

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

// Limits of one expression. The length bounds the parser's recursion, which
// parentheses drive without making a node; the parts bound everything else.
const (
	maxLength = 32 << 10
	maxNodes  = 1000
)

// program is one compiled expression. It is immutable and shared.
type program struct {
	source  string      // as written: explaining compiles it anew
	origin  position    // where it stands in the text around it
	code    *vm.Program // what runs
	names   []string    // what it reads of the environment
	loops   bool        // it goes through lists, which leaves values in the machine
	work    int         // what may be spent on one evaluation
	metered bool        // it spends anything
	root    ast.Node    // after optimisation, with types
	parsed  ast.Node    // as parsed
}

// position is 1-based, columns in characters; the zero value is unknown.
type position struct{ line, col int }

// within turns a position in an expression into one in the text around it,
// where the expression begins at p.
func (p position) within(line, col int) (int, int) {
	switch {
	case line <= 0:
		return p.line, p.col
	case line == 1:
		return p.line, p.col + col - 1
	default:
		return p.line + line - 1, col
	}
}

// at is the position of a character of an expression.
func at(source string, offset int) (line, col int) {
	line, col = 1, 1
	for _, r := range source {
		if offset <= 0 {
			break
		}
		offset--
		col++
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return line, col
}

// compile compiles one expression that stands at origin. All problems it can
// find are reported at once; the program is nil when one is not a Warning.
func (e *Env) compile(source string, origin position, when bool) (*program, []Problem) {
	p, problems := e.compileHere(source, when)
	for i := range problems {
		problems[i].Line, problems[i].Col = origin.within(problems[i].Line, problems[i].Col)
	}
	if p != nil {
		p.origin = origin
	}
	return p, problems
}

func (e *Env) compileHere(source string, when bool) (*program, []Problem) {
	switch {
	case strings.TrimSpace(source) == "":
		return nil, []Problem{{Line: 1, Col: 1, Message: "the expression is empty"}}
	case len(source) > maxLength:
		return nil, []Problem{{Line: 1, Col: 1, Message: fmt.Sprintf("the expression is longer than %d KiB", maxLength>>10)}}
	case !utf8.ValidString(source):
		return nil, []Problem{{Line: 1, Col: 1, Message: "the expression is not UTF-8"}}
	}
	options := e.inText
	if when {
		options = e.inWhen
	}
	root, err := parse(source, options)
	if err != nil {
		return nil, []Problem{compileProblem(source, nil, err)}
	}
	c := e.check(source, root, when)
	if c.failed {
		return nil, c.problems
	}
	code, err := build(source, options)
	if err != nil {
		return nil, append(c.problems, compileProblem(source, root, err))
	}
	p := &program{source: source, code: code, names: c.names(), root: code.Node(), parsed: root, work: workInTexts}
	if when {
		p.work = workInRules
	}
	p.metered = slices.Contains(code.Constants, any(nameMeter))
	for _, op := range code.Bytecode {
		p.loops = p.loops || op == vm.OpBegin
	}
	if problem, bad := p.checkCalls(); bad {
		return nil, append(c.problems, problem)
	}
	return p, c.problems
}

// errTooLarge also stops what grows out of few nodes: in a chain like a < b < c
// the parser uses one node twice, and nested chains double with every level.
var errTooLarge = errors.New("compilation failed: expression exceeds maximum allowed nodes")

// parse parses without checking types. What the parser may panic with on odd
// input is an error too.
func parse(source string, options []expr.Option) (root ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			root, err = nil, errTooLarge
			if _, ok := r.(tooLarge); !ok {
				err = errors.New("the parser gave up")
			}
		}
	}()
	config := conf.CreateNew()
	for _, option := range options {
		option(config)
	}
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, err
	}
	ast.Walk(&tree.Node, new(counter))
	return tree.Node, nil
}

type (
	counter  int
	tooLarge struct{}
)

// Visit counts the nodes walked; only a panic can end such a walk.
func (c *counter) Visit(*ast.Node) {
	if *c++; *c > 2*maxNodes {
		panic(tooLarge{})
	}
}

func build(source string, options []expr.Option) (p *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, errors.New("the compiler gave up")
		}
	}()
	return buildMetered(source, options)
}

// kind is the type of the program's value; reflect.Invalid when it can be anything.
func (p *program) kind() reflect.Kind {
	t := p.root.Type()
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() == reflect.Interface {
		return reflect.Invalid
	}
	return t.Kind()
}

// typeName is the program's type in our words.
func (p *program) typeName() string {
	if p.root.Nature().Nil {
		return typeWord("nil")
	}
	return typeWord(p.root.Type().String())
}

// compileProblem turns an error of expr into a sentence for the person who
// wrote the expression.
func compileProblem(source string, root ast.Node, err error) Problem {
	p := Problem{Line: 1, Col: 1}
	text := err.Error()
	if fe, ok := errors.AsType[*file.Error](err); ok {
		text = fe.Message
		p.Line, p.Col = at(source, fe.From)
		if strings.HasPrefix(text, "unexpected token EOF") {
			p.Line, p.Col = at(source, utf8.RuneCountInString(strings.TrimRight(source, " \t\r\n")))
		}
	}
	p.Message, p.Hint = compileWords(text)
	if p.Hint == "" && root != nil && strings.HasPrefix(text, "invalid operation: ") {
		p.Hint = quotedNumberHint(source, root, p)
	}
	return p
}
