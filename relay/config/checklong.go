package config

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// bounded is a kind of target that cuts what is too long.
type bounded interface {
	Overlong(env *rules.Env, in *rules.Input, r target.Report)
}

// overlong warns of texts that a target would cut for an event that may well
// come: a usual one, and one of a person with a long name.
func (k *checker) overlong() {
	for _, t := range k.c.TargetsInOrder() {
		at := dot("targets", t.Name)
		var of bounded
		switch t.Kind() {
		case "slack":
			of = t.Slack
		case "email":
			of = t.Email
		}
		if of == nil || k.brokenBelow(at) {
			continue
		}
		said := make(map[string]bool)
		for _, s := range k.c.SourcesInOrder() {
			for _, in := range samples(s) {
				example, _ := json.Marshal(in.Payload) // made of plain values: no error
				of.Overlong(k.c.Env, in, func(path string, _, _ int, message, _ string) {
					if whole := dot(at+"."+t.Kind(), path); !said[whole] {
						said[whole] = true
						k.doubt(whole, message, "for example with "+string(example))
					}
				})
			}
		}
	}
}

// samples are events of a source as one would expect them.
func samples(s *Source) []*rules.Input {
	fields, _ := rules.PresetFields(s.Preset)
	usual := make(map[string]any)
	for _, f := range fields {
		switch {
		case !f.Documented:
		case len(f.Known) > 0:
			usual[f.Name] = f.Known[0]
		case f.Name == "id" || f.Name == "ticket":
			usual[f.Name] = "6f1b0a52-3c1e-4e0b-9a57-2d9c1f4b7e10"
		case f.Name == "full_name":
			usual[f.Name] = "Jon Doe"
		case f.Type == rules.String:
			usual[f.Name] = "C-1024"
		case f.Type == rules.Integer:
			usual[f.Name] = 1
		}
	}
	inputs := []*rules.Input{sample(s, usual)}
	if _, named := usual["full_name"]; named {
		long := maps.Clone(usual)
		long["full_name"] = strings.TrimSpace(strings.Repeat("Jonathan ", 9)) // 80 characters: some documents have room for that
		inputs = append(inputs, sample(s, long))
	}
	return inputs
}

func sample(s *Source, payload map[string]any) *rules.Input {
	return &rules.Input{
		EventID: "0193a6a0-0000-7000-8000-000000000001", Source: s.Name,
		ReceivedAt: time.Date(2027, 3, 3, 12, 0, 0, 0, time.UTC), Payload: payload,
	}
}
