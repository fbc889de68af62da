package relay_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
)

func TestAStrangerWhoDawdlesDoesNotCostAttemptsInFlightTheirEnd(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	hook := relaytest.NewTarget(t, func(w http.ResponseWriter, _ *http.Request) { close(began); <-release })
	yaml := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", hook.URL(),
		`server: {listen: "127.0.0.1:0"}`, `server: {listen: "127.0.0.1:0", shutdown_timeout: 4s}`).Replace(reloadConfig)
	w := startWorld(t, yaml)
	w.accepted(`{"id":"in flight"}`)
	<-began

	dialed, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(w.hooks, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dialed.Close() }()
	if _, err := dialed.Write([]byte("POST /plain HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(dialed, make([]byte, len("HTTP/1.1 100 Continue"))); err != nil { // now it is in hand
		t.Fatal(err)
	}

	time.AfterFunc(1500*time.Millisecond, func() { close(release) }) // after the listener gave up on the stranger
	w.stop()                                                         // fails the test when the relay ends with an error

	again := startWorld(t, yaml)
	again.until("the delivery is recorded as delivered", func() bool {
		return strings.Contains(again.get("/api/v1/deliveries"), `"state":"delivered"`)
	})
	if n := len(hook.Requests()); n != 1 {
		t.Errorf("%d requests, want the one that was in flight", n)
	}
}

func TestAnEventTakenUnderAnotherPresetIsStillDelivered(t *testing.T) {
	hook := relaytest.NewTarget(t, relaytest.Status(500), relaytest.Status(200))
	loose := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", hook.URL(),
		"path: /plain", "path: /plain, preset: json", `HOOK"}`, `HOOK"}, retry: {initial: 1ms, max: 1ms}`).Replace(reloadConfig)
	w := startWorld(t, strings.Replace(loose, hook.URL()+`"}`, hook.URL()+`"}, retry: {initial: 300ms, max: 300ms}`, 1))
	w.accepted(`{"id":77}`)
	if _, err := hook.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	w.stop()

	strict := strings.Replace(loose, "preset: json", "preset: invitation", 1)
	startWorld(t, strict)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := hook.Wait(ctx, 2)
	if err != nil || string(got[1].Body) != `{"id":77}` {
		t.Errorf("%v: an id that is no text today was promised delivery yesterday", err)
	}
}

func TestRepeatsAreNeitherCountedNorLoggedAgain(t *testing.T) {
	hook := relaytest.NewTarget(t)
	yaml := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", hook.URL(),
		"path: /plain", "path: /plain, fields: {score: number}", `when: "true"`, `when: "score > 3"`).Replace(reloadConfig)
	w := startWorld(t, yaml)
	for range 20 {
		w.post("/plain", `{"id":"x","score":"high"}`)
	}
	if m := w.get("/metrics"); !strings.Contains(m, `relay_rule_evaluations_total{rule="all",verdict="error"} 1`+"\n") {
		t.Error("one event and 19 repeats are not one evaluation that failed")
	}
	for i := range 20 {
		w.post("/plain", strings.Replace(`{"id":"N","score":"high"}`, "N", string(rune('a'+i)), 1))
	}
	if n := strings.Count(w.log.String(), `"rule could not be evaluated"`); n != 1 {
		t.Errorf("%d lines about one rule within a minute, want 1", n)
	}
}
