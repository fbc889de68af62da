package target

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
)

// alarmEvent is an alarm of the relay's own.
func alarmEvent(t *testing.T, members map[string]any) *event.Event {
	t.Helper()
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	id, err := event.ParseID("0198c5a2-4f10-7abc-8def-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	return &event.Event{
		ID: id, Source: "alarms", Kind: event.Alarm, Body: body,
		ReceivedAt: time.Date(2026, time.November, 23, 1, 41, 7, 0, time.UTC),
	}
}

// shown is a summary as a column of text.
func shown(s summary) string {
	var b strings.Builder
	b.WriteString(s.title + " | " + s.who + "\n")
	for _, f := range s.facts {
		b.WriteString(f.label + ": " + f.value)
		if f.code {
			b.WriteString(" (code)")
		}
		if f.id {
			b.WriteString(" (id)")
		}
		b.WriteByte('\n')
	}
	return b.String() + strings.Join(s.notes, " · ")
}

func TestAnAlarmSaysWhatWhySinceWhenAndUntilItEndsWhatHelps(t *testing.T) {
	ev := alarmEvent(t, map[string]any{
		"alarm": "target_held", "state": "began", "subject": "risk-slack", "reason": "Slack answered is_archived: the channel is archived",
		"command": "invitation-relay targets release risk-slack", "since": "2026-11-23T02:40:00+01:00",
		"event_id": "0198c5a2-4f10-7abc-8def-0123456789ac", "delivery_id": "0198c5a2-4f10-7abc-8def-0123456789ac.risk-slack",
	})
	const want = `[alarm] Target on hold | risk-slack
Target: risk-slack
Since: 2026-11-23 01:40:00 UTC
Reason: Slack answered is_archived: the channel is archived
What helps: invitation-relay targets release risk-slack (code)
Event: 0198c5a2-4f10-7abc-8def-0123456789ac (id)
Delivery: 0198c5a2-4f10-7abc-8def-0123456789ac.risk-slack (id)
invitation-relay · 2026-11-23 01:41:07 UTC · alarm 456789ab`
	if got := shown(summarise(ev)); got != want {
		t.Errorf("got:\n%s", got)
	}
	ev = alarmEvent(t, map[string]any{"alarm": "target_held", "state": "ended", "subject": "risk-slack", "command": "invitation-relay targets release risk-slack"})
	if got := summarise(ev); got.title != "[alarm] Target no longer on hold" || len(got.facts) != 1 {
		t.Errorf("got:\n%s", shown(got))
	}
}

// TestEveryAlarmHasWordsForItsBeginningAndItsEnd: those of outbox.Alarm.
func TestEveryAlarmHasWordsForItsBeginningAndItsEnd(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range []string{
		"dead_letter", "target_held", "backlog", "must_route", "rule_error", "reload_failed", "decryption_failures", "silence", "", "one_of_tomorrow",
	} {
		for _, state := range []string{"began", "ended"} {
			title := summarise(alarmEvent(t, map[string]any{"alarm": kind, "state": state})).title
			if !strings.HasPrefix(title, "[alarm] ") || seen[title] {
				t.Errorf("%s %s: %q", kind, state, title)
			}
			seen[title] = true
		}
	}
	ev := alarmEvent(t, nil)
	ev.Body = []byte("no JSON")
	if s := summarise(ev); s.title == "" || len(s.facts) != 0 {
		t.Errorf("of a body that is none: %s", shown(s))
	}
}

func TestACommandIsCodeOnlyWhenItCanBeNothingElse(t *testing.T) {
	for s, want := range map[string]bool{
		"invitation-relay targets release risk-slack": true, "invitation-relay events show 0198c5a2 --config=/etc/x.yaml": true,
		"": false, "a `b`": false, "a <!here>": false, "a; b": false, "a\nb": false, "a & b": false, strings.Repeat("a", 501): false,
	} {
		if got := isPlainCommand(s); got != want {
			t.Errorf("%q: %t", s, got)
		}
	}
}
