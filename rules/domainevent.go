package rules

import (
	"maps"
	"slices"
	"time"
)

// event is an event with those values, nil when they contradict each other.
func (s *state) event(choice map[int]int) *Input {
	in := sample(s.source)
	own := s.u.env.sources[s.source]
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if own[name].Required {
			in.Payload[name] = requiredSample(name)
		}
	}
	vars := slices.SortedFunc(maps.Keys(choice), func(a, b int) int {
		return len(s.u.vars[a].path) - len(s.u.vars[b].path)
	})
	for _, v := range vars {
		value := s.u.vars[v].of(s.source, own)[choice[v]].value
		if !s.u.vars[v].put(in, value) {
			return nil
		}
	}
	return in
}

// requiredSample is what a required member has in an example.
func requiredSample(name string) string {
	if name == "event" {
		return "ticket.verification.completed"
	}
	return name[:1] + "-1"
}

// sample is an event of a source without any members.
func sample(source string) *Input {
	return &Input{
		EventID: "00000000-0000-7000-8000-000000000000", Source: source,
		ReceivedAt: time.Date(2027, 3, 3, 12, 0, 0, 0, time.UTC), Payload: map[string]any{},
	}
}

// put gives the variable a value in an event. It is false when another variable
// has made that impossible.
func (v *variable) put(in *Input, value any) bool {
	if at, ok := value.(time.Time); ok && v.path[0] == "" {
		in.ReceivedAt = at
		return true
	}
	if v.path[0] == "" {
		return true
	}
	missing, isHole := value.(hole)
	object, last := in.Payload, len(v.path)-1
	for step, key := range v.path[:last] {
		if isHole && missing.step == step {
			there := object[key] != nil
			if missing.misfit {
				object[key] = true
			}
			return !there
		}
		below, isObject := object[key].(map[string]any)
		switch {
		case object[key] != nil && !isObject:
			return false
		case !isObject:
			below = map[string]any{}
			object[key] = below
		}
		object = below
	}
	if isHole {
		return object[v.path[last]] == nil
	}
	if _, empty := value.(map[string]any); empty {
		value = map[string]any{} // stands are never shared with an event
	}
	object[v.path[last]] = value
	return true
}
