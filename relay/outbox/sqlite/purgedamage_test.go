package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// over is a store, open, of so many events that were delivered to a, each with one
// that was refused, and one that was tried once for b and given up. A page of a
// table is damaged then.
func over(t *testing.T, n int, table string, nth int, with byte, log *strings.Builder) (s *Store, stored []*outbox.Entry) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "relay.db")
	s = openStore(t, Config{Path: path})
	var ids event.IDs
	b := &outbox.Batch{}
	for i := range n {
		e := newEntry(&ids, "a", "b")
		_, r := canary(&ids, "Jo Canary")
		given := again(e, 2)
		given.State, given.Outcome, given.NextAt = event.Discarded, 0, time.Time{}
		done := again(e, 1)
		done.Key.Address, done.State, done.Outcome = "a", event.Done, event.Delivered
		b.Entries, b.Refused, b.Attempts = append(b.Entries, e), append(b.Refused, r), append(b.Attempts, done, again(e, 1), given)
		if i%10 == 9 {
			if err := s.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			b = &outbox.Batch{}
		}
		stored = append(stored, e)
	}
	page := pageOf(t, s, table, "leaf", nth)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	spoil(t, path, page, with)
	s, err := Open(t.Context(), Config{Path: path, Log: logTo(log), pause: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // what it finds then is not looked at here
	return s, stored
}

func countOf(t *testing.T, s *Store, query string) int {
	t.Helper()
	n, err := count(context.WithoutCancel(t.Context()), s.w.conn, query)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

func TestRetentionThatComesToADamagedPageStopsNothing(t *testing.T) {
	racetest.Sequential(t)
	const n = 600
	later := time.Now().Add(time.Hour)
	for _, c := range []struct {
		table           string
		nth             int
		with            byte
		events, refused int // that may be left
	}{
		{"events", 0, 0, 60, 0},
		{"events", 6, 0, 60, 0},
		{"events", 6, 0xff, 60, 0},
		{"deliveries", 2, 0, 400, 0},
		{"attempts", 2, 0xff, 400, 0},
		{"refused", 2, 0, 0, 200},
	} {
		for name, r := range map[string]outbox.Retention{
			"bodies": {Bodies: later},
			"all":    {Bodies: later, Rows: later, RefusedAfter: func(string) (time.Time, int) { return later, 0 }},
		} {
			if (c.table == "attempts" || c.table == "refused") && name == "bodies" {
				continue // which are not asked
			}
			t.Run(fmt.Sprint(c.table, " ", c.nth, " ", c.with, " ", name), func(t *testing.T) {
				var log strings.Builder
				s, stored := over(t, n, c.table, c.nth, c.with, &log)
				for i := range 3 {
					_, err := s.Purge(t.Context(), r)
					if !errors.Is(err, outbox.ErrCorrupt) || errors.Is(err, event.ErrUnavailable) {
						t.Errorf("purge %d: %v, want outbox.ErrCorrupt", i, err)
					}
					e := newEntry(new(event.IDs), "a")
					write(t, s, e)
					if got := claimed(t, s, "a"); len(got) != 1 || got[0] != e.Event.ID {
						t.Errorf("%d events can be sent, want the one that has just come", len(got))
					}
					deliver(t, s, e)
					stored = append(stored, e)
				}
				left := 0
				for _, e := range stored[:len(stored)-1] { // the last one is delivered since
					got, err := s.Event(t.Context(), e.Event.ID)
					if errors.Is(err, event.ErrNotFound) || err == nil && got.Body == nil && name == "bodies" {
						continue
					}
					left++
					if list, _, e := s.Events(t.Context(), outbox.Filter{Ticket: e.Event.Ticket}); e != nil || len(list) == 0 && err == nil {
						t.Errorf("of one that is left %d are found by its ticket (%v)", len(list), e)
					}
				}
				if (left == 0) != (c.events == 0) || left > c.events {
					t.Errorf("%d events are left, want those of the page and of those beside it", left)
				}
				if n := countOf(t, s, "SELECT count(*) FROM refused"); name == "all" && n > c.refused {
					t.Errorf("%d refused ones are left", n)
				}
				if strings.Contains(log.String(), "opened again") {
					t.Errorf("the file was opened again:\n%s", log.String())
				}
			})
		}
	}
}
