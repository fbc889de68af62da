package sqlite

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// pageOf is the number of the nth page of a table or an index, once all of the
// store is in its file.
func pageOf(t *testing.T, s *Store, name, kind string, nth int) int {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	<-s.audited // it reads the log meanwhile
	if busy, err := s.truncateOnce(ctx); busy || err != nil {
		t.Fatalf("busy: %v (%v)", busy, err)
	}
	n, err := count(ctx, s.w.conn, "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = ? ORDER BY path LIMIT 1 OFFSET ?", name, kind, int64(nth))
	if err != nil || n == 0 {
		t.Fatalf("%s has no page %d (%v)", name, nth, err)
	}
	return int(n)
}

// spoil overwrites a page of the file.
func spoil(t *testing.T, path string, page int, with byte) {
	t.Helper()
	change(t, path, func(b []byte) {
		copy(b[(page-1)*defaultPage:], bytes.Repeat([]byte{with}, defaultPage))
	})
}

// retried makes a store with many events that wait for "a", and as many of "b"
// that have been tried once, and closes it. Its index of that name has a damaged
// page.
func retried(t *testing.T, damaged, kind string, with byte) (path string, stored []*outbox.Entry) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	b := &outbox.Batch{}
	for range 800 {
		e := newEntry(&ids, "a", "b")
		stored = append(stored, e)
		b.Attempts = append(b.Attempts, again(e, 1))
	}
	b.Entries = stored
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	page := pageOf(t, s, damaged, kind, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, path, page, with)
	return path, stored
}

func again(e *outbox.Entry, number int) outbox.Attempt {
	return outbox.Attempt{
		Key: outbox.Key{Event: e.Event.ID, Address: "b"}, Number: number, At: time.Now(), Outcome: event.Retry, Tries: 1, State: event.Pending,
		NextAt: time.Now().Add(time.Minute),
	}
}

func TestDamagedIndexIsMadeAnewAndNothingStops(t *testing.T) {
	racetest.Sequential(t)
	for _, name := range []string{"events_waiting", "deliveries_due", "deliveries_state"} {
		for _, kind := range []string{"internal", "leaf"} {
			for _, with := range []byte{0, 0xff} {
				path, stored := retried(t, name, kind, with)
				var log strings.Builder
				s := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
				q := outbox.Query{Addresses: []outbox.Address{"a", "b"}, DueBy: time.Now().Add(time.Hour), Limit: 1e6, BeforeSeq: 1 << 62}
				due, _, err := s.Claim(t.Context(), q)
				if err != nil || len(due) != 2*len(stored) {
					t.Errorf("%s, a page %s of %x: claimed %d (%v), want %d", name, kind, with, len(due), err, 2*len(stored))
				}
				deliver(t, s, stored...)
				if n := s.Pending(); n != 0 {
					t.Errorf("%s, a page %s of %x: %d pending", name, kind, with, n)
				}
				if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), name) {
					t.Errorf("%s, a page %s of %x: want one error that names it:\n%s", name, kind, with, log.String())
				}
				if _, err := s.checkWhole(context.WithoutCancel(t.Context())); err != nil {
					t.Errorf("%s, a page %s of %x: after that: %v", name, kind, with, err)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestWriteThatMeetsADamagedIndexFailsOnce(t *testing.T) {
	for name, with := range map[string][]byte{
		"cannot be read": bytes.Repeat([]byte{0xff}, defaultPage), "does not agree with its table": emptyIndex(),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			s := openStore(t, Config{Path: path})
			var ids event.IDs
			var refused []*event.Refused
			for range 5 {
				_, r := canary(&ids, "Jo")
				refused = append(refused, r)
			}
			write := func() error {
				return s.Write(t.Context(), &outbox.Batch{Refused: refused[:1], KeepRefused: func(string) int { return 100 }})
			}
			if err := s.Write(t.Context(), &outbox.Batch{Refused: refused[1:]}); err != nil {
				t.Fatal(err)
			}
			page := pageOf(t, s, "refused_received", "leaf", 0)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			change(t, path, func(b []byte) { copy(b[(page-1)*defaultPage:], with) })
			var log strings.Builder
			s = openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
			if name != "cannot be read" {
				write = func() error {
					return s.transact(t.Context(), "erase", func(ctx context.Context, t *tx) error { return t.w.erase(ctx, refused[1].ID.Seq()) })
				}
			}
			if err := write(); !errors.Is(err, outbox.ErrCorrupt) || !errors.Is(err, event.ErrUnavailable) {
				t.Fatalf("write: %v, want outbox.ErrCorrupt and event.ErrUnavailable", err)
			}
			if err := write(); err != nil {
				t.Fatal("the next write:", err)
			}
			if !strings.Contains(log.String(), "refused_received") {
				t.Errorf("the log names no index:\n%s", log.String())
			}
		})
	}
}

func TestEventsOnAPageThatCannotBeReadDoNotStopTheOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	stored := fill(t, s, &ids, 60)
	page := pageOf(t, s, "events", "leaf", 2)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var there []event.ID
	change(t, path, func(b []byte) {
		p := b[(page-1)*defaultPage:][:defaultPage]
		for _, id := range stored {
			if !bytes.Contains(p, []byte(id.String())) {
				there = append(there, id)
			}
		}
		clear(p)
	})
	if n := len(stored) - len(there); n == 0 || n > 20 {
		t.Fatalf("%d events are on the page: the test is wrong", n)
	}
	var log strings.Builder
	s = openStore(t, Config{Path: path, Log: logTo(&log)})
	if got := claimed(t, s, "a"); !slices.Equal(got, there) {
		t.Errorf("claimed %d, want the %d on other pages", len(got), len(there))
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != len(stored)-len(there) {
		t.Errorf("%d lines of log for %d events", n, len(stored)-len(there))
	}
}

func TestDeliveriesOnAPageThatCannotBeReadDoNotStopTheOthers(t *testing.T) {
	racetest.Sequential(t)
	for _, before := range []int64{0, 1 << 62} {
		path, stored := retried(t, "deliveries", "leaf", 0xff)
		var log strings.Builder
		s := openStore(t, Config{Path: path, Log: logTo(&log)})
		q := outbox.Query{Addresses: []outbox.Address{"b"}, DueBy: time.Now().Add(time.Hour), Limit: 300, BeforeSeq: before}
		var got int
		for range 2 { // the second time, no index is looked through again
			due, _, err := s.Claim(t.Context(), q)
			if err != nil {
				t.Fatal("claim:", err)
			}
			got = len(due)
		}
		q.Limit = 1e6
		due, _, err := s.Claim(t.Context(), q)
		if n := len(stored) - len(due); err != nil || got != 300 || n == 0 || n > 200 {
			t.Errorf("%d deliveries of %d were found, and %d of 300 (%v)", len(due), len(stored), got, err)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != len(stored)-len(due) {
			t.Errorf("%d lines of log for %d deliveries", n, len(stored)-len(due))
		}
	}
}

func TestEventsAreAcceptedWhileWhoReadsHasTheIndexesLookedThrough(t *testing.T) {
	var s atomic.Pointer[Store]
	var ids event.IDs
	looked := false
	opened := openStore(t, Config{hook: func(point string) error {
		if s := s.Load(); s != nil && point == "look through" {
			looked = true
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			if err := s.Write(ctx, &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); err != nil {
				t.Error(err)
			}
		}
		return nil
	}})
	<-opened.audited
	s.Store(opened)
	if !opened.mendNow(t.Context()) || !looked {
		t.Errorf("looked through: %t, and nothing was made anew", looked)
	}
	if n := opened.Pending(); n != 1 {
		t.Errorf("%d pending", n)
	}
}
