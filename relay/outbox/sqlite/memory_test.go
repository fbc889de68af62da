package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// at makes an entry received at a time, with an id of that time.
func at(ids *event.IDs, when time.Time, to ...outbox.Address) *outbox.Entry {
	e := newEntry(&event.IDs{}, to...)
	e.Event.ID, e.Event.ReceivedAt, e.DedupeSince = ids.New(when), when, when.Add(-time.Hour)
	copy(e.Event.Dedupe[:], e.Event.ID[:])
	return e
}

func TestDeduplicationIsForgottenAfterTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "relay.db")
		s := openStore(t, Config{Path: path, Dedupe: time.Hour})
		var ids event.IDs
		for range 300 { // five hours
			write(t, s, at(&ids, time.Now()), at(&ids, time.Now()))
			time.Sleep(time.Minute)
		}
		if n := len(s.recent.seqs); n < 120 || n > 130 {
			t.Errorf("%d events in memory, want those of the last hour: about 120", n)
		}
		remembered := len(s.recent.seqs)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, Config{Path: path, Dedupe: time.Hour})
		if n := len(s.recent.seqs); n < 118 || n > remembered {
			t.Errorf("%d events in memory after the start, want about %d", n, remembered)
		}
		time.Sleep(10 * time.Hour) // a quiet night: what is left goes by and by
		for range 100 {
			write(t, s, at(&ids, time.Now()))
			time.Sleep(time.Second)
		}
		if n := len(s.recent.seqs); n != 100 {
			t.Errorf("%d events in memory, want the last 100", n)
		}
	})
}

func TestForgettingAnOldEventLeavesItsRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Config{Dedupe: time.Hour})
		var ids event.IDs
		first := at(&ids, time.Now())
		write(t, s, first)
		repeat := func(window time.Duration) *outbox.Entry {
			e := at(&ids, time.Now())
			e.Event.Dedupe, e.DedupeSince = first.Event.Dedupe, e.Event.ReceivedAt.Add(-window)
			write(t, s, e)
			return e
		}
		time.Sleep(20 * time.Minute)
		second := repeat(10 * time.Minute) // stored, while the first is still in memory
		time.Sleep(45 * time.Minute)
		write(t, s, at(&ids, time.Now())) // now the first goes
		time.Sleep(5 * time.Minute)
		if third := repeat(time.Hour); second.Duplicate || third.StoredID != second.Event.ID {
			t.Errorf("the second is a repeat: %v, the third is one of %v, want of the second, %v", second.Duplicate, third.StoredID, second.Event.ID)
		}
	})
}

func TestLongerWindowOfASourceIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStore(t, Config{Dedupe: time.Minute})
		var ids event.IDs
		first := at(&ids, time.Now())
		write(t, s, first)
		for range 50 {
			e := at(&ids, time.Now())
			e.DedupeSince = e.Event.ReceivedAt.Add(-time.Hour) // as after a reload with a longer window
			write(t, s, e)
			time.Sleep(time.Minute)
		}
		repeat := at(&ids, time.Now())
		repeat.Event.Dedupe = first.Event.Dedupe
		write(t, s, repeat)
		if !repeat.Duplicate {
			t.Error("an event within its source's window was forgotten")
		}
	})
}

// contents is all that a store has on disk.
func contents(t *testing.T, path string) (b []byte) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", ".mark", ".lock"} {
		more, err := os.ReadFile(path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		b = append(b, more...)
	}
	return b
}

func TestErasedBodiesLeaveNoTrace(t *testing.T) {
	racetest.Sequential(t)
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	canary := []byte("Jo Canary")
	for i := range 60 {
		var entries []*outbox.Entry
		for j := range 10 {
			e := newEntry(&ids, "a", "b")
			size := 10 << (j % 12) // into overflow pages
			e.Event.Body = bytes.Repeat(append(canary, fmt.Sprint(i, j)...), size)
			entries = append(entries, e)
		}
		write(t, s, entries...)
		deliver(t, s, entries[:5]...)
		deliver(t, s, entries[5:]...)
	}
	if !bytes.Contains(contents(t, path), canary) {
		t.Fatal("the test looks in the wrong place")
	}
	n, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now()})
	if err != nil || n != 600 {
		t.Fatalf("purged %d (%v), want 600", n, err)
	}
	if n := bytes.Count(contents(t, path), canary); n > 0 {
		t.Errorf("%d traces of erased bodies", n)
	}
}

func TestPersonIsInTheBodyOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	e := newEntry(&ids, "a")
	e.Event.Person, e.Event.Body = "12345678Z", []byte(`{}`)
	write(t, s, e)
	if bytes.Contains(contents(t, path), []byte("12345678Z")) {
		t.Error("a person's id is in the file beside the body")
	}
	items, _, err := s.Events(t.Context(), outbox.Filter{Person: "12345678Z"})
	if err != nil || len(items) != 1 || items[0].Person != "" {
		t.Errorf("found %d events of the person (%v), want 1 that does not name the person", len(items), err)
	}
	other := openStore(t, Config{})
	if person(s.salt, "12345678Z") == person(other.salt, "12345678Z") {
		t.Error("two stores have the same hash of a person: it has no salt")
	}
}

func TestReaderHoldsUpNobody(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	e := newEntry(&ids, "a")
	write(t, s, e)
	tx, err := s.readers.BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	count := func() (n int) {
		if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	before, began := count(), time.Now()
	deliver(t, s, e)
	write(t, s, newEntry(&ids, "a"))
	if _, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now(), Rows: time.Now()}); err != nil {
		t.Error("purge beside a reader:", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("a reader held the writer up for %v: it waited for the busy timeout", took)
	}
	if after := count(); after != before {
		t.Errorf("the reader sees %d events, then %d: not one state", before, after)
	}
}

func TestCheckWritesAtMostOnceASecond(t *testing.T) {
	commits := 0
	s := openStore(t, Config{hook: func(point string) error {
		if point == "before commit" {
			commits++
		}
		return nil
	}})
	began := time.Now()
	for range 50 {
		if err := s.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if most := int(time.Since(began)/time.Second) + 1; commits < 1 || commits > most {
		t.Errorf("50 checks made %d commits, want 1 to %d", commits, most)
	}
}

func TestCheckDoesNotWaitForAWriteThatHangs(t *testing.T) {
	entered, hang := make(chan struct{}), make(chan struct{})
	s := openStore(t, Config{hook: func(point string) error {
		if point == "before commit" {
			close(entered)
			<-hang
		}
		return nil
	}})
	var ids event.IDs
	done := make(chan error, 1)
	go func() {
		done <- s.Write(context.WithoutCancel(t.Context()), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}})
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Check(ctx); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("check: %v, want event.ErrUnavailable", err)
	}
	close(hang)
	if err := <-done; err != nil {
		t.Error("write:", err)
	}
}
