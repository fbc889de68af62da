package rules

import (
	"maps"
	"slices"
	"strings"
)

// Text is a compiled text with {{ expression }} in it. It is immutable and
// safe for concurrent use.
type Text struct {
	env    *Env
	pieces []piece
	frame  *frame // nil when there is no expression
	size   int    // bytes of literal text
}

type piece struct {
	literal string
	*program
	esc Escape
}

// CompileText compiles a text whose values are escaped with esc, for the place
// where they land. Everything outside {{ }} is kept as it is; the two braces
// themselves are written {{ "{{" }}.
//
// A value that may be a mistake (one the vendor has not documented) is no
// Problem here: the Text is nil exactly when the Problem is not.
func CompileText(env *Env, text string, esc Escape) (*Text, *Problem) {
	parts, problem := scan(text)
	if problem != nil {
		return nil, problem
	}
	return env.text(parts, func(int) Escape { return esc })
}

// text compiles the parts of a text; the escape is chosen by a part's index.
func (e *Env) text(parts []part, esc func(int) Escape) (*Text, *Problem) {
	t := &Text{env: e}
	names := map[string]bool{}
	for i, part := range parts {
		if !part.expression {
			t.pieces = append(t.pieces, piece{literal: part.text})
			t.size += len(part.text)
			continue
		}
		p, problem := e.value(part.text, part.start)
		if problem != nil {
			return nil, problem
		}
		for _, name := range p.names {
			names[name] = true
		}
		t.pieces = append(t.pieces, piece{program: p, esc: esc(i)})
		t.frame = &frame{} // for now: there are expressions
	}
	if t.frame != nil {
		t.frame = e.frame(slices.Sorted(maps.Keys(names)))
	}
	return t, nil
}

// value compiles an expression outside rules: of any type that has a text.
func (e *Env) value(source string, start position) (*program, *Problem) {
	p, problems := e.compile(source, start, false)
	for _, problem := range problems {
		if !problem.Warning {
			return nil, &problem
		}
	}
	if strings.HasPrefix(p.root.Type().String(), "func(") {
		problem := Problem{Message: "this is a function, not its value", Hint: "a function is called with ()"}
		problem.Line, problem.Col = start.within(at(source, p.root.Location().From))
		return nil, &problem
	}
	return p, nil
}

// Render fills the text in. Its error says where and why, and quotes no value
// of the event; a nil value is an empty text, not an error.
func (t *Text) Render(in *Input) (string, error) {
	if t.frame == nil {
		return t.literal(), nil
	}
	m := t.env.acquire()
	defer t.env.release(m)
	t.frame.fill(m.vars, in)
	return t.render(m)
}

func (t *Text) literal() string {
	if len(t.pieces) == 0 {
		return ""
	}
	return t.pieces[0].literal // scan never makes two in a row
}

func (t *Text) render(m *machine) (string, error) {
	var b strings.Builder
	b.Grow(t.size + 32*len(t.pieces))
	for i := range t.pieces {
		p := &t.pieces[i]
		if p.program == nil {
			b.WriteString(p.literal)
			continue
		}
		v, err := m.run(p.program)
		if err != nil {
			return "", err
		}
		s, err := toText(v)
		if err != nil {
			return "", p.failure(err)
		}
		b.WriteString(p.esc(s))
	}
	return b.String(), nil
}

// Value is a compiled expression of any type. It is immutable and safe for
// concurrent use.
type Value struct{ text *Text }

// CompileValue compiles one expression, without {{ }}. The Value is nil exactly
// when the Problem is not.
func CompileValue(env *Env, expression string) (*Value, *Problem) {
	t, problem := env.text([]part{{text: expression, expression: true, start: position{1, 1}}}, func(int) Escape { return Plain })
	if problem != nil {
		return nil, problem
	}
	return &Value{t}, nil
}

// Eval is the expression's value for an event. It may be a part of the payload:
// nobody changes it. Its error quotes no value of the event.
func (v *Value) Eval(in *Input) (any, error) {
	m := v.text.env.acquire()
	defer v.text.env.release(m)
	v.text.frame.fill(m.vars, in)
	return m.run(v.text.pieces[0].program)
}

// Text is Eval's value as a text reads it: what a key for deduplication,
// order or threads is made of.
func (v *Value) Text(in *Input) (string, error) { return v.text.Render(in) }
