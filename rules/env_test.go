package rules_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"invitation-relay/rules"
)

func TestPresetsBringTheFieldsTheVendorNames(t *testing.T) {
	var b strings.Builder
	for _, preset := range rules.Presets() {
		fields, ok := rules.PresetFields(preset)
		if !ok {
			t.Fatal(preset)
		}
		fmt.Fprintf(&b, "%s\n", preset)
		for _, f := range fields {
			fmt.Fprintf(&b, "    %-20s %-8s documented=%-5t personal=%-5t %v\n", f.Name, f.Type, f.Documented, f.Personal, f.Known)
		}
	}
	golden(t, "presets.golden", b.String())
	if _, ok := rules.PresetFields("other"); ok {
		t.Error("there is no preset other")
	}
}

func TestFieldsAreSortedAndDocumented(t *testing.T) {
	fields := invitation(t).Fields()
	if !slices.IsSortedFunc(fields, func(a, b rules.Field) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted")
	}
	names := map[string]bool{}
	for _, f := range fields {
		names[f.Name] = true
		if f.Doc == "" {
			t.Errorf("%s has no documentation", f.Name)
		}
	}
	for _, name := range []string{"payload", "source", "received_at", "event_id", "unmatched", "full_name", "region"} {
		if !names[name] {
			t.Errorf("%s is missing", name)
		}
	}
	fields[0].Name, fields[1].Known = "changed", append(fields[1].Known, "changed")
	if invitation(t).Fields()[0].Name == "changed" {
		t.Error("the caller can change the environment")
	}
}

func TestTypesHaveTheWordsOfTheConfig(t *testing.T) {
	for word, want := range map[string]rules.Type{
		"any": rules.Any, "string": rules.String, "integer": rules.Integer, "number": rules.Number, "bool": rules.Bool,
	} {
		if got, ok := rules.ParseType(word); !ok || got != want || got.String() != word {
			t.Errorf("%s: %v %v", word, got, ok)
		}
	}
	for _, word := range []string{"", "time", "object", "String", "int"} {
		if _, ok := rules.ParseType(word); ok {
			t.Errorf("%q is taken for a type", word)
		}
	}
}

func TestOneNameWithTwoTypesNamesBothSources(t *testing.T) {
	_, err := rules.NewEnv(
		rules.Source{Name: "a", Preset: "json", Fields: map[string]rules.Type{"score": rules.String}},
		rules.Source{Name: "b", Preset: "json", Fields: map[string]rules.Type{"score": rules.Number}},
	)
	const want = `field "score" is string in source "a", but number in source "b"`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestMistakesInFieldsAreReportedAllAtOnce(t *testing.T) {
	e, err := rules.NewEnv(rules.Source{Name: "a", Preset: "invitation", Fields: map[string]rules.Type{
		"attempts": rules.String, "my-key": rules.String, "payload": rules.Any, "in": rules.Bool, "when": rules.Time, "": rules.Any, "1st": rules.Any,
	}}, rules.Source{Name: "b", Preset: "invitations"})
	if err == nil || e == nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`source "a": field "attempts" is declared string, but is integer in preset invitation`,
		`source "a": field "my-key" cannot be a name in expressions: read it as payload["my-key"]`,
		`source "a": field "payload": the name is taken`,
		`source "a": field "in": the name is taken`,
		`source "a": field "when": the type must be any, string, integer, number or bool`,
		`source "b": unknown preset "invitations"`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing: %s\nin %v", want, err)
		}
	}
}

func TestADeclaredTypeSharpensAFieldThePresetOnlyMentions(t *testing.T) {
	e := env(t, rules.Source{Name: "a", Preset: "invitation", Fields: map[string]rules.Type{"confidence_score": rules.Number}})
	if _, problems := rules.Compile(e, []rules.Rule{{When: `confidence_score == "high"`}}); len(problems) != 1 {
		t.Error("the declared type is not checked")
	}
	set := whens(t, e, `confidence_score == nil`)
	in := input(nil)
	in.Source = "a"
	if got := verdicts(set.Decide(in)); got != "match" {
		t.Error(got)
	}
}

// event is documented for tickets and only mentioned for invitations.
func TestAFieldDocumentedByOneSourceAndMentionedByAnotherIsCheckedAndMayBeNil(t *testing.T) {
	sources := []rules.Source{{Name: "invitations", Preset: "invitation"}, {Name: "tickets", Preset: "idv-ticket"}}
	for range 2 { // in both orders
		slices.Reverse(sources)
		e := env(t, sources...)
		if _, problems := rules.Compile(e, []rules.Rule{{When: `event == 3`}}); len(problems) != 1 {
			t.Error("the documented type is not checked")
		}
		set := whens(t, e, `event == nil`, `event == ""`, `event == "verification.completed"`)
		for source, want := range map[string]string{
			"invitations": "match no_match no_match",
			"tickets":     "no_match match no_match",
		} {
			in := &rules.Input{Source: source, Payload: map[string]any{"id": "i"}}
			if got := verdicts(set.Decide(in)); got != want {
				t.Errorf("%s: %s, want %s", source, got, want)
			}
		}
		in := &rules.Input{Source: "invitations", Payload: map[string]any{"event": 5.0}} // nobody promised a string
		if got := verdicts(set.Decide(in)); got != "no_match no_match no_match" {
			t.Error(got)
		}
	}
}

func TestAFieldOfAnotherSourceIsAbsentWhateverThePayloadHasUnderItsName(t *testing.T) {
	e := env(t, rules.Source{Name: "preventor", Preset: "invitation"},
		rules.Source{Name: "other", Preset: "json", Fields: map[string]rules.Type{"region": rules.String}})
	set := whens(t, e, `attempts >= 3`, `attempts == 0`, `region == nil`, `payload.attempts == "three"`)
	in := &rules.Input{Source: "other", Payload: map[string]any{"attempts": "three", "region": "EU"}}
	if got := verdicts(set.Decide(in)); got != "no_match match no_match match" {
		t.Error(got)
	}
	in = input(map[string]any{"region": "EU"})
	if got := verdicts(set.Decide(in)); got != "match no_match match no_match" {
		t.Error(got)
	}
}

func TestAFieldMayHaveTheNameOfAFunctionAndHidesIt(t *testing.T) {
	e := env(t, rules.Source{Name: "preventor", Preset: "json", Fields: map[string]rules.Type{"count": rules.Integer, "type": rules.String, "mask": rules.String}})
	set := whens(t, e, `count == 2`, `type == "x"`, `mask == "m"`)
	in := &rules.Input{Source: "preventor", Payload: map[string]any{"count": 2.0, "type": "x", "mask": "m"}}
	if got := verdicts(set.Decide(in)); got != "match match match" {
		t.Error(got)
	}
	if _, problems := rules.Compile(e, []rules.Rule{{When: `count([1], true) == 1`}}); len(problems) != 1 {
		t.Error("the function is still there")
	}
}

func TestAnEnvWithoutSourcesHasTheNamesOfTheRelay(t *testing.T) {
	set := whens(t, env(t), `source == "x" && payload.a == 1`)
	if got := verdicts(set.Decide(&rules.Input{Source: "x", Payload: map[string]any{"a": 1.0}})); got != "match" {
		t.Error(got)
	}
}
