package rules

import (
	"maps"
	"math/bits"
	"slices"
)

// universe is everything the expressions of a config ask, and of what.
type universe struct {
	env     *Env
	atoms   []*atom
	byText  map[string]int
	vars    []*variable
	byPath  map[string]int
	sources []string
	slots   map[string]map[string]slot // of fields, by source and name
}

func newUniverse(env *Env) *universe {
	return &universe{
		env: env, byText: map[string]int{}, byPath: map[string]int{},
		atoms:   []*atom{atomUnmatched: {text: nameUnmatched, unmatched: true, safe: true}},
		sources: slices.Sorted(maps.Keys(env.sources)),
		slots:   map[string]map[string]slot{},
	}
}

// settle is called when all expressions are known, and before anything is asked:
// every literal anywhere is a value of its own.
func (u *universe) settle() {
	for _, source := range u.sources {
		u.slots[source] = map[string]slot{}
		for _, v := range u.vars {
			if name := v.path[0]; len(v.path) == 1 && v.field != nil {
				own, has := u.env.sources[source][name]
				u.slots[source][name] = u.env.slot(name, own.Documented, has)
			}
		}
	}
}

// set is a set of indexes of stands.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func (s set) add(i int) { s[i/64] |= 1 << (i % 64) }

// and is what both have, and whether that is anything.
func (s set) and(t set) (both set, some bool) {
	both = make(set, len(s))
	for i := range s {
		both[i] = s[i] & t[i]
		some = some || both[i] != 0
	}
	return both, some
}

// meets is and without the set.
func (s set) meets(t set) bool {
	for i := range s {
		if s[i]&t[i] != 0 {
			return true
		}
	}
	return false
}

// first is the smallest index from i on, -1 when there is none.
func (s set) first(i int) int {
	for w := i / 64; w < len(s); w++ {
		word := s[w]
		if w == i/64 {
			word &= ^uint64(0) << (i % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// table says what an atom of one variable is for each of its stands: in is, as
// they stand; may has those, too, whose others may be that.
type table struct{ is, may [3]set }

// table is the atom's table for a source, nil for one that depends on none or
// several variables.
func (u *universe) table(a *atom, source string) *table {
	if len(a.vars) != 1 || a.whole || a.unmatched {
		return nil
	}
	if t, ok := a.tables[source]; ok {
		return t
	}
	v := u.vars[a.vars[0]]
	stands := v.of(source, u.env.sources[source])
	t := &table{}
	for _, truth := range []truth{no, yes, fails} {
		t.is[truth], t.may[truth] = newSet(len(stands)), newSet(len(stands))
	}
	for i, s := range stands {
		is := u.is(a, source, v, s)
		t.is[is].add(i)
		for _, truth := range []truth{no, yes, fails} {
			if truth == is || s.many && !a.exact && (!a.safe || truth != fails) {
				t.may[truth].add(i)
			}
		}
	}
	a.tables[source] = t
	return t
}

// is evaluates an atom for one value.
func (u *universe) is(a *atom, source string, v *variable, s stand) truth {
	if a.plain != nil && !a.plain.odd {
		return a.plain.is(s.value, u.slots[source])
	}
	in := sample(source)
	if !v.put(in, s.value) {
		return fails // cannot be: one variable is in nobody's way
	}
	return u.run(a, in)
}

// run evaluates an atom for an event.
func (u *universe) run(a *atom, in *Input) truth {
	if a.program == nil && !a.broken {
		a.program, _ = u.env.compile(a.text, position{1, 1}, true)
		a.broken = a.program == nil || a.program.parsed.String() != a.text
	}
	if a.broken {
		return fails
	}
	m := u.env.acquire()
	defer u.env.release(m)
	u.env.frame(a.program.names).fill(m.vars, in)
	switch isTrue, err := m.decide(a.program); {
	case err != nil:
		return fails
	case isTrue:
		return yes
	}
	return no
}

// is evaluates a comparison with a literal as the machine would.
func (p *plainAtom) is(value any, slots map[string]slot) truth {
	if _, missing := value.(hole); missing {
		value = nil
	}
	if s, ok := slots[p.name]; ok && p.field {
		switch f, number := value.(float64); {
		case value == nil || s.from == fromNowhere:
			value = s.absent
		case number && s.integer:
			if whole, ok := wholeNumber(f); ok {
				value = whole
			}
		}
	}
	switch p.op {
	case "":
		if b, ok := value.(bool); ok {
			return truthOf(b)
		}
		return fails
	case "==":
		return truthOf(same(value, p.lit))
	case "!=":
		return truthOf(!same(value, p.lit))
	}
	x, ok := numberOf(value)
	y, _ := numberOf(p.lit)
	switch {
	case !ok:
		return fails
	case p.op == "<":
		return truthOf(x < y)
	case p.op == "<=":
		return truthOf(x <= y)
	case p.op == ">":
		return truthOf(x > y)
	}
	return truthOf(x >= y)
}

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// same is equality with a literal.
func same(value, lit any) bool {
	if x, ok := numberOf(value); ok {
		y, number := numberOf(lit)
		return number && x == y
	}
	switch value.(type) {
	case nil, string, bool:
		return value == lit
	}
	return false
}
