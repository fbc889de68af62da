package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func decidedBy(ids *event.IDs, ruleset string) *outbox.Entry {
	e := newEntry(ids, "a")
	e.Ruleset, e.Verdicts = ruleset, []outbox.Verdict{{Rule: "one", Verdict: "match"}}
	return e
}

func stored(t *testing.T, s *Store, e *outbox.Entry) *outbox.StoredEvent {
	t.Helper()
	got, err := s.Event(t.Context(), e.Event.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestRulesetIsStoredOnceForManyEvents(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	for _, ruleset := range []string{"a", "b", "a", "b", "a"} {
		write(t, s, decidedBy(&ids, ruleset), decidedBy(&ids, ruleset), decidedBy(&ids, ""))
	}
	if n, err := s.w.value(t.Context(), "SELECT count(*) FROM rulesets"); n != int64(2) || err != nil {
		t.Errorf("%v rulesets are stored (%v), want 2", n, err)
	}
}

func TestDamagedRulesetIsNotShownAndTheEventIsWhole(t *testing.T) {
	var log strings.Builder
	s := openStore(t, Config{Log: logTo(&log)})
	var ids event.IDs
	e := decidedBy(&ids, "when: attempts > 3")
	write(t, s, e)
	if err := s.w.exec(context.WithoutCancel(t.Context()), "UPDATE rulesets SET text = replace(text, '3', '7')"); err != nil {
		t.Fatal(err)
	}
	if got := stored(t, s, e); got.Ruleset != "" || len(got.Body) == 0 {
		t.Errorf("it shows %q", got.Ruleset)
	}
	if !strings.Contains(log.String(), e.Event.ID.String()) || strings.Contains(log.String(), "attempts") {
		t.Errorf("want the event's id in the log and nothing of the ruleset:\n%s", log.String())
	}
	if got := claimed(t, s, "a"); !slices.Equal(got, []event.ID{e.Event.ID}) {
		t.Errorf("claimed %v, want the event", got)
	}
}

func TestRulesetOfATransactionThatFailedIsStoredWithTheNext(t *testing.T) {
	fail := errors.New("no")
	var now error
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
		if point == "before commit" {
			return now
		}
		return nil
	}})
	var ids event.IDs
	now = fail
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{decidedBy(&ids, "new")}}); err == nil {
		t.Fatal("nothing failed")
	}
	now = nil
	e := decidedBy(&ids, "new")
	write(t, s, e)
	if got := stored(t, s, e); got.Ruleset != "new" {
		t.Errorf("the ruleset is %q", got.Ruleset)
	}
}

func TestRulesetInForceOutlivesAClockThatWasSetBack(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	first, second := decidedBy(&ids, "first"), decidedBy(&ids, "second")
	second.Event.ReceivedAt = first.Event.ReceivedAt.Add(-time.Hour)
	write(t, s, first, second)
	if _, err := s.Purge(t.Context(), outbox.Retention{Rows: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	third := decidedBy(&ids, "second")
	write(t, s, third)
	if got := stored(t, s, third); got.Ruleset != "second" {
		t.Errorf("the ruleset is %q", got.Ruleset)
	}
}

func TestStoreOfTheFirstSchemaIsBroughtUpWithItsEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	old := decidedBy(&ids, "") // as the first release wrote it
	write(t, s, old)
	back := "DROP TABLE keys; DROP TABLE threads; DROP TABLE alarms; DROP TABLE rulesets; " +
		"ALTER TABLE names DROP COLUMN crc; DELETE FROM meta WHERE k = 'names'; DELETE FROM migrations WHERE n > 1"
	if err := s.w.exec(context.WithoutCancel(t.Context()), back); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), path); !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "serve brings it up to date") {
		t.Errorf("a reader says %v, want the way out", err)
	}
	s = openStore(t, Config{Path: path})
	e := decidedBy(&ids, "new")
	write(t, s, e)
	for want, e := range map[string]*outbox.Entry{"": old, "new": e} {
		if got := stored(t, s, e); got.Ruleset != want || !slices.Equal(got.Verdicts, e.Verdicts) {
			t.Errorf("ruleset %q, verdicts %v, want %q, %v", got.Ruleset, got.Verdicts, want, e.Verdicts)
		}
	}
	if n := len(readAll(t, openReader(t, path), time.Time{})); n != 2 {
		t.Errorf("a reader sees %d events, want 2", n)
	}
}
