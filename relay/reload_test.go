package relay_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/relaytest"
)

const reloadConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:STORE"}
log: {level: warn}
sources: {plain: {path: /plain}}
rules: [{name: all, when: "true", to: [hook]}]
targets: {hook: {http: {url: "HOOK"}}}
`

func TestReloadTakesEffectWholeOrNotAtAll(t *testing.T) {
	first, second := relaytest.NewTarget(t), relaytest.NewTarget(t)
	good := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", first.URL()).Replace(reloadConfig)
	w := startWorld(t, good)
	w.accepted(`{"id":"before"}`)
	if _, err := first.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}

	for _, bad := range []string{
		strings.Replace(good, "to: [hook]", "to: [hok]", 1),
		strings.Replace(good, "path: /plain", "path: /other, paht: /plain", 1),
		strings.Replace(good, `server: {listen: "127.0.0.1:0"}`, `server: {listen: "127.0.0.1:1"}`, 1),
		strings.Replace(good, "store: {", "store: {encryption_keys: [0123456789abcdef0123456789abcdef], ", 1),
		strings.Replace(good, first.URL(), "http://169.254.169.254/", 1) + "nonsense",
	} {
		w.yaml.Store(&bad)
		if status, body := w.reload(); status != http.StatusUnprocessableEntity || !strings.Contains(body, "problems") {
			t.Errorf("a bad file is answered %d %s, want 422 with what is wrong", status, body)
		}
	}
	w.accepted(`{"id":"after a bad file"}`)
	if _, err := first.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(w.get("/metrics"), "relay_config_reload_success 0") {
		t.Error("no metric says that the last file was refused")
	}

	better := strings.NewReplacer(first.URL(), second.URL(), "/plain", "/moved").Replace(good)
	w.yaml.Store(&better)
	if status, body := w.reload(); status != http.StatusOK {
		t.Fatalf("a good file is answered %d %s", status, body)
	}
	if status, _ := w.post("/plain", `{"id":"x"}`); status != http.StatusNotFound {
		t.Errorf("the old path is answered %d, want 404", status)
	}
	if status, _ := w.post("/moved", `{"id":"moved"}`); status != http.StatusAccepted {
		t.Errorf("the new path is answered %d, want 202", status)
	}
	if _, err := second.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n := len(first.Requests()); n != 2 {
		t.Errorf("the old target got %d requests, want the 2 from before", n)
	}
}

func TestDeliveryToATargetThatIsGoneWaitsUntilItReturns(t *testing.T) {
	hook := relaytest.NewTarget(t, relaytest.Status(500), relaytest.Status(200))
	with := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", hook.URL(), "log: {level: warn}", "").Replace(reloadConfig)
	with = strings.Replace(with, `"`+hook.URL()+`"}`, `"`+hook.URL()+`"}, retry: {initial: 1h, max: 1h}`, 1)
	without := strings.NewReplacer("to: [hook]", "to: [journal]", "hook: {", "journal: {log: {}}, unused: {").Replace(with)
	w := startWorld(t, with)
	w.accepted(`{"id":"waits"}`)
	if _, err := hook.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.yaml.Store(&without)
	if status, body := w.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	w.until("the delivery is shown as pending", func() bool {
		return strings.Contains(w.get("/api/v1/deliveries?target=hook"), `"state":"pending"`)
	})
	w.yaml.Store(&with)
	if status, body := w.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if n := len(hook.Requests()); n != 1 {
		t.Errorf("%d requests: the schedule was not kept", n)
	}
}

func TestReloadKeepsAWaitThatWasAskedForUnlessItChangesTheTarget(t *testing.T) {
	first, second := relaytest.NewTarget(t, relaytest.RetryAfter(3600)), relaytest.NewTarget(t)
	text := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", first.URL()).Replace(reloadConfig)
	text = strings.Replace(text, `"`+first.URL()+`"}`, `"`+first.URL()+`", headers: {X-A: b}, json: {a: ["{{ id }}", 1]}, auth: {bearer: t}, timeout: 3s}`, 1)
	w := startWorld(t, text)
	w.accepted(`{"id":"asked to wait"}`)
	waits := func() bool { return !strings.Contains(w.get("/api/v1/targets"), `"waiting_until":null`) }
	w.until("the target waits", waits)
	w.accepted(`{"id":"waits with it"}`)
	for range 2 {
		if status, body := w.reload(); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	if !waits() {
		t.Error("a reload that changes nothing is a way around the wait")
	}
	changed := strings.Replace(text, first.URL(), second.URL(), 1)
	w.yaml.Store(&changed)
	if status, body := w.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if _, err := second.Wait(t.Context(), 2); err != nil {
		t.Error("the new endpoint waits for what the old one asked:", err)
	}
	if n := len(first.Requests()); n != 1 {
		t.Errorf("%d requests at the old endpoint, want 1", n)
	}
}
