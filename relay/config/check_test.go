package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

func TestSourceWithoutAuthIsForThisMachineOnly(t *testing.T) {
	open := strings.Replace(minimal, "auth: {anonymous: true}", "max_body: 1KiB", 1)
	for listen, want := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:8080": true, "'[::1]:8080'": true, "':8080'": false, "192.0.2.1:8080": false, "relay.example:8080": false,
	} {
		_, problems := parse(t, "server: {listen: "+listen+"}\n"+open)
		if got := problems.Err() == nil; got != want {
			t.Errorf("%s: %s", listen, problems)
		}
	}
	if _, problems := parse(t, open); problems.Err() == nil {
		t.Error("the default address is taken")
	}
}

// TestRefusalOfAnOpenSourceCanBePasted: the lines of the hint, pasted below the
// source, are a config.
func TestRefusalOfAnOpenSourceCanBePasted(t *testing.T) {
	const open = "rules:\n  - {name: all, when: \"true\", to: [api]}\ntargets:\n  api: {log: {}}\nsources:\n  my-vendor:\n    path: /webhooks\n"
	_, problems := parse(t, open)
	lines := strings.Split(problems[0].Hint, "\n")
	for name, pasted := range map[string][]string{"auth": lines[1:3], "anonymous": lines[4:5]} {
		text := open + "    " + strings.Join(pasted, "\n    ") + "\n"
		_, problems := Parse("relay.yaml", []byte(text), Options{Lookup: func(name string) (string, bool) { return "secret", name == "MY_VENDOR_PASSWORD" }})
		for _, p := range problems {
			t.Errorf("%s: %s\n%s", name, p, text)
		}
	}
}

func TestAdminOnTheNetworkNeedsUsers(t *testing.T) {
	const users = ", users: [{name: ops, password_hash: $2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy}]"
	for admin, want := range map[string]bool{
		"listen: 127.0.0.1:1": true, "listen: localhost:1": true, "listen: ':1'": false, "listen: 192.0.2.1:1": false, "listen: 192.0.2.1:1, users: []": false,
		"listen: 192.0.2.1:1" + users: true, "listen: 127.0.0.1:1" + users: true,
	} {
		_, problems := parse(t, "admin: {"+admin+"}\n"+minimal)
		if got := problems.Err() == nil; got != want {
			t.Errorf("%s: %s", admin, problems)
		}
	}
}

// TestRulesAreCompiledAsTheyAreWritten, with all their switches.
func TestRulesAreCompiledAsTheyAreWritten(t *testing.T) {
	c := mustParse(t, `
sources:
  preventor: {path: /webhooks/invitation, auth: {anonymous: true}, fields: {region: string}}
rules:
  - {name: "off", when: "true", to: [api], enabled: false}
  - {name: shadowed, when: "true", to: [api], shadow: true}
  - {name: first, when: unmatched && region == "EU", to: [api]}
  - {name: last, when: attempts == 3, to: [], stop: true}
  - {name: never, when: "true", to: [api]}
targets:
  api: {log: {}}
`)
	got := c.Set.Decide(&rules.Input{
		Source: "preventor", ReceivedAt: time.Unix(0, 0).UTC(),
		Payload: map[string]any{"id": "i", "attempts": 3, "region": "EU"},
	})
	want := []rules.Verdict{rules.NotEvaluated, rules.Shadowed, rules.Match, rules.Match, rules.NotEvaluated}
	if diff := cmp.Diff(want, got.Verdicts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(got.Targets) != 1 || got.Targets[0] != "api" {
		t.Errorf("targets %v", got.Targets)
	}
}

func TestTargetOfAlarmsIsUsed(t *testing.T) {
	_, problems := parse(t, "alarms: {to: [ops]}\n"+minimal+"  ops: {log: {}}\n")
	if len(problems) != 0 {
		t.Errorf("%s", problems)
	}
}

// TestNamesCannotSteerATerminal: a config may come from somebody else.
func TestNamesCannotSteerATerminal(t *testing.T) {
	_, problems := parse(t, `{"a\e[2Jb\n": 1, targets: {"x\e]0;y\a\n\u202e": {"\u009b": 2, log: {"\r": 3}}}}`)
	if len(problems) < 4 {
		t.Errorf("%s", problems)
	}
	for _, p := range problems {
		if strings.ContainsAny(p.Message+p.Hint, "\x1b\a\r\u202e\u009b") || strings.Contains(p.Message, "\n") {
			t.Errorf("%q", p)
		}
	}
}
