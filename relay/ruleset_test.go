package relay

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/rules"
)

const rulesetYAML = `
sources:
  a: {path: /a, fields: {score: number}, auth: {anonymous: true}}
  b: {path: /b, preset: idv-ticket, auth: {anonymous: true}}
rules:
  - {name: off, when: 'attempts == 1', to: [log], enabled: false}
  - {name: named, when: 'full_name startsWith "Jon" && len(split(full_name, " ")) > 1', to: [log]}
  - {name: dim, when: 'score > 0.5', to: [log], shadow: true}
  - {name: rest, when: 'unmatched || cifcod == "C-77"', to: [log], stop: true}
  - {name: behind, when: 'attempts > 0', to: []}
targets: {log: {log: {}}}
`

func parsed(t *testing.T, yaml string) *config.Config {
	t.Helper()
	cfg, problems := config.Parse("relay.yaml", []byte(yaml), config.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestRulesetIsOneTextAndComesBackAsItWas(t *testing.T) {
	text, err := rulesetOf(parsed(t, rulesetYAML))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := rulesetOf(parsed(t, rulesetYAML))
	if text != again || strings.ContainsAny(text, "\n") {
		t.Errorf("not one text:\n%s\n%s", text, again)
	}
	kept := readRuleset(text)
	want := keptRule{Name: "rest", When: `unmatched || cifcod == "C-77"`, Enabled: true, Stop: true, To: []string{"log"}}
	if diff := cmp.Diff(want, kept.Rules[3]); diff != "" || len(kept.Rules) != 5 || kept.Rules[0].Enabled || !kept.Rules[2].Shadow {
		t.Errorf("rules %+v (-want +got):\n%s", kept.Rules, diff)
	}
	if diff := cmp.Diff([]keptSource{{"a", "invitation", map[string]string{"score": "number"}}, {"b", "idv-ticket", nil}}, kept.Sources); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	for _, broken := range []string{"", "{", `"text"`, "[]"} {
		if got := readRuleset(broken); len(got.Rules) != 0 {
			t.Errorf("%q is read as %+v", broken, got)
		}
	}
}

func TestVerdictsFollowFromThoseTheStoreHas(t *testing.T) {
	text, _ := rulesetOf(parsed(t, rulesetYAML))
	kept := readRuleset(text)
	for _, c := range []struct {
		stored []outbox.Verdict
		want   string
	}{
		{nil, "not_evaluated no_match no_match no_match no_match"},
		{[]outbox.Verdict{{Rule: "named", Verdict: "match"}, {Rule: "dim", Verdict: "shadow"}}, "not_evaluated match shadow no_match no_match"},
		{[]outbox.Verdict{{Rule: "dim", Verdict: "error"}, {Rule: "rest", Verdict: "match"}}, "not_evaluated no_match error match not_evaluated"},
		{[]outbox.Verdict{{Rule: "behind", Verdict: "a word of a later release"}}, "not_evaluated no_match no_match no_match no_match"},
	} {
		var got []string
		for _, v := range kept.verdicts(c.stored) {
			got = append(got, verdictWord(v))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%v: %s, want %s", c.stored, s, c.want)
		}
	}
}

// decidedOf is an event as the rules of rulesetYAML decided about it.
func decidedOf(t *testing.T, kept *ruleset, body string) *decided {
	t.Helper()
	cfg := parsed(t, rulesetYAML)
	x := &decided{kept: kept, e: &outbox.StoredEvent{Event: event.Event{Source: "a", Body: []byte(body)}}}
	d := cfg.Set.Decide(x.input(x.e.Body, kept.schema("a")))
	names := cfg.Set.Names()
	for i, v := range d.Verdicts {
		if v != rules.NoMatch && v != rules.NotEvaluated {
			x.e.Verdicts = append(x.e.Verdicts, outbox.Verdict{Rule: names[i], Verdict: v.String()})
		}
	}
	x.said = kept.verdicts(x.e.Verdicts)
	return x
}

const decidedBody = `{"id":"i-1","full_name":"Jon Doe","cifcod":"C-77","ticket":"Jon Doe","attempts":3,"score":"high"}`

// values are the parts of a rule that have values, as "text=values".
func values(x *decided, rule int) (out []string) {
	for _, p := range x.rules()[rule].Parts {
		text := p.Text
		for _, v := range p.Values {
			text += "=" + strings.TrimSpace(compactJSON(v))
		}
		out = append(out, text)
	}
	return out
}

func TestValuesAreThoseOfTheDecisionAndVeiledWhereTheyTellOfAPerson(t *testing.T) {
	text, _ := rulesetOf(parsed(t, rulesetYAML))
	for name, c := range map[string]struct {
		masked []byte
		want   []string
	}{
		"full": {nil, []string{
			`full_name startsWith "Jon" && len(split(full_name, " ")) > 1=true`, `full_name startsWith "Jon"=true`, `full_name="Jon Doe"`,
			`len(split(full_name, " ")) > 1=true`, `len(split(full_name, " "))=2`, `split(full_name, " ")=["Jon","Doe"]`, `full_name="Jon Doe"`,
		}},
		"masked": {event.MaskBody([]byte(decidedBody), []string{"full_name", "cifcod"}), []string{
			`full_name startsWith "Jon" && len(split(full_name, " ")) > 1=true`, `full_name startsWith "Jon"=true`, `full_name="J***"`,
			// With the name masked these are not evaluated any more.
			`len(split(full_name, " ")) > 1=true`, `len(split(full_name, " "))="***"`, `split(full_name, " ")="***"`, `full_name="***"`,
		}},
	} {
		x := decidedOf(t, readRuleset(text), decidedBody)
		x.explain(x.e.Body, c.masked)
		if diff := cmp.Diff(c.want, values(x, 1)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		got := x.rules()
		if got[2].Verdict != "error" || len(got[2].Parts) == 0 || !got[2].Parts[0].Failed {
			t.Errorf("%s: what failed is %+v", name, got[2])
		}
		if len(got[0].Parts) != 0 || len(got[4].Parts) != 0 {
			t.Errorf("%s: what was not looked at has parts: %+v", name, got)
		}
	}
}

func TestNoValueOfAMaskedEventTellsOfThePerson(t *testing.T) {
	text, _ := rulesetOf(parsed(t, rulesetYAML))
	kept := readRuleset(text)
	kept.Rules = nil
	for _, when := range []string{
		`payload.full_name + cifcod != "" && lower(full_name) != "x" && upper(full_name) startsWith "J"`,
		`any(split(full_name, " "), # == "Doe") || map(split(full_name, " "), upper(#))[0] == ""`,
		`filter([full_name, ticket, "x"], len(#) > 3) != ["y"] && {"who": full_name}.who != ""`,
		`len(full_name) > 5 && full_name[4:] == "Doe" && int(cifcod[2:]) > 70 && int(cifcod[2:]) - 1 == 76`,
		`let name = full_name; name + "!" != "" && (name startsWith "J" ? reverse(split(name, "")) : []) != ["y"]`,
		`toJSON(payload) contains "Doe" && (payload ?? {}) != {} && payload["full_name"] != "x"`,
	} {
		kept.Rules = append(kept.Rules, keptRule{Name: "r", When: when, Enabled: true})
	}
	x := &decided{kept: kept, said: make([]rules.Verdict, len(kept.Rules)), e: &outbox.StoredEvent{
		Event: event.Event{Source: "a", Body: []byte(decidedBody)},
	}}
	for i := range x.said {
		x.said[i] = rules.Match
	}
	x.explain(x.e.Body, event.MaskBody(x.e.Body, []string{"full_name", "cifcod", "ticket"}))
	for i, r := range x.rules() {
		if len(r.Parts) < 4 {
			t.Errorf("rule %d has parts %v: the test saw little", i, values(x, i))
		}
		for _, p := range r.Parts {
			value := compactJSON(p.Values)
			for _, canary := range []string{"Doe", "doe", "DOE", "JON", "C-77", "77", "76", `"e"`} {
				if strings.Contains(value, canary) {
					t.Errorf("%q is in %s of %s", canary, value, p.Text)
				}
			}
		}
	}
}

func TestTextThatIsAMaskedFieldsIsVeiledElsewhereToo(t *testing.T) {
	text, _ := rulesetOf(parsed(t, strings.Replace(rulesetYAML, "attempts > 0", `ticket != "x"`, 1)))
	kept := readRuleset(strings.Replace(text, `"stop":true,`, "", 1))
	x := decidedOf(t, kept, decidedBody)
	x.said[4] = rules.Match
	x.explain(x.e.Body, event.MaskBody(x.e.Body, []string{"full_name"}))
	if diff := cmp.Diff([]string{`ticket != "x"=true`, `ticket="***"`}, values(x, 4)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRuleThatDoesNotCompileAnyMoreKeepsItsVerdict(t *testing.T) {
	text, _ := rulesetOf(parsed(t, rulesetYAML))
	kept := readRuleset(text)
	kept.Rules[1].When = "oldFunction(full_name)"
	x := decidedOf(t, kept, decidedBody)
	x.explain(x.e.Body, nil)
	got := x.rules()
	if got[1].Verdict != "match" || len(got[1].Parts) != 0 || got[1].When != "oldFunction(full_name)" {
		t.Errorf("it is shown as %+v", got[1])
	}
	// That it matched is still known to those behind it.
	if diff := cmp.Diff([]string{`unmatched || cifcod == "C-77"=true`, `unmatched=false`, `cifcod == "C-77"=true`, `cifcod="C-77"`}, values(x, 3)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRuleThatSaysSomethingElseNowHasNoParts(t *testing.T) {
	text, _ := rulesetOf(parsed(t, rulesetYAML))
	x := decidedOf(t, readRuleset(text), decidedBody)
	x.said[1] = rules.NoMatch
	x.explain(x.e.Body, nil)
	if got := x.rules()[1]; got.Verdict != "no_match" || len(got.Parts) != 0 {
		t.Errorf("it is shown as %+v", got)
	}
}

func TestEventWithoutARulesetHasTheVerdictsThatWereStored(t *testing.T) {
	x := &decided{kept: readRuleset(""), e: &outbox.StoredEvent{
		Event: event.Event{Source: "a", Body: []byte(decidedBody)}, Verdicts: []outbox.Verdict{{Rule: "x", Verdict: "match"}},
	}}
	x.explain(x.e.Body, nil)
	got := x.rules()
	if len(got) != 1 || got[0].Name != "x" || got[0].Verdict != "match" || got[0].When != "" {
		t.Errorf("rules %+v", got)
	}
}

func compactJSON(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // values are made of what JSON has
	return b.String()
}
