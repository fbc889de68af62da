package relay_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
)

const alarmConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%s"}
sources: {plain: {path: /plain, auth: {anonymous: true}}}
rules: [{name: all, when: "true", to: [hook]}]
targets:
  hook: {http: {url: "%s"}, retry: {initial: 1ms, max: 1ms}}
  ops: {http: {url: "%s"}, retry: {initial: 1ms, max: 1ms}}
alarms: {to: [ops]}
`

// told is an alarm as a target has received it.
type told struct {
	Alarm, State, Subject, Reason, Command string
	EventID                                string `json:"event_id"`
}

// alarms are those a target has got, after n of them.
func (w *world) alarms(ops *relaytest.Target, n int) (all []told) {
	w.t.Helper()
	if _, err := ops.Wait(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	for _, r := range ops.Requests() {
		var a told
		if err := json.Unmarshal(r.Body, &a); err != nil {
			w.t.Fatalf("%s: %v", r.Body, err)
		}
		all = append(all, a)
	}
	return all
}

func TestTargetOnHoldRingsOnceAndAgainWhenItIsOver(t *testing.T) {
	hook, ops := relaytest.NewTarget(t, relaytest.Status(404), relaytest.Status(200)), relaytest.NewTarget(t)
	yaml := fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), ops.URL())
	w := startWorld(t, yaml)
	w.accepted(`{"id":"i-1","full_name":"Canary Person"}`)
	w.accepted(`{"id":"i-2"}`)
	got := w.alarms(ops, 1)
	if a := got[0]; a.Alarm != "target_held" || a.State != "began" || a.Subject != "hook" || a.Command != "invitation-relay targets release hook" || a.EventID == "" {
		t.Errorf("%+v", a)
	}
	metric := func() string {
		for line := range strings.Lines(w.get("/metrics")) {
			if n, ok := strings.CutPrefix(line, `relay_alarm_active{alarm="target_held"} `); ok {
				return strings.TrimSpace(n)
			}
		}
		return "none"
	}
	w.until("the gauge says so", func() bool { return metric() == "1" })
	if s := string(ops.Requests()[0].Body) + w.log.String(); strings.Contains(s, "Canary") {
		t.Error("the alarm shows a name")
	}
	if status, body := w.reload(); status != 200 { // probes at once
		t.Fatal(status, body)
	}
	w.until("the hold is over", func() bool {
		return metric() == "1" && !strings.Contains(w.get("/metrics"), `relay_target_held{target="hook"} 1`)
	})
	// The keeper looks, then half a minute passes, then it looks again.
	w.reload()
	w.until("the keeper has seen it", func() bool {
		w.reload()
		w.ahead.Add(int64(31 * time.Second))
		return len(ops.Requests()) > 1
	})
	if a := w.alarms(ops, 2)[1]; a.State != "ended" || a.Alarm != "target_held" || a.Subject != "hook" {
		t.Errorf("%+v", a)
	}
	w.until("the gauge says so", func() bool { return metric() == "0" })
}

func TestADeliveryThatDiesStandsInTheDeadLettersAndRings(t *testing.T) {
	hook, ops := relaytest.NewTarget(t, relaytest.Status(422), relaytest.Status(200)), relaytest.NewTarget(t)
	w := startWorld(t, fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), ops.URL()))
	w.accepted(`{"id":"i-1","full_name":"Canary Person"}`)
	a := w.alarms(ops, 1)[0]
	if a.Alarm != "dead_letter" || a.State != "began" || a.Subject != "hook" || a.EventID == "" || a.EventID != hook.Requests()[0].Header.Get("webhook-id") {
		t.Errorf("%+v", a)
	}
	dead := w.get("/api/v1/deliveries?state=dead")
	if !strings.Contains(dead, a.EventID+".hook") {
		t.Errorf("the dead letters are %s, want %s.hook among them", dead, a.EventID)
	}
	if strings.Contains(dead+string(ops.Requests()[0].Body)+w.log.String(), "Canary") {
		t.Error("one of them shows a name")
	}
	w.accepted(`{"id":"i-2"}`)
	if _, err := hook.Wait(t.Context(), 2); err != nil {
		t.Fatalf("one dead letter stops the target: %v", err)
	}
}

func TestTargetOnHoldRingsAfterTheClockWasSetBack(t *testing.T) {
	hook, ops := relaytest.NewTarget(t), relaytest.NewTarget(t)
	w := startWorld(t, fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), ops.URL()))
	w.ahead.Store(int64(87648 * time.Hour))
	w.accepted(`{"id":"i-1"}`)
	w.until("it is delivered", func() bool { return len(hook.Requests()) == 1 })
	w.ahead.Store(0)
	hook.Script(relaytest.Status(404))
	w.accepted(`{"id":"i-2"}`)
	if a := w.alarms(ops, 1)[0]; a.Alarm != "target_held" || a.Subject != "hook" {
		t.Errorf("%+v", a)
	}
}

func TestRefusedConfigRingsAndAReloadChangesWhoHears(t *testing.T) {
	hook, ops := relaytest.NewTarget(t), relaytest.NewTarget(t)
	yaml := fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), ops.URL())
	w := startWorld(t, strings.Replace(yaml, "to: [ops]}\n", "to: [hook]}\n", 1))
	w.yaml.Store(&yaml)
	if status, body := w.reload(); status != 200 {
		t.Fatal(status, body)
	}
	bad := yaml + "nonsense: true\n"
	w.yaml.Store(&bad)
	if status, _ := w.reload(); status != 422 {
		t.Fatal(status)
	}
	if a := w.alarms(ops, 1)[0]; a.Alarm != "reload_failed" || a.State != "began" || a.Command != "invitation-relay check -c relay.yaml" {
		t.Errorf("%+v", a)
	}
	if n := len(hook.Requests()); n != 0 {
		t.Errorf("the old target of alarms got %d", n)
	}
}

func TestAlarmThatCannotBeDeliveredIsNoAlarm(t *testing.T) {
	hook := relaytest.NewTarget(t)
	ops := relaytest.NewTarget(t, relaytest.Status(404))
	yaml := fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), ops.URL())
	yaml = strings.Replace(yaml, "alarms: {", "alarms: {backlog_age: 1s, ", 1)
	w := startWorld(t, yaml)
	bad := yaml + "nonsense: true\n"
	w.yaml.Store(&bad)
	w.reload()
	w.until("the alarm's target is on hold", func() bool { return strings.Contains(w.get("/metrics"), `relay_target_held{target="ops"} 1`) })
	w.ahead.Add(int64(time.Hour))
	w.reload()
	w.until("the other alarm is seen", func() bool {
		return strings.Contains(w.get("/metrics"), `relay_alarm_active{alarm="reload_failed"} 1`) && strings.Contains(w.get("/metrics"), `relay_oldest_pending_seconds{target="ops"} 36`)
	})
	w.stop() // looks once more
	if n := strings.Count(w.log.String(), `"msg":"alarm"`); n != 1 {
		t.Errorf("%d alarms, want the one of the config", n)
	}
}

func TestUndecryptableWebhooksRing(t *testing.T) {
	hook, ops := relaytest.NewTarget(t), relaytest.NewTarget(t)
	yaml := fmt.Sprintf(alarmConfig, filepath.Join(t.TempDir(), "relay.db"), hook.URL(), ops.URL())
	yaml = strings.Replace(yaml, "sources: {", `sources: {enc: {path: /enc, auth: {anonymous: true}, encryption: {keys: ["0123456789abcdef0123456789abcdef"]}}, `, 1)
	w := startWorld(t, yaml)
	for range 5 {
		w.post("/enc", `{"id":"plain"}`)
	}
	w.reload() // looks
	if a := w.alarms(ops, 1)[0]; a.Alarm != "decryption_failures" || a.Subject != "enc" || a.Command != "invitation-relay events list --refused --source enc" {
		t.Errorf("%+v", a)
	}
}
