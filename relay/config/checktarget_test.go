package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestMistakesOfTargetsAreReportedWhereTheyStand: what a kind of target finds
// under a path of its own is a place in the file, also inside json: and blocks:.
func TestMistakesOfTargetsAreReportedWhereTheyStand(t *testing.T) {
	const top = `
sources:
  preventor: {path: /webhooks/invitation, auth: {anonymous: true}}
rules:
  - {name: all, when: "true", to: [it]}
targets:
  it:
`
	for _, c := range []struct{ path, body string }{ // § is the place
		{"http.url", `    http: {url: §"ftp://api.example"}`},
		{"http.url", "    §http:\n      method: POST"},
		{"http.url", "    http:\n      §url:"},
		{"http.url", "    http:\n      url: https://api.example/{{ §tickt }}"},
		{"http.json.a[1]", "    http:\n      url: https://api.example\n      json: {a: [1, '{{ §tickt }}']}"},
		{"http.json.a.b", "    http:\n      url: https://api.example\n      json:\n        a:\n          b: |\n            x\n            {{ §tickt }}"},
		{"http.headers.X-Ticket", "    http:\n      url: https://api.example\n      headers:\n        X-Ticket: '{{ §tickt }}'"},
		{"http.sign[1]", "    http:\n      url: https://api.example\n      sign:\n        - whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n        - §'?'"},
		{"slack.text", "    slack:\n      webhook_url: https://hooks.example/x\n      text: \"\\\"{{ §tickt }}\""},
		{"slack.blocks[0].text.text", "    slack:\n      webhook_url: https://hooks.example/x\n      blocks:\n        - type: section\n          text: {type: mrkdwn, text: \"{{ §tickt }}\"}"},
		{"email.html", "    email: {host: mail.example, from: a@relay.example, to: [b@relay.example], html: '<p>{{ §tickt }}'}"},
		{"email.to[1]", "    email: {host: mail.example, from: a@relay.example, to: [b@relay.example, §x]}"},
		{"email", "    §email: {from: a@relay.example, to: [b@relay.example]}"},
		{"log.level", "    log: {level: §loud}"},
	} {
		before, after, _ := strings.Cut(c.body, "§")
		_, problems := parse(t, top+before+after+"\n")
		if len(problems) == 0 {
			t.Errorf("%s is taken", c.body)
			continue
		}
		before = top + before
		line, col := 1+strings.Count(before, "\n"), len(before)-strings.LastIndexByte(before, '\n')
		want := fmt.Sprintf("relay.yaml:%d:%d: targets.it.%s: ", line, col, c.path)
		if got := problems[0].String(); !strings.HasPrefix(got, want) {
			t.Errorf("%s\nwant %s\ngot  %s", c.body, want, got)
		}
	}
}
