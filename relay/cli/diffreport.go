package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// sorted are the changes, those of most events first.
func (c *comparison) sorted() []*change {
	var all []*change
	for _, ch := range c.changes {
		all = append(all, ch)
	}
	slices.SortFunc(all, func(a, b *change) int {
		return cmp.Or(b.events-a.events, strings.Compare(a.before.key()+"\x01"+a.after.key(), b.before.key()+"\x01"+b.after.key()))
	})
	return all
}

// compared prints a comparison for a person.
func (p *page) compared(c *comparison, files bool) {
	one, many := "event", "events"
	if files {
		one, many = "payload", "payloads"
	}
	n := func(count int) string {
		if count == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", count, many)
	}
	p.line("%s", p.paint(bold, fmt.Sprintf("%d of %s would go elsewhere", c.elsewhere, n(c.compared))))
	for _, ch := range c.sorted() {
		p.line("")
		p.line("%s: %s -> %s", n(ch.events), p.paint(red, ch.before.place()), p.paint(green, ch.after.place()))
		p.line("  rules: %s -> %s", ch.before.why(), ch.after.why())
		p.line("  such as %s", strings.Join(ch.examples, ", "))
	}
	var notes []string
	note := func(count int, text string) {
		if count > 0 {
			notes = append(notes, n(count)+" "+text)
		}
	}
	note(c.unlisted, fmt.Sprintf("would go elsewhere in other ways than the %d above", maxChanges))
	note(c.otherRules, "would go to the same targets by other rules")
	note(c.refused, "left out: refused under both")
	note(c.erased, "left out: the body has been erased")
	note(c.damaged, "left out: damaged in the store")
	if len(notes) > 0 {
		p.line("")
	}
	for _, text := range notes {
		p.line("%s", text)
	}
}

// place is where an event goes, in words.
func (f *fate) place() string {
	switch {
	case f.refused != "":
		return "refused (" + strings.TrimSuffix(f.refused, ".") + ")"
	case len(f.targets) == 0:
		return "nowhere"
	}
	return strings.Join(f.targets, ", ")
}

// why is which rules decided that.
func (f *fate) why() string {
	all := slices.Clone(f.rules)
	for _, name := range f.errors {
		all = append(all, name+" (error)")
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// The forms of --json.
type comparisonJSON struct {
	Compared   int          `json:"compared"`
	Elsewhere  int          `json:"elsewhere"`
	OtherRules int          `json:"other_rules"`
	Refused    int          `json:"refused_by_both"`
	Erased     int          `json:"erased"`
	Damaged    int          `json:"damaged"`
	Unlisted   int          `json:"unlisted"`
	Changes    []changeJSON `json:"changes"`
}

type changeJSON struct {
	Events   int      `json:"events"`
	Before   fateJSON `json:"before"`
	After    fateJSON `json:"after"`
	Examples []string `json:"examples"`
}

type fateJSON struct {
	Refused string   `json:"refused,omitempty"`
	Targets []string `json:"targets"`
	Rules   []string `json:"rules"`
	Errors  []string `json:"errors,omitempty"`
}

func (c *comparison) json() comparisonJSON {
	out := comparisonJSON{c.compared, c.elsewhere, c.otherRules, c.refused, c.erased, c.damaged, c.unlisted, []changeJSON{}}
	for _, ch := range c.sorted() {
		out.Changes = append(out.Changes, changeJSON{ch.events, ch.before.json(), ch.after.json(), ch.examples})
	}
	return out
}

func (f *fate) json() fateJSON {
	return fateJSON{f.refused, orEmpty(f.targets), orEmpty(f.rules), f.errors}
}
