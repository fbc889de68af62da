package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesAreReadFromAConfigThatIsNotReady(t *testing.T) {
	for text, want := range map[string]Names{
		"sources: {b: {path: '${env:NOT_SET}'}, a: }\nrules: [{name: r2, when: (, to: [x]}, {name: r1}]\ntargets: {t-2: {slack: 3}, t_1: {}}\nother: 1\n": {
			Sources: []string{"b", "a"}, Rules: []string{"r2", "r1"}, Targets: []string{"t-2", "t_1"},
		},
		"sources: &s {a: {}}\ntargets: *s\n":                           {Sources: []string{"a"}, Targets: []string{"a"}},
		"sources: [a]\nrules: {name: r}\ntargets: {t: {}}\n":           {Targets: []string{"t"}},
		"sources: {\"a\\e[31m\": {}, \"b c\": {}, \"\": {}, ok: {}}\n": {Sources: []string{"ok"}},
		"rules: [1, [], {name: [x]}, {name: r}]\n":                     {Rules: []string{"r"}},
		"sources: {a: ": {},
		"":              {},
	} {
		path := filepath.Join(t.TempDir(), "relay.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ReadNames(path)); diff != "" {
			t.Errorf("%s\n%s", text, diff)
		}
	}
	if diff := cmp.Diff(Names{}, ReadNames(filepath.Join(t.TempDir(), "none.yaml"))); diff != "" {
		t.Error(diff)
	}
}
