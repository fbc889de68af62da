package rules_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"invitation-relay/rules"
)

// testdata/review.txt holds sets of rules; review.golden is what is said of them.
// A line is "name: when -> targets", with !stop, !shadow or !off behind it, or
// "must: expression"; an empty line ends a set.
func TestReviewSaysWhatCanBeSaidOfRulesWithoutAnEvent(t *testing.T) {
	source, err := os.ReadFile("testdata/review.txt")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i, block := range strings.Split(strings.TrimSpace(string(source)), "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString(block + "\n")
		set, must := readSet(t, block)
		for _, f := range set.Review(must) {
			who := fmt.Sprintf("must_route[%d]", f.Entry)
			if f.Rule >= 0 {
				who = set.Names()[f.Rule]
			}
			word := "error"
			if f.Warning {
				word = "warning"
			}
			fmt.Fprintf(&b, "    %s %s %d:%d %s\n", word, who, f.Line, f.Col, f.Message)
			if f.Hint != "" {
				fmt.Fprintf(&b, "          hint: %s\n", strings.ReplaceAll(f.Hint, "\n", "\n                "))
			}
		}
	}
	golden(t, "review.golden", b.String())
}

// readSet reads one set in that form.
func readSet(t testing.TB, block string) (*rules.Set, *rules.Must) {
	t.Helper()
	var list []rules.Rule
	var entries []string
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || line == "" {
			continue
		}
		name, rest, _ := strings.Cut(line, ": ")
		if name == "must" {
			entries = append(entries, rest)
			continue
		}
		r := rules.Rule{Name: name}
		for flag, set := range map[string]*bool{" !stop": &r.Stop, " !shadow": &r.Shadow, " !off": &r.Disabled} {
			rest, *set = strings.ReplaceAll(rest, flag, ""), strings.Contains(rest, flag)
		}
		when, to, _ := strings.Cut(rest, " ->")
		r.When, r.To = when, strings.Fields(to)
		list = append(list, r)
	}
	e := env(t, rules.Source{Name: "preventor", Preset: "invitation", Fields: map[string]rules.Type{
		"region": rules.String, "score": rules.Number, "vip": rules.Bool, "extra": rules.Any,
	}})
	if strings.HasPrefix(block, "# two sources") {
		e = env(t, rules.Source{Name: "preventor", Preset: "invitation"}, rules.Source{Name: "tickets", Preset: "idv-ticket"}, rules.Source{Name: "other", Preset: "json"})
	}
	set, problems := rules.Compile(e, list)
	if set == nil {
		t.Fatalf("%s: %+v", block, problems)
	}
	must, problems := rules.CompileMust(e, entries)
	if must == nil {
		t.Fatalf("%s: %+v", block, problems)
	}
	return set, must
}
