package rules

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
	"unicode"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/types"
)

// Source is one source of events, as far as its fields go.
type Source struct {
	Name, Preset string
	Fields       map[string]Type // declared in the config: any, string, integer, number, bool
}

// Env is what expressions may name, and the types of it: the union of all
// sources' fields. It is immutable and safe for concurrent use.
//
// Every rule sees events of every source, so a name has one type everywhere:
//
//   - Documented by all sources that have the field: its type, and its type's
//     zero value when it is absent, null, or not a field of the event's source.
//   - Documented by one source and only mentioned by another, or declared in
//     `fields:`: that type is checked at load too, but the value may be nil. It
//     is absent per source: "" where it is documented, nil where it is not.
//   - Mentioned only: any value, nil when absent.
//
// A declared type sharpens a field the preset merely mentions. Two different
// types for one name are a mistake.
type Env struct {
	fields   []Field
	byName   map[string]*Field
	shared   map[string]bool // fields that all sources have: what payload.x must mean
	sources  map[string]map[string]Field
	inWhen   []expr.Option // for rules: with `unmatched`
	inText   []expr.Option // for everything else
	machines *sync.Pool    // *machine
}

// NewEnv makes the union of the sources' fields. Its error joins all mistakes;
// one name with two types names both sources. The Env is there even then, so
// that mistakes in rules and texts can be found in the same run.
func NewEnv(sources ...Source) (*Env, error) {
	e := &Env{
		byName:   map[string]*Field{},
		shared:   map[string]bool{},
		sources:  map[string]map[string]Field{},
		machines: &sync.Pool{New: func() any { return newMachine() }},
	}
	u := union{fields: map[string]*unionField{}}
	for _, s := range sources {
		e.sources[s.Name] = u.add(s)
	}
	for _, name := range slices.Sorted(maps.Keys(u.fields)) {
		f := u.fields[name].Field
		if u.fields[name].open {
			f.Known = nil
		}
		e.fields = append(e.fields, f)
		e.shared[name] = u.fields[name].sources == len(sources)
	}
	e.fields = append(e.fields, builtinFields()...)
	slices.SortFunc(e.fields, byName)
	for i := range e.fields {
		f := &e.fields[i]
		if e.byName[f.Name] = f; f.Name == nameSource {
			f.Known = slices.Sorted(maps.Keys(e.sources)) // so that a misspelt one is found
		}
	}
	e.inWhen, e.inText = e.options(true), e.options(false)
	return e, errors.Join(u.mistakes...)
}

// Fields are all names an expression may use, sorted: for documentation and
// completion.
func (e *Env) Fields() []Field {
	out := slices.Clone(e.fields)
	for i := range out {
		out[i].Known = slices.Clone(out[i].Known)
	}
	return out
}

func byName(a, b Field) int { return cmp.Compare(a.Name, b.Name) }

// union collects the fields of all sources.
type union struct {
	fields   map[string]*unionField
	mistakes []error
}

type unionField struct {
	Field
	from    string // the source that gave the type
	untyped bool   // only mentioned so far
	open    bool   // some source declares it without known values
	sources int    // how many have it
}

func (u *union) wrong(format string, args ...any) {
	u.mistakes = append(u.mistakes, fmt.Errorf(format, args...))
}

// add merges one source and returns the fields it has itself.
func (u *union) add(s Source) map[string]Field {
	own := map[string]Field{}
	declared := map[string]bool{}
	preset, ok := PresetFields(s.Preset)
	if !ok {
		u.wrong("source %q: unknown preset %q", s.Name, s.Preset)
	}
	for _, f := range preset {
		own[f.Name] = f
	}
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		typ := s.Fields[name]
		f, known := own[name]
		switch {
		case typ > Bool:
			u.wrong("source %q: field %q: the type must be any, string, integer, number or bool", s.Name, name)
		case !validName(name):
			u.wrong("source %q: field %q cannot be a name in expressions: read it as payload[%q]", s.Name, name, name)
		case reserved(name):
			u.wrong("source %q: field %q: the name is taken", s.Name, name)
		case f.Documented && f.Type != typ:
			u.wrong("source %q: field %q is declared %s, but is %s in preset %s", s.Name, name, typ, f.Type, s.Preset)
		default:
			if !known {
				f.Doc = "declared in the config"
			}
			f.Name, f.Type = name, typ
			own[name], declared[name] = f, true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		u.merge(s.Name, own[name], declared[name])
	}
	return own
}

func (u *union) merge(source string, f Field, declared bool) {
	untyped := !f.Documented && !declared
	had := u.fields[f.Name]
	if had == nil {
		u.fields[f.Name] = &unionField{
			Field: f, from: source, untyped: untyped, open: declared && len(f.Known) == 0, sources: 1,
		}
		return
	}
	had.sources++
	if !had.untyped && !untyped && had.Type != f.Type {
		u.wrong("field %q is %s in source %q, but %s in source %q", f.Name, had.Type, had.from, f.Type, source)
		return
	}
	if had.untyped && !untyped {
		had.Type, had.from, had.untyped = f.Type, source, false
	}
	known := append(slices.Clone(had.Known), f.Known...)
	slices.Sort(known)
	had.Known = slices.Compact(known)
	had.open = had.open || declared && len(f.Known) == 0
	had.Documented = had.Documented && f.Documented
	had.Counter = had.Counter || f.Counter
	had.Personal = had.Personal || f.Personal
	had.Doc = cmp.Or(had.Doc, f.Doc)
}

// validName says whether expr would read the word as one identifier.
func validName(s string) bool {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return s != ""
}

func reserved(name string) bool {
	switch name {
	case namePayload, nameSource, nameReceivedAt, nameEventID, nameUnmatched,
		"true", "false", "nil", "not", "in", "or", "and", "let", "if", "else",
		"matches", "contains", "startsWith", "endsWith":
		return true
	}
	return false
}

// options are the compiler's. A field that may be nil gets a pointer type:
// expr looks through pointers when it checks types, but compiles comparisons
// that a nil survives, where a plain string would end in a run-time error.
func (e *Env) options(when bool) []expr.Option {
	env, payload := types.Map{}, types.Map{types.Extra: types.Any}
	for _, f := range e.fields {
		if f.Name == nameUnmatched && !when {
			continue
		}
		env[f.Name] = exprType(f.Type, f.Documented)
		if e.shared[f.Name] {
			payload[f.Name] = payloadType(f)
		}
	}
	env[namePayload] = payload
	return append(languageOptions(), expr.Env(env))
}

// exprType is expr's type for a field; always says that it is never nil.
func exprType(t Type, always bool) types.Type {
	switch {
	case t == String && always:
		return types.String
	case t == String:
		return types.TypeOf((*string)(nil))
	case t == Integer && always:
		return types.Int
	case t == Integer:
		return types.TypeOf((*int)(nil))
	case t == Number && always:
		return types.Float64
	case t == Number:
		return types.TypeOf((*float64)(nil))
	case t == Bool && always:
		return types.Bool
	case t == Bool:
		return types.TypeOf((*bool)(nil))
	case t == Time:
		return types.TypeOf(time.Time{})
	default:
		return types.Any
	}
}

// payloadType is the type of payload.x where every source means the same by
// it: as the sender sent it, so it may be absent, and an integer may still be
// the number that JSON has.
func payloadType(f Field) types.Type {
	if f.Type == Integer {
		f.Type = Number
	}
	return exprType(f.Type, false)
}
