package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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

// flipAddress changes the address in the row of a delivery alone, in its place, as a
// bit that flips in the file does: the indexes and the order of the rows stay.
func flipAddress(t *testing.T, path string, id event.ID, from, to int64) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c := must(open(uri(path, "_dqs=0&_error_rc=1")))
	defer func() { _ = c.close() }()
	q := must(c.prepareOnce("SELECT pgno, data FROM sqlite_dbpage WHERE pgno IN (SELECT pageno FROM dbstat WHERE name = 'deliveries')", 0, 2))
	defer func() { _ = q.s.Close() }()
	is := append(binary.BigEndian.AppendUint64(nil, uint64(id.Seq())), byte(from))
	page, data := int64(0), []byte(nil)
	err := q.each(ctx, func() error {
		for _, at := range cells(q.blob(1), 1) {
			if i := bytes.Index(q.blob(1)[at:min(at+32, defaultPage)], is); i >= 0 {
				page, data = q.int(0), bytes.Clone(q.blob(1))
				data[at+i+8] = byte(to)
			}
		}
		return nil
	})
	if err != nil || page == 0 {
		t.Fatalf("the row is on no page (%v)", err)
	}
	if err := c.runOnce(ctx, "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", data, page); err != nil {
		t.Fatal(err)
	}
}

// triedWith is a store, looked through, with two events: one to all addresses, and
// one to some, which have been tried once.
func triedWith(t *testing.T, cfg Config, state event.State, to ...outbox.Address) (s *Store, ids *event.IDs, id event.ID) {
	t.Helper()
	cfg.pause = time.Nanosecond
	s, ids = openStore(t, cfg), new(event.IDs)
	<-s.audited
	all, some := newEntry(ids, many()...), newEntry(ids, to...)
	write(t, s, all, some)
	id, now := some.Event.ID, time.Now()
	b := &outbox.Batch{}
	for _, a := range some.To {
		end := outbox.Attempt{Key: outbox.Key{Event: id, Address: a}, Number: 1, At: now, Outcome: event.Retry, Tries: 1, State: state}
		if state == event.Pending {
			end.NextAt = now
		}
		b.Attempts = append(b.Attempts, end)
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return s, ids, id
}

// toldOf is by how many deliveries of each address more than were counted.
func toldOf(s *Store) map[outbox.Address]int {
	told := map[outbox.Address]int{}
	s.WhenMended(func(more map[outbox.Address]int) {
		for a, n := range more {
			told[a] += n
		}
	})
	return told
}

// gets says how often an event is claimed for an address.
func gets(t *testing.T, s *Store, a outbox.Address, id event.ID) (n int) {
	t.Helper()
	for _, got := range claimed(t, s, a) {
		if got == id {
			n++
		}
	}
	return n
}

func TestADeliveryWhoseAddressFlippedIsGivenBackToTheOneItWasFor(t *testing.T) {
	racetest.Sequential(t)
	for _, c := range []struct {
		what     string
		from, to int64 // by number: t2 has 2
		state    event.State
		back     bool
	}{
		{"to one that has a name", 2, 66, event.Pending, true},
		{"the last, to one before it", 65, 1, event.Pending, true},
		{"in the middle", 3, 67, event.Pending, true},
		{"to one that nobody has", 65, 65 + 128, event.Pending, true},
		{"a dead one", 2, 66, event.Dead, true},
		{"two bits", 2, 69, event.Pending, false},
		{"to one that cannot be told from another", 3, 11, event.Pending, false},
	} {
		for _, how := range []string{"open", "listed first", "after a restart", "after a restart and never listed"} {
			listed := !strings.Contains(how, "never")
			if !listed && (!c.back || c.state != event.Pending) { // nobody asks for them
				continue
			}
			t.Run(c.what+", "+how, func(t *testing.T) {
				var log strings.Builder
				path := filepath.Join(t.TempDir(), "relay.db")
				s, ids, id := triedWith(t, Config{Path: path, Log: logTo(&log)}, c.state, "t2", "t3", "t9", "t65")
				if strings.Contains(c.what, "another") {
					if err := s.w.exec(context.WithoutCancel(t.Context()), fmt.Sprint("DELETE FROM deliveries WHERE address = 9 AND seq = ", id.Seq())); err != nil {
						t.Fatal(err)
					}
				}
				if strings.Contains(how, "restart") {
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
				flipAddress(t, path, id, c.from, c.to)
				switch how {
				case "after a restart", "after a restart and never listed":
					s = openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
					<-s.audited
				case "listed first":
					if _, _, err := s.Deliveries(t.Context(), outbox.Filter{Event: id}); err != nil {
						t.Fatal(err)
					}
					write(t, s, newEntry(ids, "t70"))
				}
				told := toldOf(s)
				is := outbox.Address(fmt.Sprint("t", c.from))
				for range 2 {
					for i := range 70 {
						a := outbox.Address(fmt.Sprint("t", i+1))
						goes := slices.Contains([]outbox.Address{"t2", "t3", "t9", "t65"}, a)
						if n := gets(t, s, a, id); n > 1 || n > 0 && !goes {
							t.Errorf("%s gets it %d times", a, n)
						}
					}
					if listed {
						if _, _, err := s.Deliveries(t.Context(), outbox.Filter{Event: id}); err != nil {
							t.Fatal(err)
						}
					}
					write(t, s, newEntry(ids, "t70"))
				}
				d, err := s.Delivery(t.Context(), outbox.Key{Event: id, Address: is})
				if c.back != (err == nil) || c.back && (d.State != c.state || d.Attempts != 1) {
					t.Errorf("%s: %+v (%v), want it back: %t", is, d, err, c.back)
				}
				want := 0
				if c.back && c.state == event.Pending {
					want = 1
				}
				if got := gets(t, s, is, id); got != want {
					t.Errorf("%s gets it %d times, want %d", is, got, want)
				}
				for _, a := range []outbox.Address{"t2", "t3", "t65"} {
					if a != is && c.state == event.Pending && c.back && gets(t, s, a, id) != 1 {
						t.Errorf("%s, which is whole, does not get it", a)
					}
				}
				if how == "open" && c.back && told[is] < 0 {
					t.Errorf("told of %v", told)
				}
				said := "which target it was for cannot be told"
				if c.back {
					said = "is mended"
					integrity(t, s)
				}
				if strings.Count(log.String(), said) != 1 || c.back && strings.Contains(log.String(), "will not be sent") {
					t.Errorf("want it to say once %q:\n%s", said, log.String())
				}
			})
		}
	}
}

func TestADeliveryWhoseAddressFlippedToAnotherOfItsEventIsGivenBackAndTheOtherGetsNothingMore(t *testing.T) {
	for _, c := range []struct {
		what   string
		t3     []outbox.Attempt // of t3, one bit from t2
		to     int64            // what t2's row says
		t2, n3 int              // how often each gets it then
	}{
		{"to one that waits", nil, 3, 1, 1},
		{"to one that got it at once", []outbox.Attempt{{Number: 1, Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done}}, 3, 1, 0},
		{
			"two bits, beside one that got it at once and is sent again by hand",
			[]outbox.Attempt{{Number: 1, Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done}, {State: event.Pending}},
			69, 0, 1,
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			var log strings.Builder
			path := filepath.Join(t.TempDir(), "relay.db")
			s, ids := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond}), new(event.IDs)
			<-s.audited
			e := newEntry(ids, "t2", "t3")
			id, now := e.Event.ID, time.Now()
			write(t, s, newEntry(ids, many()...), e)
			first := outbox.Attempt{Key: outbox.Key{Event: id, Address: "t2"}, Number: 1, At: now, Outcome: event.Retry, Tries: 1, State: event.Pending, NextAt: now}
			b := &outbox.Batch{Attempts: []outbox.Attempt{first}}
			for i, a := range c.t3 {
				a.Key, a.At = outbox.Key{Event: id, Address: "t3"}, now.Add(time.Duration(i))
				b.Attempts = append(b.Attempts, a)
			}
			if err := s.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			flipAddress(t, path, id, 2, c.to)
			s.strayed(id.Seq())
			write(t, s, newEntry(ids, "t70"))
			for range 2 {
				if t2, t3 := gets(t, s, "t2", id), gets(t, s, "t3", id); t2 != c.t2 || t3 != c.n3 {
					t.Errorf("t2 gets it %d times and t3 %d, want %d and %d\n%s", t2, t3, c.t2, c.n3, log.String())
				}
				write(t, s, newEntry(ids, "t70"))
			}
			if got := stored(t, s, e); c.t2 == 1 && got.Open != c.t2+c.n3 {
				t.Errorf("%d are open, want %d", got.Open, c.t2+c.n3)
			}
		})
	}
}

func TestADeliveryIsGivenBackWhereverItsRowStands(t *testing.T) {
	var log strings.Builder
	path := filepath.Join(t.TempDir(), "relay.db")
	s, ids := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond}), new(event.IDs)
	<-s.audited
	b, now := &outbox.Batch{}, time.Now()
	for range 60 {
		e := newEntry(ids, many()...)
		b.Entries = append(b.Entries, e)
		for _, a := range e.To {
			b.Attempts = append(b.Attempts, outbox.Attempt{
				Key: outbox.Key{Event: e.Event.ID, Address: a}, Number: 1, At: now, Outcome: event.Retry, Tries: 1, State: event.Pending, NextAt: now,
			})
		}
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, e := range b.Entries { // each of another address, on all pages of the tree
		flipAddress(t, path, e.Event.ID, int64(2+i), int64(2+i)^128)
		s.strayed(e.Event.ID.Seq())
	}
	write(t, s, newEntry(ids, "t70"))
	for _, a := range many() {
		want := len(b.Entries)
		if a == "t70" {
			want++
		}
		if n := len(claimed(t, s, a)); n != want {
			t.Errorf("%s gets %d, want %d", a, n, want)
		}
	}
	integrity(t, s)
	if n := strings.Count(log.String(), "is mended"); n != len(b.Entries) || strings.Count(log.String(), "\n") != n {
		t.Errorf("want %d lines of log:\n%s", len(b.Entries), log.String())
	}
}

func TestADeliveryIsGivenBackAlsoWhereATransactionFails(t *testing.T) {
	for _, point := range []string{"before commit", "give back"} {
		t.Run(point, func(t *testing.T) {
			var fail atomic.Bool
			path := filepath.Join(t.TempDir(), "relay.db")
			s, ids, id := triedWith(t, Config{Path: path, hook: func(p string) error {
				if p == point && fail.CompareAndSwap(true, false) {
					return errIO
				}
				return nil
			}}, event.Pending, "t2", "t3")
			flipAddress(t, path, id, 2, 66)
			s.strayed(id.Seq())
			fail.Store(true)
			err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(ids, "t70")}})
			if !errors.Is(err, event.ErrUnavailable) {
				t.Fatalf("the write: %v, want event.ErrUnavailable", err)
			}
			s.straysAt = time.Time{} // a minute later
			write(t, s, newEntry(ids, "t70"))
			if n := gets(t, s, "t2", id); n != 1 {
				t.Errorf("t2 gets it %d times, want 1", n)
			}
		})
	}
}
