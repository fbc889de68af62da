package config

import (
	"fmt"
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
		rs := rules.Source{Name: s.Name, Preset: s.Preset, Fields: make(map[string]rules.Type)}
		if !slices.Contains(rules.Presets(), s.Preset) {
			rs.Preset = nearest(s.Preset, rules.Presets()) // the one that was meant, if it can be seen
			if rs.Preset == "" {
				rs.Preset = "invitation"
			}
		}
		if _, err := rules.NewEnv(append(good[:len(good):len(good)], rs)...); err != nil {
			k.atKey(at, at+": "+err.Error(), "")
			continue
		}
		for _, name := range k.fieldOrder(at+".fields", s.Fields) {
			t, ok := rules.ParseType(s.Fields[name])
			if !ok {
				k.oneOf(dot(at+".fields", name), s.Fields[name], fieldTypes...)
				continue
			}
			rs.Fields[name] = t
			if _, err := rules.NewEnv(append(good[:len(good):len(good)], rs)...); err != nil {
				k.atKey(dot(at+".fields", name), dot(at+".fields", name)+": "+err.Error(), "")
				delete(rs.Fields, name)
			}
		}
		good = append(good, rs)
		k.dedupeKey(at+".dedupe.key", s.Dedupe.Key, rs)
	}
	env, err := rules.NewEnv(good...)
	if err != nil { // each of them went well
		k.wrong("sources", "sources: "+err.Error(), "")
	}
	k.c.Env = env
}

// fieldTypes are the words rules.ParseType knows.
var fieldTypes = []string{"any", "string", "integer", "number", "bool"}

// fieldOrder is the fields from top to bottom, so that of two that contradict
// each other the second is reported.
func (k *checker) fieldOrder(section string, fields map[string]string) []string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
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
		k.doubt("rules", "there are no rules: events are stored and go nowhere", "rules:\n  - {name: all, when: \"true\", to: [name-of-a-target]}")
	}
	first := make(map[string]int, len(k.c.Rules))
	for i, r := range k.c.Rules {
		at := index("rules", i)
		who := k.ruleLabel(i)
		switch before, twice := first[r.Name]; {
		case r.Name == "":
			k.missing(at+".name", "it stands in the log, in metrics and in tests")
		case !goodName.MatchString(r.Name):
			k.say(at+".name", nameRule, nameHint)
		case twice:
			k.wrong(at+".name", fmt.Sprintf("%s: rules[%d] has the same name", who, before), "")
		default:
			first[r.Name] = i
		}
		if strings.TrimSpace(r.When) == "" {
			k.wrong(at+".when", who+": when is missing", `an expression: transaction_status == "REJECTED", or true for every event`)
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
		k.wrong(at, who+": to is missing", "to: [name-of-a-target], or to: [] to send nowhere")
	}
	seen := make(map[string]bool, len(to))
	for j, name := range to {
		if seen[name] {
			k.doubt(index(at, j), who+": the target stands here twice, and gets the event once", "")
		}
		seen[name] = true
		k.targetExists(index(at, j), name, who)
	}
}

// compileRules compiles what there is to compile.
func (k *checker) compileRules() {
	var list []rules.Rule
	var where []int
	for i, r := range k.c.Rules {
		if strings.TrimSpace(r.When) != "" {
			list = append(list, rules.Rule{Name: r.Name, When: r.When, To: r.To, Stop: r.Stop, Disabled: !r.Enabled, Shadow: r.Shadow})
			where = append(where, i)
		}
	}
	set, problems := rules.Compile(k.c.Env, list)
	for j, ps := range problems {
		for _, p := range ps {
			k.compiled(index("rules", where[j])+".when", k.ruleLabel(where[j]), p)
		}
	}
	k.c.Set = set
}

// mustRoute compiles the promises as rules of their own: they are boolean too.
func (k *checker) mustRoute() {
	for i, expression := range k.c.MustRoute {
		at := index("must_route", i)
		_, problems := rules.Compile(k.c.Env, []rules.Rule{{Name: at, When: expression}})
		for _, p := range problems[0] {
			k.compiled(at, at, p)
		}
	}
}
