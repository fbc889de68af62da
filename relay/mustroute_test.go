package relay_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const mustConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%s"}
sources:
  plain: {path: /plain, fields: {score: number}, auth: {anonymous: true}}
rules:
  # Proven to take every rejection; but a score that is no number makes it fail.
  - {name: rejected, when: 'transaction_status == "REJECTED" && ((score ?? 0.0) > 3 || (score ?? 0.0) <= 3)', to: [journal]}
must_route:
  - transaction_status == "ACCEPTED" && attempts < 0
  - transaction_status == "REJECTED"
  - score > 3 && transaction_status == "REJECTED"
targets:
  journal: {log: {}}
`

func TestEventThatMustReachATargetAndReachesNoneIsAnAlarm(t *testing.T) {
	w := startWorld(t, fmt.Sprintf(mustConfig, filepath.Join(t.TempDir(), "relay.db")))
	const body = `{"id":"i-%d","transaction_status":"%s","full_name":"Canary Person","score":%s}`
	broken := func() string {
		for line := range strings.Lines(w.get("/metrics")) {
			if n, ok := strings.CutPrefix(line, "relay_must_route_broken_total "); ok {
				return strings.TrimSpace(n)
			}
		}
		return "no metric"
	}
	w.post("/plain", fmt.Sprintf(body, 1, "REJECTED", "1"))
	w.post("/plain", fmt.Sprintf(body, 2, "ACCEPTED", `"high"`))
	if n := broken(); n != "0" {
		t.Errorf("%s broken although all is well", n)
	}
	status, answer := w.post("/plain", fmt.Sprintf(body, 3, "REJECTED", `"high"`))
	id := strings.Split(answer, `"`)[3]
	w.post("/plain", fmt.Sprintf(body, 3, "REJECTED", `"high"`)) // a repeat is no second alarm
	if n := broken(); status != 202 || n != "1" {
		t.Errorf("answered %d, %s broken", status, n)
	}
	w.stop()
	var alarms, doubts []string
	for line := range strings.Lines(w.log.String()) {
		switch {
		case strings.Contains(line, `"msg":"an event that must reach a target`):
			alarms = append(alarms, line)
		case strings.Contains(line, "must_route could not be evaluated"):
			doubts = append(doubts, line)
		}
	}
	if len(alarms) != 1 || !strings.Contains(alarms[0], `"level":"ERROR"`) || !strings.Contains(alarms[0], `"must_route":1`) || !strings.Contains(alarms[0], id) {
		t.Errorf("the event is %s, the alarm is %q", id, alarms)
	}
	// The third entry fails for it, and for the one before: that is said once a minute, and counts as nothing.
	if len(doubts) != 1 || !strings.Contains(doubts[0], `"must_route":2`) {
		t.Errorf("%q", doubts)
	}
	if strings.Contains(w.log.String(), "Canary") || strings.Contains(w.log.String(), "high") {
		t.Error("the log shows a value")
	}
}
