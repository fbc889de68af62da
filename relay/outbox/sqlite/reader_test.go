package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func openReader(t *testing.T, path string, keys ...[]byte) *Reader {
	t.Helper()
	r, err := OpenReader(t.Context(), path, keys...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// readAll collects what a reader yields since a time.
func readAll(t *testing.T, r *Reader, since time.Time) (events []*event.Event) {
	t.Helper()
	for ev, err := range r.Events(t.Context(), since) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	return events
}

func TestReaderReadsBesideARunningRelayAndAfterIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	var want []*outbox.Entry
	for range 3 * readerRows / 2 {
		want = append(want, newEntry(&ids, "a"))
	}
	write(t, s, want...)
	compare := func(got []*event.Event) {
		t.Helper()
		if len(got) != len(want) {
			t.Fatalf("%d events, want %d", len(got), len(want))
		}
		for i, ev := range got {
			if w := want[i].Event; ev.ID != w.ID || ev.Source != w.Source || !ev.ReceivedAt.Equal(w.ReceivedAt) || !bytes.Equal(ev.Body, w.Body) {
				t.Fatalf("event %d is %+v, want %+v", i, ev, w)
			}
		}
	}
	r := openReader(t, path)
	compare(readAll(t, r, time.Time{}))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	compare(readAll(t, r, time.Time{}))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	compare(readAll(t, openReader(t, path), time.Time{}))
}

func TestReaderReadsWhatAKilledRelayLeftInTheWALAndLeavesItThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	killed := snapshot(t, path)
	before, err := os.ReadFile(killed)
	if err != nil {
		t.Fatal(err)
	}
	r := openReader(t, killed)
	if n := len(readAll(t, r, time.Time{})); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(killed); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
	if n := len(claimed(t, openStore(t, Config{Path: killed}), "a")); n != 1 {
		t.Errorf("%d pending after the reader, want 1", n)
	}
}

func TestReaderBeginsAtATime(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	now := time.Now()
	for _, ago := range []time.Duration{48 * time.Hour, 24 * time.Hour, time.Hour} {
		e := newEntry(&ids, "a")
		e.Event.ID = new(event.IDs).New(now.Add(-ago))
		write(t, s, e)
	}
	r := openReader(t, s.cfg.Path)
	for since, want := range map[time.Time]int{now: 0, now.Add(-2 * time.Hour): 1, now.Add(-24*time.Hour - time.Minute): 2, {}: 3} {
		if n := len(readAll(t, r, since)); n != want {
			t.Errorf("since %s there are %d events, want %d", since, n, want)
		}
	}
}

func TestReaderHoldsNoTransactionWhileItsCallerThinks(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"), newEntry(&ids, "a"))
	n := 0
	for _, err := range openReader(t, s.cfg.Path).Events(t.Context(), time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		write(t, s, newEntry(&ids, "a")) // not one of those that were there: else there was no end
		busy, err := s.truncateOnce(context.WithoutCancel(t.Context()))
		if err != nil || busy {
			t.Fatalf("the WAL cannot be emptied: %t, %v", busy, err)
		}
	}
	if n != 2 {
		t.Errorf("%d events, want the 2 that were there at the start", n)
	}
}

func TestReaderBatchesAreBoundInBytes(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	for range 5 {
		e := newEntry(&ids, "a")
		e.Event.Body = bytes.Repeat([]byte("x"), readerBytes/2)
		write(t, s, e)
	}
	r := openReader(t, s.cfg.Path)
	if rows, more, err := r.read(context.WithoutCancel(t.Context()), 0); err != nil || len(rows) != 2 || !more {
		t.Errorf("%d rows in a batch (%v), want 2", len(rows), err)
	}
	if n := len(readAll(t, r, time.Time{})); n != 5 {
		t.Errorf("%d events, want 5", n)
	}
}

func TestReaderSaysWhichBodiesAreErasedAndWhichEventsAreDamaged(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	erased, damaged, well := newEntry(&ids, "a"), newEntry(&ids, "a"), newEntry(&ids, "a")
	write(t, s, erased)
	deliver(t, s, erased)
	if n, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now().Add(time.Hour)}); err != nil || n != 1 {
		t.Fatalf("purge erased %d (%v)", n, err)
	}
	write(t, s, damaged, well)
	if err := s.w.exec(context.WithoutCancel(t.Context()),
		fmt.Sprintf("UPDATE events SET body = cast('{}' AS BLOB) WHERE seq = %d", damaged.Event.ID.Seq())); err != nil {
		t.Fatal(err)
	}
	i := 0
	for ev, err := range openReader(t, s.cfg.Path).Events(t.Context(), time.Time{}) {
		switch i {
		case 0:
			if err != nil || ev.ID != erased.Event.ID || ev.Body != nil {
				t.Errorf("erased: %+v (%v), want no body", ev, err)
			}
		case 1:
			if !errors.Is(err, outbox.ErrCorrupt) || ev.ID != damaged.Event.ID {
				t.Errorf("damaged: %+v (%v), want outbox.ErrCorrupt", ev, err)
			}
		case 2:
			if err != nil || ev.ID != well.Event.ID {
				t.Errorf("the one after: %+v (%v)", ev, err)
			}
		}
		i++
	}
	if i != 3 {
		t.Errorf("%d events, want 3", i)
	}
}

func TestReaderKnowsSourcesThatCameAfterIt(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	r := openReader(t, s.cfg.Path)
	e := newEntry(&ids, "a")
	e.Event.Source = "later"
	write(t, s, e)
	if got := readAll(t, r, time.Time{}); len(got) != 2 || got[1].Source != "later" {
		t.Errorf("read %+v", got)
	}
}

func TestReaderWritesNothing(t *testing.T) {
	s := openStore(t, Config{})
	if err := openReader(t, s.cfg.Path).conn.exec(context.WithoutCancel(t.Context()), "DELETE FROM events"); err == nil {
		t.Error("it may delete")
	}
}

func TestReaderRefusesWhatItCannotRead(t *testing.T) {
	folder := t.TempDir()
	if _, err := OpenReader(t.Context(), filepath.Join(folder, "none.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want fs.ErrNotExist", err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
		t.Errorf("it made %v (%v)", entries, err)
	}
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("text\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), text); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("no database: %v, want outbox.ErrCorrupt", err)
	}
	empty := filepath.Join(folder, "empty.db")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), empty); err == nil {
		t.Error("an empty file was read")
	}
	s := openStore(t, Config{})
	if err := s.w.exec(t.Context(), "INSERT INTO migrations VALUES (99, 'of the future', datetime())"); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenReader(t.Context(), s.cfg.Path); !errors.Is(err, outbox.ErrNewer) {
		t.Errorf("newer: %v, want outbox.ErrNewer", err)
	}
}

func TestReaderEndsWithItsContext(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for ev, err := range openReader(t, s.cfg.Path).Events(ctx, time.Time{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v (%v), want context.Canceled", ev, err)
		}
	}
}

func TestInUseAsksTheLockAndLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	ask := func(want bool) {
		t.Helper()
		if used, err := InUse(path); err != nil || used != want {
			t.Errorf("in use: %t (%v), want %t", used, err, want)
		}
	}
	ask(false)
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) > 0 {
		t.Errorf("it made %v (%v)", entries, err)
	}
	s := openStore(t, Config{Path: path})
	ask(true)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ask(false)
	openStore(t, Config{Path: path})
}
