package config

import (
	"slices"
	"strings"

	"invitation-relay/rules"
)

// review reports what can be said of the rules without an event. It is silent
// where that would only follow from mistakes that have been reported.
func (k *checker) review() {
	for _, s := range k.c.SourcesInOrder() {
		at := dot("sources", s.Name)
		if k.brokenBelow(at+".preset") || k.brokenBelow(at+".fields") {
			return // what fields there are is not known
		}
	}
	unseen := k.unseen()
	if k.c.Set == nil || k.brokenBelow("rules") {
		k.reviewAlone(unseen)
		return
	}
	for _, f := range k.c.Set.Review(k.c.Must) {
		k.found(f, unseen)
	}
}

// reviewAlone looks at each rule that compiles by itself: how they work together
// is not known before the others are mended.
func (k *checker) reviewAlone(unseen []string) {
	for j, r := range k.list {
		if set, _ := rules.Compile(k.c.Env, []rules.Rule{r}); set != nil {
			for _, f := range set.Review(nil) {
				f.Rule = j
				k.found(f, unseen)
			}
		}
	}
}

// found reports one finding. It may quote any expression, and so say what came
// in through a reference somewhere else: then it says less.
func (k *checker) found(f rules.Finding, unseen []string) {
	path, who := index("must_route", f.Entry), index("must_route", f.Entry)
	if f.Rule >= 0 {
		path, who = index("rules", k.where[f.Rule])+".when", k.ruleLabel(k.where[f.Rule])
	}
	p := Problem{Message: f.Message, Hint: f.Hint, Warning: f.Warning}
	said := p.Message + "\n" + p.Hint
	if slices.ContainsFunc(unseen, func(text string) bool { return shows(said, text) }) {
		end := strings.IndexAny(p.Message, ":,")
		if end < 0 {
			end = len(p.Message)
		}
		p.Message, p.Hint = p.Message[:end], "more is not said, since a part of it comes from a reference"
	}
	k.in(path, who, f.Line, f.Col, p)
}

// unseen are the expressions and names that must not be seen.
func (k *checker) unseen() []string {
	var texts []string
	note := func(path string) {
		if p := k.places[path]; p.hidden {
			texts = append(texts, p.text)
		}
	}
	for i := range k.c.Rules {
		note(index("rules", i) + ".when")
		note(index("rules", i) + ".name")
	}
	for i := range k.c.MustRoute {
		note(index("must_route", i))
	}
	return texts
}
