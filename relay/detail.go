package relay

import (
	"reflect"
	"slices"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/rules"
)

// detail is what may be shown of a stored event, and why it was decided so: the
// ruleset that decided is evaluated again on the stored body. The language has no
// clock, so the values are those of the decision; and they are gone when the body
// is.
func (r *Relay) detail(e *outbox.StoredEvent, show admin.Show) admin.Detail {
	kept := readRuleset(e.Ruleset)
	x := &decided{e: e, kept: kept, said: kept.verdicts(e.Verdicts)}
	d := admin.Detail{}
	if e.Body != nil {
		switch show {
		case admin.ShowFull:
			d.Body = e.Body
			x.explain(e.Body, nil)
		case admin.ShowMasked:
			d.Body = event.MaskBody(e.Body, withTheSame(x.input(e.Body, kept.schema(e.Source)).Payload, r.personal(e.Source)))
			x.explain(e.Body, d.Body)
		case admin.ShowNone:
		}
	}
	d.Rules = x.rules()
	return d
}

// personal are the fields that are masked where a body is shown: those of the
// config, and those the source's preset says are about a person.
func (r *Relay) personal(source string) []string {
	cfg := r.plan.Load().cfg
	fields := slices.Clone(cfg.Privacy.Fields)
	presets := rules.Presets() // of a source that is gone it is not known which
	if s := cfg.Sources[source]; s != nil {
		presets = []string{s.Preset}
	}
	for _, preset := range presets {
		known, _ := rules.PresetFields(preset)
		for _, f := range known {
			if f.Personal {
				fields = append(fields, f.Name)
			}
		}
	}
	return fields
}

// withTheSame are the fields, and those that hold the same text as one of them: a
// name is no less a name in another place.
func withTheSame(members map[string]any, fields []string) []string {
	texts := map[string]bool{}
	for _, name := range fields {
		if text, ok := members[name].(string); ok && text != "" {
			texts[text] = true
		}
	}
	for name, value := range members {
		if text, ok := value.(string); ok && texts[text] {
			fields = append(fields, name)
		}
	}
	return fields
}

// verdicts are what the rules said, by index. The store has those worth keeping;
// the others follow from them.
func (k *ruleset) verdicts(stored []outbox.Verdict) []rules.Verdict {
	said, stopped := make([]rules.Verdict, len(k.Rules)), false
	for i, r := range k.Rules {
		if !r.Enabled || stopped {
			said[i] = rules.NotEvaluated
			continue
		}
		for _, v := range stored {
			if v.Rule == r.Name {
				said[i] = verdictOf(v.Verdict)
			}
		}
		stopped = said[i] == rules.Match && r.Stop
	}
	return said
}

// verdictOf is the inverse of rules.Verdict.String.
func verdictOf(word string) rules.Verdict {
	for v := range rules.NotEvaluated {
		if v.String() == word {
			return v
		}
	}
	return rules.NoMatch
}

// decided is how one event was decided.
type decided struct {
	e     *outbox.StoredEvent
	kept  *ruleset
	said  []rules.Verdict
	parts [][]admin.RulePart // by rule; nil: none to show
}

// rules are the rules in their order. Of an event whose ruleset was not kept
// they are those that said something.
func (x *decided) rules() []admin.DecidedRule {
	var out []admin.DecidedRule
	if len(x.kept.Rules) == 0 {
		for _, v := range x.e.Verdicts {
			out = append(out, admin.DecidedRule{Name: v.Rule, Verdict: v.Verdict})
		}
		return out
	}
	for i, r := range x.kept.Rules {
		d := admin.DecidedRule{Name: r.Name, Verdict: verdictWord(x.said[i]), When: r.When}
		if x.parts != nil {
			d.Parts = x.parts[i]
		}
		out = append(out, d)
	}
	return out
}

// explain fills in parts. With masked, a body with what is personal taken out,
// no value is shown that says more than that body does.
//
// A rule whose verdict is another than the one recorded has none: another release
// may see it otherwise, and a wrong explanation is worse than none. So has a rule
// of a replayed event that read what the original had and the copy has not.
func (x *decided) explain(body, masked []byte) {
	set, broken := x.kept.compile(x.said)
	if set == nil {
		return
	}
	schema := x.kept.schema(x.e.Source)
	whole := x.input(body, schema)
	veil := newVeil(whole, nil)
	explained, veiled := set.ExplainAs(whole, x.said), []rules.Explanation(nil)
	if masked != nil {
		hidden := x.input(masked, schema)
		veil = newVeil(whole, hidden)
		veiled = set.ExplainAs(hidden, x.said)
	}
	x.parts = make([][]admin.RulePart, len(explained))
	for i := range explained {
		gone := x.e.Kind == event.Replayed && set.Reads(i, "received_at", "event_id")
		if broken[i] || gone || explained[i].Verdict != x.said[i] || explained[i].Whole == nil {
			continue
		}
		var other *rules.Part
		if veiled != nil {
			other = veiled[i].Whole
		}
		x.parts[i] = veil.flatten(nil, explained[i].Whole, other, 0)
	}
}

func (x *decided) input(body []byte, s *intake.Schema) *rules.Input {
	fields, _ := intake.Decode(body, s) // what could be read: it was taken once
	ev := x.e.Event
	ev.Fields = fields.Members
	return input(&ev)
}

// veil hides what values say about a person beyond what the masked body says. A
// value that is the same when the rule sees the masked body says no more. One
// that is not is shown as it is then, or not at all; but for true and false: what
// a rule found out is what is asked for, and its verdict is no secret.
type veil struct {
	on     bool
	hidden map[string]bool // texts that stand in masked fields
}

func newVeil(whole, masked *rules.Input) *veil {
	if masked == nil {
		return &veil{}
	}
	v := &veil{on: true, hidden: map[string]bool{}}
	for name, value := range whole.Payload {
		if text, ok := value.(string); ok && text != "" && masked.Payload[name] != value {
			v.hidden[text] = true
		}
	}
	return v
}

const veiledValue = "***"

// flatten lists a part and those below it. other is the same part for the masked
// body; nil when there is none.
func (v *veil) flatten(out []admin.RulePart, p, other *rules.Part, depth int) []admin.RulePart {
	part := admin.RulePart{Text: p.Text, Depth: depth, Evaluated: p.Times > 0, Failed: p.Failed()}
	for i, value := range p.Values {
		if v.on {
			known := other != nil && len(other.Values) == len(p.Values)
			var seen any
			if known {
				seen = other.Values[i]
			}
			value = v.shown(value, seen, known)
		}
		part.Values = append(part.Values, value)
	}
	out = append(out, part)
	for i, below := range p.Parts {
		var same *rules.Part
		if other != nil && len(other.Parts) == len(p.Parts) {
			same = other.Parts[i]
		}
		out = v.flatten(out, below, same, depth+1)
	}
	return out
}

// shown is a value as it may be seen; masked is what it is for the masked body.
func (v *veil) shown(value, masked any, known bool) any {
	switch value := value.(type) {
	case nil, bool:
		return value
	case string:
		if v.hidden[value] && (!known || masked == any(value)) {
			return veiledValue
		}
	}
	switch {
	case !known:
		return veiledValue
	case reflect.DeepEqual(value, masked), tellsAsMuch(value, masked):
		return masked
	default:
		return veiledValue
	}
}

// tellsAsMuch reports whether the value for the masked body tells something to
// who reads it in place of the other: a masked text does, a number does not.
func tellsAsMuch(value, masked any) bool {
	a, b := reflect.TypeOf(value), reflect.TypeOf(masked)
	return a == b && a != nil && (a.Kind() == reflect.String || a.Kind() == reflect.Slice || a.Kind() == reflect.Map)
}
