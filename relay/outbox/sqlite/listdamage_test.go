package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// othersAreListed: of three events with a delivery each, two at least.
func othersAreListed(t *testing.T, s *Store) {
	t.Helper()
	for _, f := range []outbox.Filter{{}, {Target: "a"}, {State: "pending"}, {Source: "preventor"}} {
		events, _, err := s.Events(t.Context(), f)
		if err != nil || len(events) < 2 {
			t.Errorf("%+v: %d events, %v", f, len(events), err)
		}
		deliveries, _, err := s.Deliveries(t.Context(), f)
		if err != nil || len(deliveries) < 2 {
			t.Errorf("%+v: %d deliveries, %v", f, len(deliveries), err)
		}
		for _, e := range events {
			if _, err := s.Attempts(t.Context(), outbox.Key{Event: e.ID, Address: "a"}); err != nil && !errors.Is(err, event.ErrNotFound) {
				t.Error("attempts:", err)
			}
		}
	}
}

// triedOnce has an attempt that failed made for each event.
func triedOnce(t *testing.T) func(s *Store, stored []event.ID) error {
	t.Helper()
	return func(s *Store, stored []event.ID) error {
		b := &outbox.Batch{}
		for _, id := range stored {
			b.Attempts = append(b.Attempts, outbox.Attempt{
				Key: outbox.Key{Event: id, Address: "a"}, Number: 1, At: time.Now(), Outcome: event.Retry, Tries: 1, State: event.Pending, NextAt: time.Now(),
			})
		}
		return s.Write(t.Context(), b)
	}
}

func TestAFlippedTypeInAnAttemptHidesNoOtherFromLists(t *testing.T) {
	flipped(t, closed(t, triedOnce(t)), []byte{0x06, 0x09, 0x06, 0x09, 0x01, 0x08, 0x08, 0x08, 0x09, 0x06, 0x0d}, 1, 1, 11, othersAreListed)
}

// manyCommits makes a store of n events, each with an attempt that failed and a
// refused one and in a commit of its own, and returns the last event.
func manyCommits(t *testing.T, n int) (path string, last *event.Event) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	for range n {
		b := &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a", "b")}}
		last, b.Attempts = b.Entries[0].Event, []outbox.Attempt{again(b.Entries[0], 1)}
		_, r := canary(&ids, "Jo")
		b.Refused = []*event.Refused{r}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, last
}

// copyOf copies a store that is closed.
func copyOf(t *testing.T, store string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	b, err := os.ReadFile(store)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestADamagedPageHidesFromListsWhatStandsThereOnly(t *testing.T) {
	racetest.Sequential(t)
	const n = 600
	whole, last := manyCommits(t, n)
	for name, lost := range map[string]struct{ events, deliveries, refused int }{ // at most
		"events": {30, 60, 0}, "deliveries": {0, 300, 0}, "refused": {0, 0, 90},
		"attempts": {}, "journal": {}, "deliveries_state": {}, "events_waiting": {}, "refused_received": {},
	} {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			path := copyOf(t, whole)
			s, err := Open(t.Context(), Config{Path: path, Log: logTo(&log)})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }() // what it finds then is not looked at here
			spoil(t, path, pageOf(t, s, name, "leaf", 2), 0xff)
			for range 2 {
				for _, f := range []outbox.Filter{{}, {State: "pending"}, {Target: "b"}} {
					f.Limit = 1000
					events, _, err := s.Events(t.Context(), f)
					if min := n - lost.events; err != nil || len(events) < min || lost.events > 0 && len(events) == n {
						t.Errorf("%+v: %d events, want %d or more (%v)", f, len(events), min, err)
					}
				}
				deliveries, _, err := s.Deliveries(t.Context(), outbox.Filter{Target: "b", Limit: 1000})
				if min := n - lost.deliveries; err != nil || len(deliveries) < min || lost.deliveries > 0 && len(deliveries) == n {
					t.Errorf("%d deliveries, want %d or more (%v)", len(deliveries), min, err)
				}
				for _, f := range []outbox.Filter{{ID: last.Subject}, {Ticket: last.Ticket}, {Person: last.Person}, {Event: last.ID}} {
					if events, _, err := s.Events(t.Context(), f); err != nil || len(events) < 1 {
						t.Errorf("the last, by %+v: %d events (%v)", f, len(events), err)
					}
				}
				if refused, _, err := s.Refused(t.Context(), outbox.Filter{Limit: 1000}); err != nil || len(refused) < n-lost.refused || lost.refused > 0 && len(refused) == n {
					t.Errorf("%d refused, want %d or more (%v)", len(refused), n-lost.refused, err)
				}
			}
			if missing := lost.events + lost.deliveries + lost.refused; (missing > 0) != strings.Contains(log.String(), "level=ERROR") || strings.Count(log.String(), "\n") > missing {
				t.Errorf("want a line each of what is not listed:\n%s", log.String())
			}
		})
	}
}

func TestDeliveryOfWhichNothingIsKnownIsNotCalledDelivered(t *testing.T) {
	var log strings.Builder
	s := openStore(t, Config{Log: logTo(&log)})
	var ids event.IDs
	e := newEntry(&ids, many()...)
	write(t, s, e)
	for _, a := range []outbox.Address{"t2", "t65"} { // with a bit, and without
		if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{{
			Key: outbox.Key{Event: e.Event.ID, Address: a}, Number: 1, At: time.Now(), Outcome: event.Rejected, Tries: 1, State: event.Dead,
		}}}); err != nil {
			t.Fatal(err)
		}
		damage := fmt.Sprintf("UPDATE deliveries SET address = 99 WHERE address = %d", s.names.find(kindAddress, string(a)))
		if err := s.w.exec(context.WithoutCancel(t.Context()), damage); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: a}); !errors.Is(err, outbox.ErrCorrupt) {
			t.Errorf("%s: %+v, %v, want outbox.ErrCorrupt", a, d, err)
		}
		if err := s.w.exec(context.WithoutCancel(t.Context()), "DELETE FROM deliveries WHERE address = 99"); err != nil {
			t.Fatal(err)
		}
	}
	if got, _, err := s.Deliveries(t.Context(), outbox.Filter{Limit: 1000}); err != nil || len(got) != 68 {
		t.Errorf("%d deliveries (%v), want 68", len(got), err)
	}
	if got := stored(t, s, e); len(got.To) != 70 {
		t.Errorf("it goes to %v, want all 70", got.To)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), e.Event.ID.String()) {
		t.Errorf("want one line of log:\n%s", log.String())
	}
}
