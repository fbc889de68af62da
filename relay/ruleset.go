package relay

import (
	"encoding/json"
	"fmt"

	"invitation-relay/relay/config"
	"invitation-relay/relay/intake"
	"invitation-relay/rules"
)

// ruleset is what decided about an event, as it is kept with it: the rules, and
// the fields they were compiled with. It is enough to evaluate them again, years
// and configs later, since an expression sees nothing but the event.
type ruleset struct {
	Rules   []keptRule   `json:"rules"`
	Sources []keptSource `json:"sources"`
}

type keptRule struct {
	Name    string   `json:"name"`
	When    string   `json:"when"`
	Enabled bool     `json:"enabled"`
	Shadow  bool     `json:"shadow,omitempty"`
	Stop    bool     `json:"stop,omitempty"`
	To      []string `json:"to,omitempty"`
}

type keptSource struct {
	Name   string            `json:"name"`
	Preset string            `json:"preset"`
	Fields map[string]string `json:"fields,omitempty"` // name: type
}

// rulesetOf is the text that is stored. The same config makes the same text, so
// that a store keeps it once.
func rulesetOf(cfg *config.Config) (string, error) {
	var kept ruleset
	for i := range cfg.Rules {
		r := &cfg.Rules[i]
		kept.Rules = append(kept.Rules, keptRule{r.Name, r.When, r.Enabled, r.Shadow, r.Stop, r.To})
	}
	for _, s := range cfg.SourcesInOrder() {
		kept.Sources = append(kept.Sources, keptSource{s.Name, s.Preset, s.Fields})
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return "", fmt.Errorf("write down the rules: %w", err)
	}
	return string(text), nil
}

// readRuleset is the inverse of rulesetOf. Nothing comes of the empty text, and
// of one that cannot be read.
func readRuleset(text string) *ruleset {
	kept := new(ruleset)
	if text == "" || json.Unmarshal([]byte(text), kept) != nil {
		return new(ruleset)
	}
	return kept
}

// schema is what intake knew of a body of the source.
func (k *ruleset) schema(source string) *intake.Schema {
	for _, s := range k.Sources {
		if s.Name == source {
			return schema(s.Preset, s.Fields)
		}
	}
	return schema("json", nil)
}

// compile compiles the rules again. One that this release does not compile has
// no parts to show, which broken says by index; said stands for it, so that the
// others can be explained all the same. The set is nil when nothing can be.
func (k *ruleset) compile(said []rules.Verdict) (set *rules.Set, broken []bool) {
	var sources []rules.Source
	for _, s := range k.Sources {
		own := rules.Source{Name: s.Name, Preset: s.Preset, Fields: map[string]rules.Type{}}
		for name, word := range s.Fields {
			own.Fields[name], _ = rules.ParseType(word) // one that is not known any more can be anything
		}
		sources = append(sources, own)
	}
	env, err := rules.NewEnv(sources...)
	if err != nil {
		return nil, nil
	}
	list := make([]rules.Rule, len(k.Rules))
	for i, r := range k.Rules {
		list[i] = rules.Rule{Name: r.Name, When: r.When, To: r.To, Stop: r.Stop, Disabled: !r.Enabled, Shadow: r.Shadow}
	}
	broken = make([]bool, len(list))
	set, problems := rules.Compile(env, list)
	if set != nil {
		return set, broken
	}
	for i, found := range problems {
		for _, p := range found {
			broken[i] = broken[i] || !p.Warning
		}
		if broken[i] {
			list[i].When = fmt.Sprint(said[i] == rules.Match)
		}
	}
	set, _ = rules.Compile(env, list)
	return set, broken
}
