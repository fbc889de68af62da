package rules

import (
	"slices"
)

// Budgets of the analysis, in atoms looked up: a search that uses its own up has
// no result, and neither has any after the review's.
const (
	maxSearchSteps = 400_000
	maxReviewSteps = 8_000_000
	maxSplits      = 20_000
)

// goal is what a search looks for. It looks at atoms in an order of its own, and
// is undecided when it needs one that is not decided: s.need.
type goal func(*state) outcome

type outcome uint8

const (
	miss outcome = iota
	hit
	undecided
)

// tried is which values a search goes through.
type tried struct {
	grade grade     // no greater surprises than this
	odd   *variable // but for this one: any of its values
	open  bool      // what cannot be looked into may come out either way
}

// witness is an event that a search has found.
type witness struct {
	in        *Input
	unmatched truth // what `unmatched` was taken to be, where that was free
}

type result uint8

const (
	none  result = iota // there is no such event
	found               // there is one, or may be when what is tried is open
	gaveUp
)

// state is a search in the events of one source: for each variable the values
// still possible, for each atom what it has been taken for.
type state struct {
	*review
	source    string
	tried     tried
	possible  map[int]set
	taken     map[int]truth
	unmatched truth // as the goal sees it, free when that is open
	need      int
	steps     int
	splits    int
	agrees    func(*witness) bool
	witness   *witness
}

// search looks for an event, source by source. Without agrees a hit is
// believed; else it has to agree to an event made of it.
func (r *review) search(g goal, agrees func(*witness) bool, t tried) (*witness, result) {
	end := none
	for _, source := range r.u.sources {
		s := &state{
			review: r, source: source, tried: t, possible: map[int]set{}, taken: map[int]truth{},
			unmatched: free, agrees: agrees,
		}
		switch s.look(g) {
		case found:
			return s.witness, found
		case gaveUp:
			end = gaveUp
		case none:
		}
	}
	return nil, end
}

func (s *state) look(g goal) result {
	if s.steps > maxSearchSteps || s.splits > maxSplits || s.review.steps < 0 {
		return gaveUp
	}
	switch g(s) {
	case hit:
		if s.agrees == nil || s.confirm() {
			return found
		}
		return none
	case miss:
		return none
	case undecided:
	}
	return s.split(g, s.need)
}

// split takes an atom for each thing it can be, in turn.
func (s *state) split(g goal, a int) result {
	end := none
	s.splits++
	atom := s.u.atoms[a]
	t := s.u.table(atom, s.source)
	for _, truth := range []truth{yes, no, fails} {
		if truth == fails && t == nil && atom.safe {
			continue
		}
		var before set
		if t != nil {
			before = s.values(atom.vars[0])
			narrower, some := before.and(t.pick(s.tried)[truth])
			if !some {
				continue
			}
			s.possible[atom.vars[0]] = narrower
		}
		s.taken[a] = truth
		r := s.look(g)
		delete(s.taken, a)
		if t != nil {
			s.possible[atom.vars[0]] = before
		}
		if r == found {
			return found
		}
		end = max(end, r)
	}
	return end
}

func (t *table) pick(tried tried) *[3]set {
	if tried.open {
		return &t.may
	}
	return &t.is
}

// values are what a variable may still be.
func (s *state) values(v int) set {
	if s.possible[v] == nil {
		stands := s.u.vars[v].of(s.source, s.u.env.sources[s.source])
		all := newSet(len(stands))
		for i, one := range stands {
			if one.grade <= s.tried.grade || s.u.vars[v] == s.tried.odd {
				all.add(i)
			}
		}
		s.possible[v] = all
	}
	return s.possible[v]
}

// ask is what an atom is, if that is decided.
func (s *state) ask(a int) (truth, bool) {
	s.steps++
	s.review.steps--
	if t, ok := s.taken[a]; ok {
		return t, true
	}
	s.need = a
	atom := s.u.atoms[a]
	t := s.u.table(atom, s.source)
	switch {
	case t != nil:
	case len(atom.vars) > 0 || atom.whole || atom.unmatched:
		return free, false
	default:
		return s.u.run(atom, sample(s.source)), true // of constants, or the source alone
	}
	values, sets := s.values(atom.vars[0]), t.pick(s.tried)
	decided := free
	for _, truth := range []truth{yes, no, fails} {
		if values.meets(sets[truth]) {
			if decided != free {
				return free, false
			}
			decided = truth
		}
	}
	return decided, decided != free
}

// maxPicks bounds how many events a hit is tried out with.
const maxPicks = 200

// confirm makes events of what is still possible, until agrees does.
// Only variables that atoms of several depend on are worth a second choice.
func (s *state) confirm() bool {
	choice := map[int]int{}
	for v := range s.possible {
		choice[v] = s.possible[v].first(0)
	}
	var vary []int
	for a := range s.taken {
		if atom := s.u.atoms[a]; s.u.table(atom, s.source) == nil {
			for _, v := range atom.vars {
				if choice[v] = s.values(v).first(0); !slices.Contains(vary, v) {
					vary = append(vary, v)
				}
			}
		}
	}
	slices.Sort(vary)
	for range maxPicks {
		w := &witness{in: s.event(choice), unmatched: s.takenUnmatched()}
		if w.in != nil && s.agrees(w) {
			s.witness = w
			return true
		}
		if !s.next(choice, vary) {
			return false
		}
	}
	return false
}

func (s *state) takenUnmatched() truth {
	if t, ok := s.taken[atomUnmatched]; ok {
		return t
	}
	return yes
}

// next is the next choice of values, false when there was none.
func (s *state) next(choice map[int]int, vary []int) bool {
	for _, v := range vary {
		if next := s.values(v).first(choice[v] + 1); next >= 0 {
			choice[v] = next
			return true
		}
		choice[v] = s.values(v).first(0)
	}
	return false
}
