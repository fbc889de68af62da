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
)

// large opens a store that takes longer to be checked than there is time for.
// A write fails once fail is set.
func large(t *testing.T, log *strings.Builder) (s *Store, fail *bool) {
	t.Helper()
	fail = new(bool)
	s = openStore(t, Config{pause: time.Nanosecond, Log: logTo(log), hook: func(point string) error {
		switch {
		case point == "whole check":
			return context.DeadlineExceeded
		case *fail && point == "before commit":
			*fail = false
			return errIO
		}
		return nil
	}})
	return s, fail
}

func TestALargeFileIsCheckedToItsEndAfterItAcceptsAgain(t *testing.T) {
	var log strings.Builder
	s, fail := large(t, &log)
	var ids event.IDs
	fill(t, s, &ids, 3)
	*fail = true
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
		t.Fatalf("write: %v, want it to fail", err)
	}
	fill(t, s, &ids, 1)
	s.beside.Wait()
	fill(t, s, &ids, 1)
	if err := s.Check(t.Context()); err != nil {
		t.Error("check:", err)
	}
	if got := claimed(t, s, "a"); len(got) != 5 {
		t.Errorf("%d events, want 5", len(got))
	}
}

func TestDamageFoundBesideStopsTheStore(t *testing.T) {
	var log strings.Builder
	s, fail := large(t, &log)
	var ids event.IDs
	var entries []*outbox.Entry
	for range 300 {
		entries = append(entries, newEntry(&ids, "a"))
	}
	write(t, s, entries...)
	fill(t, s, &ids, newestCommits+1)
	page := pageOf(t, s, "events", "leaf", 3)
	*fail = true
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
		t.Fatalf("write: %v, want it to fail", err)
	}
	spoil(t, s.cfg.Path, page, 0xff)
	fill(t, s, &ids, 1) // nothing that was written lately is damaged
	s.beside.Wait()
	for range 2 {
		err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}})
		if !errors.Is(err, outbox.ErrCorrupt) || !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("write: %v, want outbox.ErrCorrupt and event.ErrUnavailable", err)
		}
		if err := s.Check(t.Context()); !errors.Is(err, outbox.ErrCorrupt) {
			t.Errorf("check: %v, want outbox.ErrCorrupt", err)
		}
	}
	if n := strings.Count(log.String(), wayOut); n != 1 || !strings.Contains(log.String(), s.cfg.Path) {
		t.Errorf("want one line with the file and the way out:\n%s", log.String())
	}
}

func TestACheckBesideThatCannotReadIsMadeAgainAndStopsNothing(t *testing.T) {
	for _, damaged := range []bool{false, true} {
		var log strings.Builder
		s, fail := large(t, &log)
		checks, whole := 0, s.cfg.hook
		s.cfg.hook = func(point string) error {
			if point != "check beside" {
				return whole(point)
			}
			if checks++; checks < 3 {
				return errIO
			}
			return nil
		}
		var ids event.IDs
		fill(t, s, &ids, newestCommits+100)
		page := pageOf(t, s, "events", "leaf", 3)
		*fail = true
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
			t.Fatalf("write: %v, want it to fail", err)
		}
		if damaged {
			spoil(t, s.cfg.Path, page, 0xff)
		}
		fill(t, s, &ids, 1)
		s.beside.Wait()
		err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}})
		if checks != 3 || damaged != errors.Is(err, outbox.ErrCorrupt) || !damaged && err != nil {
			t.Errorf("damaged %t, checked %d times, write: %v", damaged, checks, err)
		}
	}
}

func TestWhatFailedWritesMayHaveTouchedIsReadBackBeforeAnythingIsAccepted(t *testing.T) {
	var log strings.Builder
	s, fail := large(t, &log)
	var ids event.IDs
	stored := fill(t, s, &ids, 10)
	damage := fmt.Sprintf("UPDATE events SET crc = crc + 1 WHERE seq = %d", stored[9].Seq())
	if err := s.w.exec(context.WithoutCancel(t.Context()), damage); err != nil {
		t.Fatal(err)
	}
	*fail = true
	batch := &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}
	if err := s.Write(t.Context(), batch); !errors.Is(err, errIO) {
		t.Fatalf("write: %v, want it to fail", err)
	}
	for range 2 {
		if err := s.Write(t.Context(), batch); !errors.Is(err, outbox.ErrCorrupt) || !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("write: %v, want outbox.ErrCorrupt and event.ErrUnavailable", err)
		}
	}
}

func TestDamagedLogIsNotCopiedIntoTheFile(t *testing.T) {
	for _, failing := range []bool{true, false} {
		var log strings.Builder
		path := filepath.Join(t.TempDir(), "relay.db")
		s, err := Open(t.Context(), Config{Path: path, pause: time.Nanosecond, Log: logTo(&log), hook: func(point string) error {
			if failing && point == "before commit" {
				return errIO
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		fails := failing
		failing = false
		var ids event.IDs
		fill(t, s, &ids, 10)
		flip(t, path, ends(t, path)[3], 100)
		if failing = fails; failing {
			if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
				t.Fatalf("write: %v, want it to fail", err)
			}
			failing = false
			if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, outbox.ErrCorrupt) {
				t.Errorf("write: %v, want outbox.ErrCorrupt", err)
			}
			if !strings.Contains(log.String(), path) || !strings.Contains(log.String(), wayOut) {
				t.Errorf("the log names neither the file nor the way out:\n%s", log.String())
			}
		}
		if err := s.Close(); !errors.Is(err, outbox.ErrCorrupt) {
			t.Errorf("close: %v, want outbox.ErrCorrupt", err)
		}
		refused(t, path)
		if _, back := saved(t, path); len(back) < 9 {
			t.Errorf("salvage brings back %d of 10", len(back))
		}
	}
}

// acceptsAfterAnError: whatever one row says, once a write has failed.
func acceptsAfterAnError(t *testing.T, s *Store) {
	t.Helper()
	fail := true
	s.cfg.hook = func(point string) error {
		if fail && point == "before commit" {
			fail = false
			return errIO
		}
		return nil
	}
	ids := new(event.IDs)
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(ids, "a")}}); !errors.Is(err, errIO) {
		t.Fatalf("write: %v, want it to fail", err)
	}
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(ids, "a")}}); err != nil {
		t.Error("write:", err)
	}
}

func TestAFlippedTypeInAnEventOrARetryStopsNothingAfterAnError(t *testing.T) {
	// the types of dedupe and of the four columns behind it
	flipped(t, closed(t, nothing), []byte{0x00, 0x06, 0x08, 0x06, 0x28, 0x06, 0x06}, 1, 13, 18, acceptsAfterAnError)
	// those of the address, of the state and of the number of attempts
	flipped(t, closed(t, triedOnce(t)), []byte{0x06, 0x09, 0x08, 0x09, 0x06, 0x08, 0x01}, 1, 1, 4, acceptsAfterAnError)
}
