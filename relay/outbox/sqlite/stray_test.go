package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

func TestADeliveryWhoseAddressFlippedIsGivenBackToTheOneItWasFor(t *testing.T) {
	racetest.Sequential(t)
	for _, c := range []struct {
		what     string
		from, to int64 // by number: t2 has 2
		state    event.State
		back     bool
	}{
		{"to one that has a name", 2, 66, event.Pending, true},
		{"to one that nobody has", 65, 65 + 128, event.Pending, true},
		{"a dead one", 2, 66, event.Dead, true},
		{"two bits", 2, 69, event.Pending, false},
		{"to one that cannot be told from another", 3, 11, event.Pending, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			var log strings.Builder
			path := filepath.Join(t.TempDir(), "relay.db")
			s := openStore(t, Config{Path: path, Log: logTo(&log)})
			var ids event.IDs
			all, some := newEntry(&ids, many()...), newEntry(&ids, "t2", "t3", "t9", "t65")
			write(t, s, all, some)
			id, now := some.Event.ID, time.Now()
			b := &outbox.Batch{}
			for _, a := range some.To {
				end := outbox.Attempt{Key: outbox.Key{Event: id, Address: a}, Number: 1, At: now, Outcome: event.Retry, Tries: 1, State: c.state}
				if c.state == event.Pending {
					end.NextAt = now
				}
				b.Attempts = append(b.Attempts, end)
			}
			if err := s.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			damage := fmt.Sprintf("UPDATE deliveries SET address = %d WHERE address = %d AND seq = %d", c.to, c.from, id.Seq())
			if strings.Contains(c.what, "another") {
				damage += fmt.Sprintf("; DELETE FROM deliveries WHERE address = 9 AND seq = %d", id.Seq())
			}
			if err := s.w.exec(context.WithoutCancel(t.Context()), damage); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, Config{Path: path, Log: logTo(&log)})
			told := map[outbox.Address]int{}
			s.WhenMended(func(more map[outbox.Address]int) {
				for a, n := range more {
					told[a] += n
				}
			})
			for range 2 {
				for i := range 70 {
					_ = claimed(t, s, outbox.Address(fmt.Sprint("t", i+1)))
				}
				if _, _, err := s.Deliveries(t.Context(), outbox.Filter{Event: id}); err != nil {
					t.Fatal(err)
				}
				write(t, s, newEntry(&ids, "t70"))
			}
			is := outbox.Address(fmt.Sprint("t", c.from))
			d, err := s.Delivery(t.Context(), outbox.Key{Event: id, Address: is})
			if c.back != (err == nil) || c.back && d.State != c.state {
				t.Errorf("%s: %+v (%v), want it back: %t", is, d, err, c.back)
			}
			if got := slices.Contains(claimed(t, s, is), id); got != (c.back && c.state == event.Pending) {
				t.Errorf("%s gets it: %t", is, got)
			}
			want := 1
			if c.back {
				want = 2
			}
			if now := c.back && c.state == event.Pending; now != (told[is] == 1) || len(told) > 2 {
				t.Errorf("told of %v, of one more to %s: want %t", told, is, now)
			}
			if n := strings.Count(log.String(), "level=ERROR"); n != want || strings.Count(log.String(), id.String()[:18]) != want {
				t.Errorf("want %d lines of log:\n%s", want, log.String())
			}
		})
	}
}
