package relay_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
)

// forgets asks the API to forget a person.
func (w *world) forgets(person string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.admin+"/api/v1/forget", strings.NewReader(`{"cifcod":"`+person+`"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	return w.do(req)
}

func TestPersonIsForgottenWhileTheRelayRuns(t *testing.T) {
	hook := relaytest.NewTarget(t, relaytest.Status(http.StatusServiceUnavailable))
	store := filepath.Join(t.TempDir(), "relay.db")
	w := startWorld(t, strings.NewReplacer("STORE", store, "HOOK", hook.URL(), "path: /plain", "path: /plain, preset: json",
		"targets: {hook: {", "targets: {hook: {retry: {quick: 0, initial: 1h, max: 1h, max_age: 2h}, ").Replace(reloadConfig))
	for _, body := range []string{
		`{"data":{"cifcod":"cif-canary","full_name":"Jo Canary"}}`, `{"data":[{"cifcod":"cif-can\u0061ry"}]}`,
		`{"cifcod":"cif-other","note":"not cif-canaries"}`,
	} {
		w.accepted(body)
	}
	if _, err := hook.Wait(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	w.until("all are to be tried again in an hour", func() bool {
		return strings.Count(w.get("/api/v1/deliveries"), `"attempts":1`) == 3
	})
	status, answer := w.forgets("cif-canary")
	if status != http.StatusOK || !strings.Contains(answer, `"events":2,"discarded":2`) {
		t.Fatalf("answered %d %s", status, answer)
	}
	if n := strings.Count(w.get("/api/v1/deliveries"), `"state":"discarded"`); n != 2 {
		t.Errorf("%d deliveries are discarded, want hers", n)
	}
	if n := strings.Count(w.get("/api/v1/deliveries"), `"state":"pending"`); n != 1 {
		t.Errorf("%d deliveries are pending, want the other one's", n)
	}
	w.stop()
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(store + suffix)
		if err != nil && !os.IsNotExist(err) || bytes.Contains(b, []byte("Jo Canary")) || bytes.Contains(b, []byte("cif-canary")) {
			t.Errorf("relay.db%s has the person (%v)", suffix, err)
		}
	}
	if strings.Contains(w.log.String(), "cif-") {
		t.Error("the log has the person")
	}
}

func TestForgettingWaitsForAnAttemptUnderWay(t *testing.T) {
	hook := relaytest.NewTarget(t, relaytest.Slow(time.Minute))
	w := startWorld(t, strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", hook.URL(),
		`http: {url: "`, `http: {timeout: 1s, url: "`, "targets: {hook: {", "targets: {hook: {retry: {quick: 0, initial: 1h, max: 1h, max_age: 2h}, ").Replace(reloadConfig))
	w.accepted(`{"id":"i-1","cifcod":"cif-1"}`)
	if _, err := hook.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	status, answer := w.forgets("cif-1")
	if status != http.StatusOK || !strings.Contains(answer, `"events":1,"discarded":1`) {
		t.Fatalf("answered %d %s", status, answer)
	}
	if list := w.get("/api/v1/deliveries"); !strings.Contains(list, `"state":"discarded"`) {
		t.Errorf("deliveries: %s", list)
	}
}
