package rules

import (
	"slices"
	"testing"
)

func TestWithoutAFieldAnExpressionCannotNameIt(t *testing.T) {
	env, err := NewEnv(Source{Name: "a", Preset: "invitation", Fields: map[string]Type{"region": String}})
	if err != nil {
		t.Fatal(err)
	}
	some := env.Without(func(name string) bool { return name != "id" && name != "region" })
	for text, ok := range map[string]bool{
		"{{ id }} {{ region }} {{ event_id }} {{ source }} {{ received_at }} {{ payload.id }} {{ payload }}": true,
		"{{ full_name }}": false, "{{ attempts }}": false, "{{ payload.full_name }}": false,
	} {
		if _, p := CompileText(some, text, Plain); (p == nil) != ok {
			t.Errorf("%s: %v", text, p)
		}
		if _, p := CompileText(env, text, Plain); p != nil {
			t.Errorf("%s: the whole is not what it was: %v", text, p)
		}
	}
}

func TestSenderFieldsAreWithoutWhatTheRelayAdds(t *testing.T) {
	env, err := NewEnv(Source{Name: "a", Preset: "json", Fields: map[string]Type{"region": String, "amount": Number}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range env.SenderFields() {
		names = append(names, f.Name)
	}
	if !slices.Equal(names, []string{"amount", "region"}) {
		t.Errorf("got %q", names)
	}
}
