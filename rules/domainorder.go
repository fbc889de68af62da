package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// walkRules takes an event past the rules, in their order, up to rule end. What
// a rule decides is only asked for when it matters: for rules that stop, and for
// all of them where something names `unmatched`. see is called for each rule
// that matches and is no shadow; the walk ends when it says so.
func (r *review) walkRules(s *state, end int, all bool, see func(i int) bool) outcome {
	s.unmatched = yes
	for i := range end {
		rule := &r.set.rules[i]
		if rule.Disabled || rule.Shadow || !all && !rule.Stop {
			continue
		}
		t, known := s.eval(r.rules[i])
		switch {
		case !known:
			return undecided
		case t != yes:
			continue
		}
		if see(i) {
			return hit
		}
		s.unmatched = no
		if rule.Stop {
			return hit
		}
	}
	return miss
}

// asksUpTo says whether rule end, or a rule with stop in front of it, asks for
// `unmatched`.
func (r *review) asksUpTo(end int) bool {
	for i := range end {
		if rule := &r.set.rules[i]; rule.Stop && !rule.Disabled && r.u.asks(r.rules[i]) {
			return true
		}
	}
	return end < len(r.rules) && r.u.asks(r.rules[end])
}

// sequence finds a rule that the rules in front of it leave nothing for.
func (r *review) sequence(i int) {
	rule, f := &r.set.rules[i], Finding{Rule: i, Entry: -1}
	asks := r.u.asks(r.rules[i])
	if rule.Disabled || !asks && !r.anyStop(i) {
		return
	}
	if asks && r.neverUnmatched(i, f) {
		return
	}
	matches := func(w *witness) bool {
		v := r.set.Decide(w.in).Verdicts[i]
		return v == Match || v == Shadowed
	}
	sure, when := r.sure(r.reached(i), matches)
	if sure == unknown {
		return
	}
	p := Problem{
		Message: "the rule can never match: the rules above that stop leave nothing for it" + when,
		Hint:    "move it up, or leave it out", Warning: true,
	}
	if j := r.covers(i); j >= 0 {
		name := r.set.rules[j].Name
		p.Message = fmt.Sprintf("the rule can never match: rule %q takes every event it is about, and stops", name) + when
		p.Hint = fmt.Sprintf("move it above rule %q, or leave it out", name)
	}
	r.report(f, p)
}

func (r *review) anyStop(end int) bool {
	return slices.ContainsFunc(r.set.rules[:end], func(c compiled) bool { return c.Stop && !c.Disabled && !c.Shadow })
}

// reached is the goal of an event that rule i matches.
func (r *review) reached(i int) goal {
	all := r.asksUpTo(i)
	return func(s *state) outcome {
		s.unmatched = free
		switch t, known := s.eval(r.rules[i]); {
		case !known:
			return undecided
		case t != yes:
			return miss
		}
		stopped := false
		switch r.walkRules(s, i, all, func(j int) bool { stopped = stopped || r.set.rules[j].Stop; return stopped }) {
		case undecided:
			return undecided
		case hit:
			return miss
		case miss:
		}
		if guess, made := s.taken[atomUnmatched]; made && guess != s.unmatched {
			return miss
		}
		return hit
	}
}

// covers is the one rule that stops at every event rule i would match, -1 when
// it takes several.
func (r *review) covers(i int) int {
	for j := range i {
		other := &r.set.rules[j]
		if !other.Stop || other.Disabled || other.Shadow || r.u.asks(r.rules[j]) {
			continue
		}
		both := func(s *state) outcome {
			s.unmatched = free
			t, known := s.eval(r.rules[i])
			if known && t == yes {
				if t, known = s.eval(r.rules[j]); known && t != yes {
					return hit
				}
			}
			if !known {
				return undecided
			}
			return miss
		}
		if _, end := r.search(both, nil, tried{grade: asExpected, open: true}); end == none {
			return j
		}
	}
	return -1
}

// neverUnmatched finds a rule that asks for `unmatched` where something has
// always matched.
func (r *review) neverUnmatched(i int, f Finding) bool {
	g := func(s *state) outcome {
		switch r.walkRules(s, i, true, func(int) bool { return true }) {
		case undecided:
			return undecided
		case hit:
			return miss
		default:
			return hit
		}
	}
	agrees := func(w *witness) bool { return !slices.Contains(r.set.Decide(w.in).Verdicts[:i], Match) }
	sure, when := r.sure(g, agrees)
	if sure == unknown {
		return false
	}
	p := Problem{
		Message: `"unmatched" is never true here: the rules above match every event` + when,
		Hint:    "leave the rule out, or move it up", Warning: true,
	}
	for j := range i {
		rule := &r.set.rules[j]
		if rule.Disabled || rule.Shadow || r.u.asks(r.rules[j]) {
			continue
		}
		rest := r.value(r.rules[j], no, fails)
		if _, end := r.search(rest, nil, tried{grade: asExpected, open: true}); end == none {
			p.Message = fmt.Sprintf(`"unmatched" is never true here: rule %q matches every event`, rule.Name) + when
			break
		}
	}
	p.Line, p.Col = r.set.rules[i].where(nameUnmatched)
	r.report(f, p)
	return true
}

// promise proves a must_route entry, or shows an event that breaks it.
func (r *review) promise(e int) {
	f := Finding{Rule: -1, Entry: e}
	lost := func(s *state) outcome {
		s.unmatched = yes
		switch t, known := s.eval(r.entries[e]); {
		case !known:
			return undecided
		case t != yes:
			return miss
		}
		routed := false
		end := r.walkRules(s, len(r.rules), true, func(i int) bool {
			routed = routed || len(r.set.rules[i].To) > 0
			return routed
		})
		switch {
		case end == undecided:
			return undecided
		case routed:
			return miss
		}
		return hit
	}
	agrees := func(w *witness) bool { return r.isTrue(r.must.entries[e], w) && len(r.set.Decide(w.in).Targets) == 0 }
	if w, _ := r.search(lost, agrees, tried{grade: asExpected}); w != nil {
		r.spare(w, agrees)
		r.report(f, r.broken(w, false))
	} else if w, _ := r.search(lost, agrees, tried{grade: rare}); w != nil {
		r.spare(w, agrees)
		r.report(f, r.broken(w, true))
	} else if _, end := r.search(lost, nil, tried{grade: asExpected, open: true}); end != none {
		r.report(f, r.unproven(e, end))
	}
}

// spare leaves out of an event what it is as good an example without, but for
// what the sender always sends.
func (r *review) spare(w *witness, agrees func(*witness) bool) {
	for _, name := range slices.Sorted(maps.Keys(w.in.Payload)) {
		value := w.in.Payload[name]
		if r.set.env.sources[w.in.Source][name].Documented {
			continue
		}
		if delete(w.in.Payload, name); !agrees(w) {
			w.in.Payload[name] = value
		}
	}
}

// broken shows an event that the rules let go, and why.
func (r *review) broken(w *witness, warning bool) Problem {
	payload, _ := toText(w.in.Payload) // made of plain values: no error
	p := Problem{Message: "an event for which this is true would reach no target", Warning: warning}
	lines := []string{"for example:"}
	if len(r.u.sources) > 1 {
		lines[0] = "for example, from source " + w.in.Source + ":"
	}
	lines = append(lines, payload)
	verdicts := r.set.Decide(w.in).Verdicts
	for i := range r.set.rules {
		rule := &r.set.rules[i]
		switch {
		case rule.Disabled && r.isTrue(rule.program, w):
			lines = append(lines, fmt.Sprintf("rule %q is switched off: it proves nothing", rule.Name))
		case verdicts[i] == Shadowed:
			lines = append(lines, fmt.Sprintf("rule %q is a shadow rule: it sends nothing", rule.Name))
		case verdicts[i] == Match && rule.Stop:
			lines = append(lines, fmt.Sprintf("rule %q matches it, sends nowhere and stops", rule.Name))
		}
	}
	p.Hint = strings.Join(lines, "\n")
	return p
}

// unproven says what stands in the way of a proof.
func (r *review) unproven(e int, end result) Problem {
	p := Problem{Message: "this cannot be proven: there are too many combinations of values", Warning: true}
	if end == gaveUp {
		return p
	}
	var names []string
	note := func(c *clause) {
		c.walk(func(a int) {
			if atom := r.u.atoms[a]; !atom.exact && (len(atom.vars) > 0 || atom.whole) {
				names = append(names, atom.text)
			}
		})
	}
	note(r.entries[e])
	for i := range r.set.rules {
		if rule := &r.set.rules[i]; !rule.Disabled && !rule.Shadow {
			note(r.rules[i])
		}
	}
	p.Message = "this cannot be proven, and nothing was found that breaks it"
	if names = distinct(names); len(names) > 0 {
		p.Message += ": not every value can be tried in " + strings.Join(names[:min(len(names), 3)], ", ")
	}
	p.Hint = "a rule with the same condition, or one for what is unmatched, proves it"
	return p
}
