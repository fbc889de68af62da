package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"invitation-relay/rules"
)

// env makes the names that expressions may use from all sources. A field that
// does not fit is left out, so that the rest can still be checked.
func (k *checker) env() {
	var good []rules.Source
	for _, s := range k.c.SourcesInOrder() {
		at := dot("sources", s.Name)
		own := rules.Source{Name: s.Name, Preset: presetMeant(s.Preset), Fields: make(map[string]rules.Type)}
		for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
			word := s.Fields[name]
			t, ok := rules.ParseType(word)
			if ok {
				own.Fields[name] = t
			} else {
				k.oneOf(dot(at+".fields", name), word, fieldTypes...)
			}
		}
		if err := fits(good, own); err != nil {
			k.misfits(at, err, good, &own)
		}
		good = append(good, own)
		k.dedupeKey(at+".dedupe.key", s.Dedupe.Key, own)
	}
	k.c.Env, _ = rules.NewEnv(good...) // what would be wrong has been left out
}

// presetMeant is the preset, or the one that is nearest to it, so that a slip
// there does not make every field unknown.
func presetMeant(word string) string {
	if slices.Contains(rules.Presets(), word) {
		return word
	}
	return cmp.Or(nearest(word, rules.Presets()), "invitation")
}

func fits(good []rules.Source, more rules.Source) error {
	_, err := rules.NewEnv(append(slices.Clip(good), more)...)
	return err
}

// misfits reports which of a source's fields contradict those before, from top
// to bottom, and leaves them out.
func (k *checker) misfits(at string, err error, good []rules.Source, own *rules.Source) {
	all, found := own.Fields, false
	own.Fields = make(map[string]rules.Type, len(all))
	for _, name := range k.fieldOrder(at+".fields", all) {
		own.Fields[name] = all[name]
		if err := fits(good, *own); err != nil {
			k.atKey(dot(at+".fields", name), Problem{Message: oneLine(own.Name, err)})
			delete(own.Fields, name)
			found = true
		}
	}
	if !found {
		k.atKey(at, Problem{Message: oneLine(own.Name, err)})
	}
}

// oneLine is what NewEnv said, without the source's name, which is in the path.
func oneLine(source string, err error) string {
	said := strings.ReplaceAll(err.Error(), fmt.Sprintf("source %q: ", source), "")
	return strings.ReplaceAll(said, "\n", "; ")
}

// fieldTypes are the words rules.ParseType knows.
var fieldTypes = []string{"any", "string", "integer", "number", "bool"}

// fieldOrder is the fields from top to bottom, so that of two that contradict
// each other the second is reported.
func (k *checker) fieldOrder(section string, fields map[string]rules.Type) []string {
	names := slices.Sorted(maps.Keys(fields))
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := k.places[dot(section, a)].key, k.places[dot(section, b)].key
		if x.Line != y.Line {
			return x.Line - y.Line
		}
		return x.Column - y.Column
	})
	return names
}

// dedupeKey compiles a key against its own source alone: another source's field
// would always be absent.
func (k *checker) dedupeKey(at, expression string, source rules.Source) {
	if expression == "" {
		return
	}
	env, err := rules.NewEnv(source)
	if err != nil {
		return // said already
	}
	if _, p := rules.CompileValue(env, expression); p != nil {
		k.compiled(at, at, *p)
	}
}

// compiled reports what is wrong with an expression at path.
func (k *checker) compiled(path, who string, p rules.Problem) {
	k.foreign(path, who, p.Line, p.Col, Problem{Message: p.Message, Hint: p.Hint, Warning: p.Warning})
}

func (k *checker) rules() {
	if len(k.c.Rules) == 0 && !k.places["rules"].broken {
		k.doubt("rules", "none: events are stored and go nowhere", "rules:\n  - {name: all, when: \"true\", to: [name-of-a-target]}")
	}
	first := make(map[string]int, len(k.c.Rules))
	for i, r := range k.c.Rules {
		at := index("rules", i)
		who := k.ruleLabel(i)
		switch before, twice := first[r.Name]; {
		case r.Name == "":
			k.missing(at+".name", "it stands in the log, in metrics and in tests")
		case !goodName.MatchString(r.Name):
			k.wrong(at+".name", nameRule, nameHint)
		case twice:
			k.blame(at+".name", who, fmt.Sprintf("rules[%d] has the same name", before), "")
		default:
			first[r.Name] = i
		}
		if strings.TrimSpace(r.When) == "" {
			k.blame(at+".when", who, "when is missing", `an expression: transaction_status == "REJECTED", or true for every event`)
		}
		k.ruleTo(at+".to", who, r.To)
	}
	k.compileRules()
}

// ruleLabel is what messages call a rule.
func (k *checker) ruleLabel(i int) string {
	at := index("rules", i)
	if name := k.c.Rules[i].Name; name != "" && !k.places[at+".name"].hidden {
		return fmt.Sprintf("rule %q", name)
	}
	return at
}

func (k *checker) ruleTo(at, who string, to []string) {
	if !k.has(at) {
		k.blame(at, who, "to is missing", "to: [name-of-a-target], or to: [] to send nowhere")
	}
	seen := make(map[string]bool, len(to))
	for j, name := range to {
		if seen[name] {
			k.doubt(index(at, j), "the target stands here twice, and gets the event once", "")
		}
		seen[name] = true
		k.targetExists(index(at, j), who, name)
	}
}

// compileRules compiles what there is to compile.
func (k *checker) compileRules() {
	for i, r := range k.c.Rules {
		if strings.TrimSpace(r.When) != "" {
			k.list = append(k.list, rules.Rule{Name: r.Name, When: r.When, To: r.To, Stop: r.Stop, Disabled: !r.Enabled, Shadow: r.Shadow})
			k.where = append(k.where, i)
		}
	}
	set, problems := rules.Compile(k.c.Env, k.list)
	for j, i := range k.where {
		for _, p := range problems[j] {
			k.compiled(index("rules", i)+".when", k.ruleLabel(i), p)
		}
	}
	k.c.Set = set
}

// mustRoute compiles the promises.
func (k *checker) mustRoute() {
	must, problems := rules.CompileMust(k.c.Env, k.c.MustRoute)
	for i := range k.c.MustRoute {
		at := index("must_route", i)
		for _, p := range problems[i] {
			k.compiled(at, at, p)
		}
	}
	k.c.Must = must
}
