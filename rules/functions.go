package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // one binary, also where the system has no time zones: timezone("Europe/Berlin") must not depend on it
	"unicode"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
)

// function is a function of ours, or one of the language that works otherwise
// here. The README's table is made of these.
type function struct {
	name  string
	call  string // with its arguments, as its users read it
	gives string // the type of its value
	doc   string
	do    func(...any) (any, error)
	types []any
}

// ownFunctions are few: the language has upper, lower, trim, split, len, any,
// all, filter, map, round and many more. mask, initials and truncate take any
// value, and nil as "".
func ownFunctions() []function {
	return []function{
		{
			"date", "date(x), date(x, layout)", "time",
			"a time in UTC: of epoch milliseconds, of an RFC 3339 or YYYY-MM-DD text, or of a text in a layout as Go writes it (`02.01.2006`)",
			dateFunc,
			[]any{new(func(any) time.Time), new(func(any, string) time.Time)},
		},
		{
			"initials", "initials(x)", "string", "the first letter of each word: `J. D.`",
			initialsFunc,
			[]any{new(func(any) string)},
		},
		{
			"join", "join(list, glue)", "string", "as in the language; fails when the result could pass 1 MiB",
			joinFunc,
			[]any{strings.Join, new(func([]any, string) string), new(func([]any) string), new(func([]string) string)},
		},
		{
			"mask", "mask(x)", "string", "the first character and `***`; of a text of one or two characters only the latter",
			maskFunc,
			[]any{new(func(any) string)},
		},
		{
			"replace", "replace(x, old, new)", "string", "as in the language; fails when the result could pass 1 MiB",
			replaceFunc,
			[]any{new(func(string, string, string) string), new(func(string, string, string, int) string)},
		},
		{
			"timezone", `timezone("…")`, "time zone", "by its IANA name: `received_at.In(timezone(\"Europe/Berlin\"))`",
			timezoneFunc,
			[]any{new(func(string) *time.Location)},
		},
		{
			"truncate", "truncate(x, n)", "string", "at most n characters, the last of them `…` when something was cut",
			truncateFunc,
			[]any{new(func(any, int) string)},
		},
		{
			"uniq", "uniq(list)", "list", "as in the language, of at most 1,000 elements",
			uniqFunc,
			[]any{new(func([]any) []any)},
		},
	}
}

func languageOptions() []expr.Option {
	opts := []expr.Option{
		expr.MaxNodes(maxNodes), expr.Patch(fixedTimezone{}), expr.Patch(loopBudget{}), expr.Patch(noFindLast{}),
	}
	for _, f := range ownFunctions() {
		opts = append(opts, expr.Function(f.name, f.do, f.types...))
	}
	for _, name := range switchedOff() {
		opts = append(opts, expr.DisableBuiltin(name))
	}
	return opts
}

// switchedOff are functions of the language that cannot be called: now, since a
// replay must decide the same; keys, values, toPairs and fromPairs, since their
// order changes from run to run; repeat, since a number in a payload could ask
// for any amount of memory; findLast and findLastIndex, which compute wrong
// values (see noFindLast).
func switchedOff() []string {
	return []string{"now", "keys", "values", "toPairs", "fromPairs", "repeat", "findLast", "findLastIndex"}
}

// functionNames are all functions an expression may call.
func functionNames() []string {
	var names []string
	for _, f := range ownFunctions() {
		if _, replaced := builtin.Index[f.name]; !replaced {
			names = append(names, f.name)
		}
	}
	off := switchedOff()
	for _, name := range builtin.Names {
		if !slices.Contains(off, name) {
			names = append(names, name)
		}
	}
	return names
}

// overloaded says whether a function has several forms.
func overloaded(name string) bool {
	i, ok := builtin.Index[name]
	return ok && (len(builtin.Builtins[i].Types) > 1 || name == "date")
}

// funcError is an error of a function: a fixed sentence without the value.
type funcError string

func (e funcError) Error() string { return string(e) }

func maskFunc(args ...any) (any, error) {
	s, err := toText(args[0])
	return Mask(s), err
}

// Mask hides a value but for its first character: enough to tell two people in
// a channel apart, not enough to know either. A text of one or two characters
// is hidden whole; of its length nothing shows.
func Mask(s string) string {
	runes := []rune(s)
	switch {
	case len(runes) == 0:
		return ""
	case len(runes) <= 2:
		return "***"
	}
	return string(runes[:1]) + "***"
}

func initialsFunc(args ...any) (any, error) {
	s, err := toText(args[0])
	if err != nil {
		return nil, err
	}
	var out []string
	for _, word := range strings.FieldsFunc(s, unicode.IsSpace) {
		if r := []rune(word)[0]; unicode.IsLetter(r) || unicode.IsDigit(r) {
			out = append(out, string(unicode.ToUpper(r))+".")
		}
	}
	return strings.Join(out, " "), nil
}

func truncateFunc(args ...any) (any, error) {
	s, err := toText(args[0])
	if err != nil {
		return nil, err
	}
	n, ok := toInt(args[1])
	if !ok {
		return nil, funcError("truncate() needs an integer as its second argument")
	}
	return truncate(s, n), nil
}

func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	runes := []rune(s)
	switch {
	case len(runes) <= n:
		return s
	case n < 1:
		return ""
	}
	return strings.TrimRightFunc(string(runes[:n-1]), unicode.IsSpace) + "…"
}

func toInt(v any) (int, bool) {
	switch v := v.(type) {
	case int:
		return v, true
	case float64:
		return wholeNumber(v)
	}
	return 0, false
}

// wholeNumber is the integer a JSON number stands for, if it is one that a
// float64 holds exactly.
func wholeNumber(f float64) (int, bool) {
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int(f), true
}

func dateFunc(args ...any) (any, error) {
	switch v := args[0].(type) {
	case time.Time:
		return v.UTC(), nil
	case string:
		layouts := []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02T15:04:05"}
		if len(args) > 1 {
			layout, ok := args[1].(string)
			if !ok {
				return nil, funcError("date() needs a text as its layout")
			}
			layouts = []string{layout}
		}
		for _, layout := range layouts {
			// In UTC, so that an offset never turns into the machine's own zone.
			if t, err := time.ParseInLocation(layout, v, time.UTC); err == nil {
				return t.UTC(), nil
			}
		}
		return nil, funcError("date() cannot read the text as a date")
	}
	if ms, ok := toInt(args[0]); ok {
		return time.UnixMilli(int64(ms)).UTC(), nil
	}
	return nil, funcError("date() needs a text, or epoch milliseconds")
}

// timezoneFunc is never called: fixedTimezone has put its value there.
func timezoneFunc(...any) (any, error) { return nil, funcError("timezone() needs a fixed name") }

// fixedTimezone looks time zones up while compiling: at run time that would
// read files, and by names a sender chose. checkTimezone has refused others.
type fixedTimezone struct{}

// Visit replaces timezone("…") by the time zone.
func (fixedTimezone) Visit(n *ast.Node) {
	if name, ok := timezoneName(*n); ok {
		if loc, err := loadZone(name); err == nil {
			ast.Patch(n, &ast.ConstantNode{Value: loc})
		}
	}
}

// timezoneName is the fixed name in a call of timezone.
func timezoneName(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallNode)
	if !ok || len(call.Arguments) != 1 {
		return "", false
	}
	if id, ok := call.Callee.(*ast.IdentifierNode); !ok || id.Value != "timezone" {
		return "", false
	}
	name, ok := call.Arguments[0].(*ast.StringNode)
	if !ok {
		return "", false
	}
	return name.Value, true
}

// loadZone refuses the machine's own zone: a replay elsewhere must decide the same.
func loadZone(name string) (*time.Location, error) {
	if name == "Local" {
		return nil, fmt.Errorf("load time zone %q: depends on the machine", name)
	}
	return time.LoadLocation(name)
}
