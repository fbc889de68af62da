package sqlite

import (
	"bytes"
	"os"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// TestThreadCannotBeGuessedFromTheFile: its key is a hash of what may be a
// customer id, of which there are few enough to try all.
func TestThreadCannotBeGuessedFromTheFile(t *testing.T) {
	const key = "5f3d6c0b7a19e8d2"
	for _, keys := range [][][]byte{nil, {testKey(1)}} {
		s := openStore(t, Config{Keys: keys})
		if err := s.SaveThread(t.Context(), "slack", key, "1.1", time.Now()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if ref, err := s.Thread(t.Context(), "slack", key); err != nil || ref != "1.1" {
				t.Errorf("thread %q (%v)", ref, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(s.cfg.Path); err != nil || bytes.Contains(b, []byte(key)) {
				t.Errorf("%d keys: the key as it was given is in the file (%v)", len(keys), err)
			}
			if keys != nil {
				keys = append([][]byte{testKey(2)}, keys...) // rotated, it is found all the same
			}
			s = openStore(t, Config{Path: s.cfg.Path, Keys: keys})
		}
	}
}

func TestThreadThatBeganWithWhomIsForgottenIsForgotten(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	at := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	hers, others := newEntry(&ids, "slack", "late", "none"), newEntry(&ids, "slack")
	others.Event.Person = "somebody else"
	write(t, s, hers, others)
	attempt := func(e *outbox.Entry, a outbox.Address, number int, at time.Time, state event.State) {
		t.Helper()
		outcome := event.Retry
		if state == event.Done {
			outcome = event.Delivered
		}
		end := outbox.Attempt{
			Key: outbox.Key{Event: e.Event.ID, Address: a}, Number: number, At: at, Duration: 100*time.Millisecond + 7, Outcome: outcome,
			Status: 200, Tries: 1, State: state, NextAt: at.Add(time.Hour),
		}
		if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{end}}); err != nil {
			t.Fatal(err)
		}
	}
	attempt(hers, "slack", 1, at, event.Done)
	attempt(hers, "late", 1, at, event.Pending)
	attempt(hers, "late", 2, at.Add(time.Hour), event.Done)
	attempt(others, "slack", 1, at.Add(time.Hour), event.Done)
	begun := []struct {
		target, key string
		at          time.Time
		stays       bool
	}{
		{"slack", "hers", at.Add(100*time.Millisecond + 7), false},
		{"late", "hers too", at.Add(time.Hour), false},
		{"slack", "somebody's", at.Add(time.Hour), true},
		{"slack", "long ago", at.Add(-time.Hour), true},
		{"slack", "hers, of an attempt that a kill ended before the first", at.Add(-30 * time.Second), false},
		{"late", "hers, of an attempt that a kill ended before the last", at.Add(30 * time.Minute), false},
		{"none", "hers, of the only attempt, which a kill ended", at, false},
		{"elsewhere", "another target's", at, true},
	}
	for _, b := range begun {
		if err := s.SaveThread(t.Context(), b.target, b.key, "1.1", b.at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Forget(t.Context(), outbox.Forget{Person: hers.Event.Person, Now: at}); err != nil {
		t.Fatal(err)
	}
	for _, b := range begun {
		if ref, err := s.Thread(t.Context(), b.target, b.key); err != nil || (ref != "") != b.stays {
			t.Errorf("the thread %q of %s: %q (%v)", b.key, b.target, ref, err)
		}
	}
}
