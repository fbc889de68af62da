package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdminListenIsReadFromAConfigThatIsNotReady(t *testing.T) {
	o := Options{Lookup: func(name string) (string, bool) { return "127.0.0.1:7", name == "SET" }}
	for text, want := range map[string]string{
		"admin: {listen: 127.0.0.1:1}\ntargets: {t: {slack: {webhook_url: '${env:NOT_SET}'}}}\nrules: 5\n": "127.0.0.1:1",
		"admin: {listen: '${env:SET}'}\nother: 1\n":                                                        "127.0.0.1:7",
		"sources: {a: {}}\n": "127.0.0.1:9090",
	} {
		path := filepath.Join(t.TempDir(), "relay.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, problems := ReadAdminListen(path, o); got != want || problems != nil {
			t.Errorf("%s\n%q, %v", text, got, problems)
		}
	}
}

func TestAdminListenThatCannotBeReadIsTheOnlyMistakeTold(t *testing.T) {
	o := Options{Lookup: func(string) (string, bool) { return "", false }}
	for text, want := range map[string]string{
		"other: 1\nadmin: {listen: '${env:NOT_SET}'}\n": "relay.yaml:2:17: ",
		"other: 1\nadmin: 5\n":                          "relay.yaml:2:8: ",
		"admin: {":                                      "relay.yaml:",
	} {
		path := filepath.Join(t.TempDir(), "relay.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, problems := ReadAdminListen(path, o)
		if got != "" || len(problems) != 1 || !strings.Contains(problems.Error(), want) {
			t.Errorf("%s\n%q, %v", text, got, problems)
		}
	}
	if _, problems := ReadAdminListen(filepath.Join(t.TempDir(), "nowhere.yaml"), o); !errors.Is(problems.Err(), ErrRead) {
		t.Errorf("without a file: %v", problems)
	}
}
