package storetest

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (suite) AlarmsAreKeptUntilTheyAreRemoved(t *testing.T, e *env) {
	set := func(a outbox.Alarm) {
		t.Helper()
		if err := e.s.SetAlarm(t.Context(), a); err != nil {
			t.Fatal("set alarm:", err)
		}
	}
	expect := func(want ...outbox.Alarm) {
		t.Helper()
		got, err := e.s.Alarms(t.Context())
		if err != nil {
			t.Fatal("alarms:", err)
		}
		same(t, "alarms", got, want)
	}
	slow := outbox.Alarm{Kind: "backlog", Subject: "b", Since: e.now, Reason: "since 20 minutes"}
	held := outbox.Alarm{Kind: "target_held", Subject: "a", Since: e.now.Add(time.Minute), Reason: "401", EventID: e.ids.New(e.now)}
	too := outbox.Alarm{Kind: "target_held", Subject: "b", Since: e.now}
	expect()
	set(too)
	set(held)
	set(slow)
	expect(slow, held, too)
	held.Reason, held.EventID = "403", event.ID{}
	set(held)
	e.reopen(t)
	expect(slow, held, too)
	set(outbox.Alarm{Kind: "target_held", Subject: "b", Reason: "over"})
	set(outbox.Alarm{Kind: "target_held", Subject: "nobody"})
	expect(slow, held)
}

// thread is what a target remembers of a key.
func (e *env) thread(t *testing.T, target, key string) string {
	t.Helper()
	ref, err := e.s.Thread(t.Context(), target, key)
	if err != nil {
		t.Fatal("thread:", err)
	}
	return ref
}

func (e *env) saveThread(t *testing.T, target, key, ref string) {
	t.Helper()
	if err := e.s.SaveThread(t.Context(), target, key, ref, e.now); err != nil {
		t.Fatal("save thread:", err)
	}
}

func (suite) ThreadHangsOnItsFirstMessage(t *testing.T, e *env) {
	same(t, "before", e.thread(t, "a", "k"), "")
	e.saveThread(t, "a", "k", "first")
	e.saveThread(t, "a", "k", "second")
	e.saveThread(t, "a", "l", "third")
	e.saveThread(t, "b", "k", "of another target")
	e.reopen(t)
	same(t, "a thread", e.thread(t, "a", "k"), "first")
	same(t, "another key", e.thread(t, "a", "l"), "third")
	same(t, "another target", e.thread(t, "b", "k"), "of another target")
	same(t, "nobody's", e.thread(t, "c", "k"), "")
}

func (suite) ThreadsAreErasedWithTheRowsOfTheirTime(t *testing.T, e *env) {
	for i := range 450 {
		e.saveThread(t, "a", fmt.Sprint(i), "old")
	}
	e.now = e.now.Add(time.Second)
	cut := e.now
	e.saveThread(t, "a", "young", "young")
	same(t, "erased with bodies", e.purge(t, outbox.Retention{Bodies: e.now.Add(time.Hour)}), 0)
	same(t, "erased", e.purge(t, outbox.Retention{Rows: cut}), 450)
	same(t, "the old one", e.thread(t, "a", "0"), "")
	same(t, "the young one", e.thread(t, "a", "young"), "young")
	e.saveThread(t, "a", "0", "new")
	same(t, "begun anew", e.thread(t, "a", "0"), "new")
}

func (suite) EventKnowsWhatDecided(t *testing.T, e *env) {
	decided := func(ruleset string) *outbox.Entry {
		return e.put(t, func(in *outbox.Entry) { in.Ruleset = ruleset }, "a")
	}
	in := map[string]*outbox.Entry{}
	for _, ruleset := range []string{"rules of today", "", "rules of yesterday"} {
		in[ruleset] = decided(ruleset)
	}
	again := decided("rules of today")
	for range 2 {
		for want, entry := range in {
			same(t, "ruleset", e.event(t, entry).Ruleset, want)
			same(t, "verdicts", e.event(t, entry).Verdicts, entry.Verdicts)
		}
		same(t, "ruleset", e.event(t, again).Ruleset, "rules of today")
		e.reopen(t)
	}
	without := e.put(t, func(in *outbox.Entry) { in.Ruleset, in.Verdicts = "rules of today", nil })
	same(t, "an event without verdicts", e.event(t, without).Verdicts, []outbox.Verdict(nil))
	same(t, "its ruleset", e.event(t, without).Ruleset, "rules of today")
	items, _, err := e.s.Events(t.Context(), outbox.Filter{})
	if err != nil {
		t.Fatal("list:", err)
	}
	for _, it := range items {
		same(t, "ruleset in a list", it.Ruleset, "")
	}
}

func (suite) RulesetIsKeptWhileItDecides(t *testing.T, e *env) {
	decided := func(ruleset string) *outbox.Entry {
		return e.put(t, func(in *outbox.Entry) { in.Ruleset = ruleset }, "a")
	}
	waiting := decided("old")
	decided("back again")
	decided("old")
	inUse := decided("back again")
	e.now = e.now.Add(time.Hour)
	late := decided("back again") // the old one ended long before it
	e.purge(t, outbox.Retention{Rows: late.Event.ReceivedAt})
	same(t, "of the old one", e.event(t, waiting).Ruleset, "")
	same(t, "verdicts", e.event(t, waiting).Verdicts, waiting.Verdicts)
	same(t, "of the one in use", e.event(t, inUse).Ruleset, "back again")
	now := decided("old")
	same(t, "decided anew", e.event(t, now).Ruleset, "old")
	same(t, "of the old one", e.event(t, waiting).Ruleset, "")
}
