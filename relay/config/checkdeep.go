package config

import (
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
	if k.c.Set == nil || k.brokenBelow("rules") {
		k.reviewAlone()
		return
	}
	for _, f := range k.c.Set.Review(k.c.Must) {
		k.found(f)
	}
}

// reviewAlone looks at each rule that compiles by itself: how they work together
// is not known before the others are mended.
func (k *checker) reviewAlone() {
	for j, r := range k.list {
		if set, _ := rules.Compile(k.c.Env, []rules.Rule{r}); set != nil {
			for _, f := range set.Review(nil) {
				f.Rule = j
				k.found(f)
			}
		}
	}
}

// found reports one finding. It may quote any expression, and so say what came
// in through a reference somewhere else: then it says less.
func (k *checker) found(f rules.Finding) {
	path, who := index("must_route", f.Entry), index("must_route", f.Entry)
	if f.Rule >= 0 {
		path, who = index("rules", k.where[f.Rule])+".when", k.ruleLabel(k.where[f.Rule])
	}
	p := Problem{Message: f.Message, Hint: f.Hint, Warning: f.Warning}
	if k.givesAway(p.Message + "\n" + p.Hint) {
		end := strings.IndexAny(p.Message, ":,")
		if end < 0 {
			end = len(p.Message)
		}
		p.Message, p.Hint = p.Message[:end], "more is not said, since a part of it comes from a reference"
	}
	k.in(path, who, f.Line, f.Col, p)
}

// givesAway reports whether a text may show a part of an expression or a name
// that must not be seen.
func (k *checker) givesAway(text string) bool {
	hidden := func(path string) bool {
		p := k.places[path]
		return p.hidden && shows(text, p.text)
	}
	for i := range k.c.Rules {
		if at := index("rules", i); hidden(at+".when") || hidden(at+".name") {
			return true
		}
	}
	for i := range k.c.MustRoute {
		if hidden(index("must_route", i)) {
			return true
		}
	}
	return false
}
