package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Finding is what Review has to say about one rule or one must_route entry.
type Finding struct {
	Rule  int // index of the rule, -1 when it is about an entry
	Entry int // index of the must_route entry, -1 when it is about a rule
	Problem
}

// Review looks at the rules without an event: which can never match or always
// do, which the rules above leave nothing for, and which must_route entries the
// rules do not keep. must may be nil.
//
// It decides for all events at once. The values of a field are sorted into
// those the expressions tell apart: each value that is documented or written
// somewhere, one that stands for all others, and none. Of those it goes through
// the combinations that make a difference. What it cannot look into (a function
// of a value it has not got) may come out either way, and it is silent about
// what depends on it.
//
//   - A rule that is never true, or always, for any event there can be is an
//     error; a Warning says under which condition it holds only: counters are 0
//     to 10, required fields are there, values have the type to be expected.
//   - A rule that could match, but not where it stands, is a Warning: nothing is
//     lost that another rule has not taken.
//   - An entry that is not kept comes with an event that proves it, which has
//     been put through Decide: an error, unless the event is a rare one. One that
//     is neither kept nor broken as far as can be seen is a Warning.
func (s *Set) Review(must *Must) []Finding {
	r := newReview(s, must)
	for i, c := range r.rules {
		f := Finding{Rule: i, Entry: -1}
		if c.op != opConst && !r.never(c, s.rules[i].program, f) && !r.always(c, s.rules[i].program, f) {
			r.sequence(i)
		} else if c.op == opConst && c.value == yes {
			r.sequence(i)
		}
	}
	for i, c := range r.entries {
		f := Finding{Rule: -1, Entry: i}
		if !r.never(c, must.entries[i], f) {
			r.promise(i)
		}
	}
	return r.findings
}

type review struct {
	set      *Set
	must     *Must // may be nil
	u        *universe
	rules    []*clause
	entries  []*clause
	findings []Finding
	steps    int // what is left of the budget of the whole review
}

func newReview(s *Set, must *Must) *review {
	r := &review{set: s, must: must, u: newUniverse(s.env), steps: maxReviewSteps}
	for i := range s.rules {
		r.rules = append(r.rules, r.u.clause(s.rules[i].parsed))
	}
	if must != nil {
		for _, p := range must.entries {
			r.entries = append(r.entries, r.u.clause(p.parsed))
		}
	}
	r.u.settle()
	return r
}

func (r *review) report(f Finding, p Problem) {
	if p.Line == 0 {
		p.Line, p.Col = 1, 1
	}
	f.Problem = p
	r.findings = append(r.findings, f)
}

// sureness is how sure it is that no event is a goal's.
type sureness uint8

const (
	unknown  sureness = iota // there is one, or nobody can tell
	expected                 // none as long as values are as expected
	certain                  // none at all
)

// sure says whether there is no event for the goal, and as words when that is
// so. agrees tries an event that was found with the compiled rules.
func (r *review) sure(g goal, agrees func(*witness) bool, list ...*clause) (sureness, string) {
	if w, _ := r.search(g, agrees, tried{grade: asExpected}); w != nil {
		return unknown, ""
	}
	if _, end := r.search(g, nil, tried{grade: anything, open: true}); end == none {
		return certain, r.whatever(list)
	}
	if _, end := r.search(g, nil, tried{grade: asExpected, open: true}); end != none {
		return unknown, ""
	}
	var each, all []string
	for _, v := range r.u.vars {
		condition := v.condition()
		all = append(all, condition)
		if _, end := r.search(g, nil, tried{grade: asExpected, open: true, odd: v}); end != none {
			each = append(each, condition)
		}
	}
	if len(each) == 0 {
		each = all // it takes two of them
	}
	return expected, ", as long as " + strings.Join(distinct(each), " and ")
}

// never finds an expression that no event makes true.
func (r *review) never(c *clause, p *program, f Finding) bool {
	if c.op == opConst || p.constant() {
		return c.op == opConst && c.value == no // checkBool has its word about it
	}
	sure, when := r.sure(r.value(c, yes), func(w *witness) bool { return r.isTrue(p, w) }, c)
	if sure == unknown {
		return false
	}
	word := "rule"
	if f.Rule < 0 {
		word = "expression"
	}
	r.report(f, Problem{
		Message: fmt.Sprintf("the %s is never true%s", word, when),
		Hint:    r.otherOperator(c), Warning: sure != certain,
	})
	return true
}

// always finds an expression that every event makes true. One about the source
// may be meant for sources that are still to come.
func (r *review) always(c *clause, p *program, f Finding) bool {
	bySource := false
	c.walk(func(a int) { bySource = bySource || r.u.atoms[a].source })
	if bySource || p.constant() {
		return false
	}
	sure, when := r.sure(r.value(c, no, fails), func(w *witness) bool { return !r.isTrue(p, w) }, c)
	if sure == unknown {
		return false
	}
	hint := r.otherOperator(c)
	if hint == "" {
		hint = "if every event is meant, write true"
	}
	r.report(f, Problem{Message: "the rule is always true" + when, Hint: hint, Warning: sure != certain})
	return false // and yet the rules above may leave nothing for it
}

// isTrue is what one expression says to an event.
func (r *review) isTrue(p *program, w *witness) bool {
	m := r.set.env.acquire()
	defer r.set.env.release(m)
	r.set.env.frame(p.names).fill(m.vars, w.in)
	if _, asks := m.vars[nameUnmatched]; asks {
		m.vars[nameUnmatched] = w.unmatched == yes
	}
	is, err := m.decide(p)
	return err == nil && is
}

// value is the goal of an expression by itself.
func (r *review) value(c *clause, want ...truth) goal {
	return func(s *state) outcome {
		s.unmatched = free
		t, known := s.eval(c)
		switch {
		case !known:
			return undecided
		case slices.Contains(want, t):
			return hit
		}
		return miss
	}
}

// whatever is for what holds for all values.
func (r *review) whatever(list []*clause) string {
	var names []string
	for _, c := range list {
		for _, v := range r.u.variables(c) {
			names = append(names, v.key)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", whatever " + orList(distinct(names)) + " is"
}

// distinct is a sorted list without repeats.
func distinct(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}

func orList(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return names[0]
}

// otherOperator is for x == "A" && x == "B": with || in place of && it would say
// something, and either side does by itself.
func (r *review) otherOperator(c *clause) string {
	other := *c
	hint, side := "", []truth{yes}
	switch c.op {
	case opAnd:
		other.op, hint = opOr, `did you mean "||" instead of "&&"?`
	case opOr:
		other.op, hint, side = opAnd, `did you mean "&&" instead of "||"?`, []truth{no, fails}
	default:
		return ""
	}
	for _, g := range []goal{r.value(&other, yes), r.value(&other, no), r.value(c.kids[0], side...), r.value(c.kids[1], side...)} {
		if _, end := r.search(g, nil, tried{grade: asExpected, open: true}); end != found {
			return ""
		}
	}
	return hint
}

// variables are those an expression reads, by name.
func (u *universe) variables(c *clause) []*variable {
	set := map[int]bool{}
	c.walk(func(a int) {
		for _, v := range u.atoms[a].vars {
			set[v] = true
		}
	})
	var out []*variable
	for _, v := range slices.Sorted(maps.Keys(set)) {
		out = append(out, u.vars[v])
	}
	return out
}

// where is the place of a name in an expression.
func (p *program) where(name string) (line, col int) {
	line, col = 1, 1
	ast.Walk(&p.parsed, visitor(func(n ast.Node) {
		if isName(n, name) {
			line, col = at(p.source, n.Location().From)
		}
	}))
	return line, col
}
