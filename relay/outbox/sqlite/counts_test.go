package sqlite

import (
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Whoever records an end does so again after an error, and counts it then: told of
// it as well, it would count it twice, and see nothing of what waits.
func TestAnEndThatStandsThoughItsCommitFailedIsToldToNobodyTwice(t *testing.T) {
	fails := false
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
		if point == "after commit" && fails {
			fails = false
			return errIO
		}
		return nil
	}})
	var ids event.IDs
	ended := newEntry(&ids, "a")
	write(t, s, ended, newEntry(&ids, "a"))
	told := map[outbox.Address]int{}
	s.WhenMended(func(more map[outbox.Address]int) {
		for a, n := range more {
			told[a] += n
		}
	})
	end := &outbox.Batch{Attempts: []outbox.Attempt{{
		Key: outbox.Key{Event: ended.Event.ID, Address: "a"}, Number: 1, At: time.Now(), Outcome: event.Delivered, Tries: 1, State: event.Done,
	}}}
	fails = true
	if err := s.Write(t.Context(), end); err == nil {
		t.Fatal("the commit did not fail")
	}
	if err := s.Write(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	if len(told) > 0 || s.Pending() != 1 {
		t.Errorf("told %v, %d pending; want nothing, and 1", told, s.Pending())
	}
}

func TestADeadLetterRetriedByACommitThatFailedIsToldToNobodyAndWhatAnIndexHidIs(t *testing.T) {
	for _, point := range []string{"before commit", "after commit"} {
		failAt := ""
		s := openStore(t, Config{pause: time.Nanosecond, hook: func(at string) error {
			if at == failAt {
				failAt = ""
				return errIO
			}
			return nil
		}})
		var ids event.IDs
		dead := newEntry(&ids, "a")
		write(t, s, dead, newEntry(&ids, "a"), newEntry(&ids, "a"))
		attempt := outbox.Attempt{
			Key: outbox.Key{Event: dead.Event.ID, Address: "a"}, Number: 1, At: time.Now(), Outcome: event.Rejected, Tries: 1, State: event.Dead,
		}
		if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{attempt}}); err != nil {
			t.Fatal(err)
		}
		told := map[outbox.Address]int{}
		s.WhenMended(func(more map[outbox.Address]int) {
			for a, n := range more {
				told[a] += n
			}
		})
		s.counts.mu.Lock()
		s.counts.at(s.names.find(kindAddress, "a")).pending-- // as if an index had hidden one
		s.counts.mu.Unlock()
		attempt.Outcome, attempt.State, attempt.At, attempt.NextAt = 0, event.Pending, attempt.At.Add(time.Second), attempt.At
		retry := &outbox.Batch{Attempts: []outbox.Attempt{attempt}}
		failAt = point
		if err := s.Write(t.Context(), retry); err == nil {
			t.Fatal("the commit did not fail")
		}
		if err := s.Write(t.Context(), retry); err != nil {
			t.Fatal(err)
		}
		counts, err := s.Counts(t.Context())
		if err != nil || told["a"] != 1 || counts["a"].Pending != 3 {
			t.Errorf("%s: told %v, counts %+v (%v); want one told, and three pending", point, told, counts["a"], err)
		}
	}
}
