package rules

import (
	"reflect"
	"strings"
	"testing"
)

// What a pool keeps must not keep a person's name: the whole of a machine is
// searched, also what lies behind the ends of its slices.
func TestMachineForgetsTheEvent(t *testing.T) {
	const canary = "Canary-Value-31337"
	env, err := NewEnv(Source{Name: "s", Preset: "invitation"})
	if err != nil {
		t.Fatal(err)
	}
	in := &Input{Source: "s", EventID: canary, Payload: map[string]any{
		"full_name": canary, "list": []any{canary, map[string]any{"n": canary}, []any{canary}},
	}}
	for _, source := range []string{
		`full_name`,
		`[full_name, [full_name, event_id]]`,
		`let x = full_name; let y = x + x; x + y`,
		`map(payload.list, [#, full_name])`,
		`any(payload.list, # == "x") || any(payload.list, # == full_name) || all(payload.list, any(payload.list, # == nil))`,
		`groupBy(payload.list, string(#))`,
		`reduce(payload.list, string(#acc) + string(#))`,
		`int(full_name)`, // fails with values on the stack
		`map(payload.list, int(full_name))`,
		`upper(full_name) + string(payload)`,
	} {
		v, problem := CompileValue(env, source)
		if problem != nil {
			t.Fatalf("%s: %v", source, problem)
		}
		m := newMachine()
		v.text.frame.fill(m.vars, in)
		_, _ = m.run(v.text.pieces[0].program) // an error is as good as a value here
		if !holds(reflect.ValueOf(m), canary, 0) {
			t.Errorf("%s: the search finds nothing even before, so it proves nothing", source)
		}
		m.forget()
		if holds(reflect.ValueOf(m), canary, 0) {
			t.Errorf("%s: the machine still holds a value of the event", source)
		}
	}
}

func holds(v reflect.Value, text string, depth int) bool {
	if depth > 20 {
		return false
	}
	switch v.Kind() {
	case reflect.String:
		return strings.Contains(v.String(), text)
	case reflect.Pointer, reflect.Interface:
		return !v.IsNil() && holds(v.Elem(), text, depth+1)
	case reflect.Slice:
		v = v.Slice(0, v.Cap())
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			if holds(v.Index(i), text, depth+1) {
				return true
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if holds(it.Key(), text, depth+1) || holds(it.Value(), text, depth+1) {
				return true
			}
		}
	case reflect.Struct:
		for _, field := range v.Fields() {
			if holds(field, text, depth+1) {
				return true
			}
		}
	default:
	}
	return false
}
