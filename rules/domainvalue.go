package rules

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
)

// variable is something an event may have one way or another: a member of the
// payload at any depth, the time it came, its id.
type variable struct {
	key     string // as a person would name it
	path    []string
	field   *Field // of that name, if there is one
	integer bool   // an integer wherever it is a field
	strings map[string]bool
	numbers map[float64]bool
	stands  map[string][]stand // by source
}

// stand is a value that stands for itself, or for all values nothing tells
// apart from it.
type stand struct {
	value any
	many  bool // it stands for others too
	grade grade
}

// grade is how much of a surprise a value would be.
type grade uint8

const (
	asExpected grade = iota
	rare             // a counter above what one would see
	anything         // below zero, or of another type than documented
)

// hole stands in place of a value that is not there: the step of the path where
// the payload ends, or has something that can have no members.
type hole struct {
	step   int
	misfit bool
}

// variable finds or makes the variable at a path.
func (u *universe) variable(path []string) int {
	key := strings.Join(path, "\x00")
	if i, ok := u.byPath[key]; ok {
		return i
	}
	v := &variable{
		key: strings.TrimPrefix(strings.Join(path, "."), "."), path: path,
		strings: map[string]bool{}, numbers: map[float64]bool{}, stands: map[string][]stand{},
	}
	if len(path) == 1 {
		v.field = u.env.byName[path[0]]
		v.integer = v.field != nil && v.field.Type == Integer && v.field.Documented
	}
	u.vars = append(u.vars, v)
	u.byPath[key] = len(u.vars) - 1
	return len(u.vars) - 1
}

// literals notes what a variable is compared with.
func (u *universe) literals(v *variable, root ast.Node) {
	keys := map[ast.Node]bool{}
	ast.Walk(&root, visitor(func(n ast.Node) {
		if m, ok := n.(*ast.MemberNode); ok {
			keys[m.Property] = true
		}
	}))
	ast.Walk(&root, visitor(func(n ast.Node) {
		if keys[n] {
			return
		}
		switch value, _ := literalOf(n); value := value.(type) {
		case string:
			v.strings[value] = true
		case int:
			v.numbers[float64(value)] = true
		case float64:
			v.numbers[value] = true
		}
	}))
}

// most is the largest value to be expected of a counter.
const most = 10

// usual is the range of values to expect of a counter.
func (v *variable) usual() (lo, hi int, ok bool) {
	if v.field != nil && v.field.Counter {
		return 0, most, true
	}
	return 0, 0, false
}

// condition is what makes its values those to be expected, in words.
func (v *variable) condition() string {
	lo, hi, counter := v.usual()
	switch {
	case counter:
		return fmt.Sprintf("%s is %d to %d", v.key, lo, hi)
	case v.field != nil && v.field.Required:
		return v.key + " is there"
	}
	return v.key + " is of the expected type"
}

// of is what the variable may be in an event of a source, the likeliest first.
func (v *variable) of(source string, own map[string]Field) []stand {
	if v.stands[source] == nil {
		v.stands[source] = v.list(own)
	}
	return v.stands[source]
}

func (v *variable) list(own map[string]Field) []stand {
	if v.path[0] == "" {
		return v.outside()
	}
	f, has := own[v.path[0]]
	if !has || len(v.path) > 1 || !f.Documented {
		return v.open()
	}
	out := append(v.documented(f), stand{value: hole{}})
	for i := range out {
		if f.Required && (out[i].value == any(hole{}) || out[i].value == "") {
			out[i].grade = anything
		}
	}
	return out
}

// documented is what intake lets through: values of the documented type.
func (v *variable) documented(f Field) []stand {
	switch f.Type {
	case Integer:
		return v.amounts(true)
	case Number:
		return v.amounts(false)
	case Bool:
		return []stand{{value: true}, {value: false}}
	default:
		return v.texts()
	}
}

// texts are the documented values, those that are written somewhere, and one
// that is neither.
func (v *variable) texts() []stand {
	var out []stand
	seen := map[string]bool{}
	add := func(words []string) {
		for _, s := range words {
			if !seen[s] {
				seen[s] = true
				out = append(out, stand{value: s})
			}
		}
	}
	if v.field != nil {
		add(v.field.Known)
	}
	add(slices.Sorted(maps.Keys(v.strings)))
	other := "something else"
	if v.path[len(v.path)-1] == "id" {
		other = "i-1"
	}
	for seen[other] {
		other += "."
	}
	return append(out, stand{value: other, many: true})
}

// amounts are the numbers that are written somewhere, the usual ones, and one
// in each gap between them.
func (v *variable) amounts(integers bool) []stand {
	points := map[float64]bool{}
	for n := range v.numbers {
		points[math.Floor(n)], points[math.Ceil(n)] = true, true
		if !integers {
			points[n] = true
		}
	}
	lo, hi, counter := v.usual()
	for n := lo; counter && n <= hi; n++ {
		points[float64(n)] = true
	}
	var out []stand
	add := func(n float64, many bool) {
		s := stand{value: n, many: many}
		if whole, ok := wholeNumber(n); ok && integers {
			s.value = whole
		}
		switch {
		case counter && n < float64(lo):
			s.grade = anything
		case counter && n > float64(hi):
			s.grade = rare
		}
		out = append(out, s)
	}
	list := slices.Sorted(maps.Keys(points))
	if len(list) == 0 {
		add(1, true)
		return out
	}
	for _, n := range list {
		add(n, false)
	}
	add(list[len(list)-1]+1, true)
	for i := range len(list) - 1 {
		if between := (list[i] + list[i+1]) / 2; !integers {
			add(between, true)
		} else if list[i+1]-list[i] > 1 {
			add(list[i]+1, true)
		}
	}
	add(list[0]-1, true)
	if counter && len(out) > 1 && out[0].value == 0 {
		out[0], out[1] = out[1], out[0] // an event after no attempt is an odd example
	}
	return out
}

// open is what has no type that anybody checks.
func (v *variable) open() []stand {
	texts, numbers := v.texts(), v.amounts(false)
	flags := []stand{{value: true}, {value: false}}
	rest := []stand{{value: map[string]any{}, many: true}, {value: []any{}, many: true}}
	switch v.expected() {
	case String:
		odd(numbers, flags, rest)
	case Integer, Number:
		odd(texts, flags, rest)
		return slices.Concat(numbers, v.missing(), texts, flags, rest)
	case Bool:
		odd(texts, numbers, rest)
		return slices.Concat(flags, v.missing(), texts, numbers, rest)
	default:
	}
	return slices.Concat(texts, numbers, v.missing(), flags, rest)
}

// expected is the type a field should have: declared, or that of its documented
// values, or of all it is compared with.
func (v *variable) expected() Type {
	switch {
	case v.field != nil && v.field.Type != Any:
		return v.field.Type
	case v.field != nil && len(v.field.Known) > 0, len(v.strings) > 0 && len(v.numbers) == 0:
		return String
	case len(v.numbers) > 0 && len(v.strings) == 0:
		return Number
	}
	return Any
}

func odd(lists ...[]stand) {
	for _, list := range lists {
		for i := range list {
			list[i].grade = anything
		}
	}
}

// missing is every way not to be there.
func (v *variable) missing() []stand {
	var out []stand
	for step := range slices.Backward(v.path) {
		out = append(out, stand{value: hole{step: step}})
	}
	for step := range len(v.path) - 1 {
		out = append(out, stand{value: hole{step: step, misfit: true}, grade: anything})
	}
	return out
}

// outside is what does not come from the payload. A few times are tried; what
// holds at all of them may still not hold at others.
func (v *variable) outside() []stand {
	if v.path[1] == nameEventID {
		return []stand{{value: "00000000-0000-7000-8000-000000000000", many: true}}
	}
	var out []stand
	for _, t := range []string{"2027-03-03T12:00:00Z", "2027-03-06T12:00:00Z", "2027-03-03T02:00:00Z", "2027-03-07T23:00:00Z"} {
		at, _ := time.Parse(time.RFC3339, t) // a constant
		out = append(out, stand{value: at, many: true})
	}
	return out
}
