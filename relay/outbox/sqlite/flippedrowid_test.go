package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// onOnePage is more events than a page has.
const onOnePage = 30

// elsewhere makes a store of n delivered events, closes it, and flips a bit of the
// seq of one in their table, so that it says it stands far up or down. No index has
// a delivered one, and SQLite minds no order.
func elsewhere(t *testing.T, n, nth int, up bool) (path string, stored []*outbox.Entry) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	for range n {
		stored = append(stored, newEntry(&ids, "a"))
	}
	write(t, s, stored...)
	deliver(t, s, stored...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	found, bit := false, byte(0x08)
	if up {
		bit = 0x20
	}
	change(t, path, func(b []byte) {
		for page := 2; page <= len(b)/defaultPage; page++ {
			if b[(page-1)*defaultPage] != 0x0d { // a leaf of a table
				continue
			}
			for _, at := range cells(b, page) {
				for b[at]&0x80 != 0 { // how long it is
					at++
				}
				if varint(b[at+1:]) == stored[nth].Event.ID.Seq() {
					b[at+1] ^= bit
					found = true
				}
			}
		}
	})
	if !found {
		t.Fatal("there is no such event")
	}
	return path, stored
}

// varint is a number as a cell has it.
func varint(b []byte) (v int64) {
	for i, c := range b[:8] {
		if v = v<<7 | int64(c&0x7f); c&0x80 == 0 || i == 7 {
			break
		}
	}
	return v
}

// eachElsewhere calls f with a store in which one event, by its number, says that
// it stands far up or down.
func eachElsewhere(t *testing.T, n int, nth []int, f func(t *testing.T, path string, stored []*outbox.Entry, nth int)) {
	t.Helper()
	racetest.Sequential(t)
	for _, at := range nth {
		for _, up := range []bool{true, false} {
			t.Run(fmt.Sprint(at, " up ", up), func(t *testing.T) {
				path, stored := elsewhere(t, n, at, up)
				f(t, path, stored, at)
			})
		}
	}
}

func TestAnEventThatSaysItStandsElsewhereHidesNoOtherFromAReader(t *testing.T) {
	const n = 3 * readerRows / 2
	eachElsewhere(t, n, []int{0, 300, readerRows - 1, n - 1}, func(t *testing.T, path string, stored []*outbox.Entry, nth int) {
		t.Helper()
		r, err := OpenReader(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		seen, damaged := map[event.ID]int{}, 0
		for ev, err := range r.Events(t.Context(), time.Time{}) {
			if errors.Is(err, outbox.ErrCorrupt) {
				damaged++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			seen[ev.ID]++
		}
		for i, e := range stored {
			if got := seen[e.Event.ID]; (got == 1) != (i != nth) {
				t.Errorf("event %d comes %d times", i, got)
			}
		}
		if damaged != 1 {
			t.Errorf("%d are damaged, want one", damaged)
		}
	})
}

func TestAnEventThatSaysItStandsElsewhereHidesNoneFromListsButThoseOfItsPage(t *testing.T) {
	const n = 3 * chunk
	eachElsewhere(t, n, []int{0, chunk, 2*chunk - 1, n - 1}, func(t *testing.T, path string, _ []*outbox.Entry, _ int) {
		t.Helper()
		s := openStore(t, Config{Path: path})
		list, _, err := s.Events(t.Context(), outbox.Filter{Limit: 1000})
		seen := map[event.ID]bool{}
		for _, e := range list {
			seen[e.ID] = true
		}
		if err != nil || len(seen) != len(list) || len(list) < n-onOnePage {
			t.Errorf("%d events are listed, %d different ones of %d (%v)", len(list), len(seen), n, err)
		}
	})
}

func TestAnEventThatSaysItStandsElsewhereKeepsNoneFromBeingErasedButThoseOfItsPage(t *testing.T) {
	const n = 3 * purgeStep
	eachElsewhere(t, n, []int{0, purgeStep - 1, n - 1}, func(t *testing.T, path string, stored []*outbox.Entry, _ int) {
		t.Helper()
		s := openStore(t, Config{Path: path})
		later := time.Now().Add(time.Hour)
		for range 2 {
			if _, err := s.Purge(t.Context(), outbox.Retention{Rows: later}); err != nil && !errors.Is(err, outbox.ErrCorrupt) {
				t.Fatal(err)
			}
			left := 0
			for _, e := range stored {
				if _, err := s.Event(t.Context(), e.Event.ID); !errors.Is(err, event.ErrNotFound) {
					left++
				}
			}
			if rows := countOf(t, s, "SELECT count(*) FROM events"); left > onOnePage || rows > onOnePage {
				t.Errorf("%d events are left, %d rows", left, rows)
			}
			e := newEntry(new(event.IDs), "a")
			write(t, s, e)
			deliver(t, s, e)
			stored = append(stored, e)
		}
	})
}

func TestAnEventThatSaysItStandsElsewhereKeepsNoBodyInTheClearButThoseOfItsPage(t *testing.T) {
	const n = 3 * rekeyRows / 2
	eachElsewhere(t, n, []int{0, rekeyRows - 1, n - 1}, func(t *testing.T, path string, _ []*outbox.Entry, _ int) {
		t.Helper()
		cfg := Config{Path: path, Keys: [][]byte{testKey(1)}}
		got, err := Rekey(t.Context(), cfg, func(int) {})
		if err != nil {
			t.Fatal(err)
		}
		clear := countOf(t, openStore(t, cfg), "SELECT count(*) FROM events WHERE key_id = 0")
		if clear > onOnePage || got.Bodies+clear != n || clear != len(got.Damaged) {
			t.Errorf("%+v, and %d of %d bodies are in the clear", got, clear, n)
		}
	})
}
