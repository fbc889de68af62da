package relay_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay"
	"invitation-relay/relay/relaytest"
)

const shapedConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%[1]s"}
log: {level: debug}
sources:
  plain: {path: /plain}
rules:
  - {name: all, when: 'cifcod == "C-CANARY-77"', to: [whole, some, veiled]}
targets:
  whole:  {http: {url: "%[2]s/whole"}}
  some:   {http: {url: "%[2]s/some/{{ payload }}"}, fields: [id, transaction_status]}
  veiled: {http: {url: "%[2]s/veiled", json: {who: "{{ full_name }}", all: "{{ payload }}"}}, mask: [full_name, cifcod]}
`

// TestAHiddenFieldLeavesOnlyByTheTargetsThatMayHaveIt: rules see all of an event, and a target what its fields and mask
// say, in what is sent and in what explain shows of it.
func TestAHiddenFieldLeavesOnlyByTheTargetsThatMayHaveIt(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	yaml := fmt.Sprintf(shapedConfig, filepath.Join(t.TempDir(), "relay.db"), receiver.URL())
	const body = `{"id":"i-1","full_name":"Canary Person","cifcod":"C-CANARY-77","transaction_status":"REJECTED","attempts":3}`
	want := map[string]string{
		"whole":  body,
		"some":   `{"id":"i-1","transaction_status":"REJECTED"}`,
		"veiled": `{"all":{"attempts":3,"cifcod":"C***","full_name":"C***","id":"i-1","transaction_status":"REJECTED"},"who":"C***"}`,
	}
	w := startWorld(t, yaml)
	if code, answer := w.post("/plain", body); code != 202 {
		t.Fatalf("%d %s", code, answer)
	}
	got, err := receiver.Wait(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	for _, r := range got {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URI, "/"), "/")
		if string(r.Body) != want[name] {
			t.Errorf("%s got %s, want %s", name, r.Body, want[name])
		}
		if name != "whole" && strings.Contains(strings.ToUpper(r.URI+fmt.Sprint(r.Header)), "CANARY") {
			t.Errorf("%s: %s %v", name, r.URI, r.Header)
		}
	}
	o, err := dryRun(t, yaml).Run(t.Context(), relay.Webhook{Source: "plain", Body: []byte(body), At: time.Now()})
	if err != nil || len(o.Messages()) != 3 {
		t.Fatal(o, err)
	}
	for _, m := range o.Messages() {
		if m.Err != nil || m.Body != want[m.Target] {
			t.Errorf("%s would get %s (%v), want %s", m.Target, m.Body, m.Err, want[m.Target])
		}
	}
}
