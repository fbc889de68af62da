package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// endOf is the first attempt of a delivery, which has come to an end.
func endOf(e *outbox.Entry, to outbox.Address, o event.Outcome, s event.State) outbox.Attempt {
	a := outbox.Attempt{
		Key: outbox.Key{Event: e.Event.ID, Address: to}, Number: 1, At: time.Now(), Duration: time.Millisecond, Outcome: o, Status: 200, Tries: 1, State: s,
	}
	if s == event.Pending {
		a.NextAt = time.Now()
	}
	return a
}

func TestWhatWaitsThoughItsEventDoesNotSaySoIsSentOnceAndItsEndStands(t *testing.T) {
	for o, state := range map[event.Outcome]event.State{event.Delivered: event.Done, event.Retry: event.Pending, event.Rejected: event.Dead} {
		var log strings.Builder
		path := filepath.Join(t.TempDir(), "relay.db")
		s := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
		<-s.audited
		e := newEntry(new(event.IDs), "a")
		write(t, s, e)
		eventsOnly(t, path, "waiting = waiting & ~1")
		if n := len(claimed(t, s, "a")); n != 1 {
			t.Fatalf("%s: %d are sent, want 1", o, n)
		}
		if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{endOf(e, "a", o, state)}}); err != nil {
			t.Fatal(err)
		}
		for what := range 2 { // then after a restart
			d, err := s.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: "a"})
			if err != nil || d.State != state || d.Attempts != 1 {
				t.Errorf("%s, start %d: %+v (%v), want it %s", o, what, d, err, state)
			}
			pending := one(state, event.Pending)
			counts, err := s.Counts(t.Context())
			if n := len(claimed(t, s, "a")); err != nil || n != pending || counts["a"].Pending != pending || s.Pending() != pending {
				t.Errorf("%s, start %d: sent again %d times, counts %+v (%v)", o, what, n, counts["a"], err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
			<-s.audited
		}
	}
}
