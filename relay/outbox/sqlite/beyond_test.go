package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// many are 70 addresses: t65 and those after it have no bit.
func many() (list []outbox.Address) {
	for i := range 70 {
		list = append(list, outbox.Address(fmt.Sprint("t", i+1)))
	}
	return list
}

func TestFlippedBitInTheAddressOfADeliverySendsItNowhereElse(t *testing.T) {
	for _, flip := range []struct {
		what, is, damage string
	}{
		{"a row of one with a bit", "t66", "UPDATE deliveries SET address = 66 WHERE address = 2 AND seq = %d"},
		{"a row of one beyond", "t69", "UPDATE deliveries SET address = 69 WHERE address = 65 AND seq = %d"},
		{"a row of one beyond, to one with a bit", "t1", "UPDATE deliveries SET address = 1 WHERE address = 65 AND seq = %d"},
		{"a mask", "t4", "UPDATE events SET waiting = waiting | 8 WHERE seq = %d"},
	} {
		t.Run(flip.what, func(t *testing.T) {
			var log strings.Builder
			s := openStore(t, Config{Log: logTo(&log)})
			var ids event.IDs
			all, some := newEntry(&ids, many()...), newEntry(&ids, "t2", "t65")
			write(t, s, all, some)
			id := some.Event.ID
			now := time.Now()
			b := &outbox.Batch{}
			for _, a := range some.To {
				b.Attempts = append(b.Attempts, outbox.Attempt{
					Key: outbox.Key{Event: id, Address: a}, Number: 1, At: now, Outcome: event.Retry, Tries: 1, State: event.Pending, NextAt: now,
				})
			}
			if err := s.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			if err := s.w.exec(context.WithoutCancel(t.Context()), fmt.Sprintf(flip.damage, id.Seq())); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if got := claimed(t, s, outbox.Address(flip.is)); !slices.Equal(got, []event.ID{all.Event.ID}) {
					t.Errorf("%s gets %v, want the first only", flip.is, got)
				}
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), id.String()) {
				t.Errorf("want one line of log with the event's id:\n%s", log.String())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			fresh := filepath.Join(t.TempDir(), "saved.db")
			if _, err := Salvage(t.Context(), s.cfg.Path, fresh, func(int) {}); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			s = openStore(t, Config{Path: fresh, Log: logTo(&log)})
			for a, want := range map[string]bool{flip.is: false, "t2": true, "t65": true} {
				if got := slices.Contains(claimed(t, s, outbox.Address(a)), id); got != want {
					t.Errorf("salvaged, %s gets it: %t, want %t", a, got, want)
				}
			}
			if log.Len() > 0 {
				t.Errorf("salvaged: %s", log.String())
			}
		})
	}
}

func TestEventSaysWhatDecidedItWhereverItGoes(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	write(t, s, newEntry(&ids, many()...))
	for _, ruleset := range []string{"", "the rules"} {
		for _, verdicts := range [][]outbox.Verdict{nil, {{Rule: "one", Verdict: "match"}, {Rule: "two", Verdict: "stop"}}} {
			e := newEntry(&ids, "t1", "t65", "t70")
			e.Ruleset, e.Verdicts = ruleset, verdicts
			write(t, s, e)
			if got := stored(t, s, e); got.Ruleset != ruleset || !slices.Equal(got.Verdicts, verdicts) || !slices.Equal(got.To, e.To) {
				t.Errorf("%q, %v, %v, want %q, %v, %v", got.Ruleset, got.Verdicts, got.To, ruleset, verdicts, e.To)
			}
			if !slices.Contains(claimed(t, s, "t70"), e.Event.ID) {
				t.Error("t70 does not get it")
			}
		}
	}
}

func TestDeliveriesOfAnOlderStoreToManyAddressesAreSent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	old := newEntry(new(event.IDs), many()...)
	write(t, s, old)
	ctx := context.WithoutCancel(t.Context())
	if err := s.w.exec(ctx, "UPDATE events SET verdicts = x''"); err != nil {
		t.Fatal(err)
	}
	match(t, s, old.Event.ID.Seq())
	back := "ALTER TABLE names DROP COLUMN crc; DELETE FROM meta WHERE k = 'names'; DELETE FROM migrations WHERE n > 3"
	if err := errors.Join(s.w.exec(ctx, back), s.Close()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // as it is, then of this release
		if _, got := savedFor(t, path, "t70"); len(got) != 1 {
			t.Errorf("salvaged, t70 gets %v, want the event", got)
		}
		s := openStore(t, Config{Path: path})
		if got := claimed(t, s, "t70"); len(got) != 1 {
			t.Errorf("t70 gets %v, want the event", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeliveriesOfAnOlderStoreAreSentThoughItCannotBeReadAgainForNow(t *testing.T) {
	path, old := olderWithMany(t)
	failAt, points := "", 0
	s := openStore(t, Config{Path: path, pause: time.Nanosecond, hook: func(point string) error {
		if point == failAt {
			points++
			failAt = map[string]string{"before commit": "unlisted"}[point]
			return errIO
		}
		return nil
	}})
	ids := new(event.IDs)
	failAt = "before commit"
	for range 2 {
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(ids, "t1")}}); !errors.Is(err, errIO) {
			t.Errorf("write: %v, want it to fail", err)
		}
	}
	if got := claimed(t, s, "t70"); points != 2 || !slices.Equal(got, []event.ID{old.Event.ID}) {
		t.Errorf("t70 gets %v, want the event", got)
	}
}
