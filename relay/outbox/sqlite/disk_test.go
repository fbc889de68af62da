package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// limit gives the file only so many pages more: a full disk.
func limit(t *testing.T, s *Store, more int64) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	pages, err := count(ctx, s.w.conn, "PRAGMA page_count")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.value(ctx, "PRAGMA max_page_count = "+strconv.FormatInt(pages+more, 10)); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskLosesNothingAndIsOverWhenThereIsRoom(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	stored := fill(t, s, &ids, 5)
	limit(t, s, 4)
	connection := s.w
	full := false
	for range 100 {
		e := newEntry(&ids, "a")
		err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{e}})
		if err == nil {
			stored = append(stored, e.Event.ID)
			continue
		}
		full = true
		if !errors.Is(err, event.ErrUnavailable) {
			t.Fatalf("write: %v, want event.ErrUnavailable", err)
		}
	}
	if !full {
		t.Fatal("the disk did not get full")
	}
	if got := claimed(t, s, "a"); !slices.Equal(got, stored) {
		t.Errorf("%d events are there of %d", len(got), len(stored))
	}
	if err := s.Check(t.Context()); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("check: %v, want event.ErrUnavailable", err)
	}
	limit(t, s, 1000)
	stored = append(stored, fill(t, s, &ids, 5)...)
	if err := s.Check(t.Context()); err != nil {
		t.Error("check:", err)
	}
	if got := claimed(t, s, "a"); !slices.Equal(got, stored) || s.Pending() != len(stored) {
		t.Errorf("%d events and %d pending, want %d", len(got), s.Pending(), len(stored))
	}
	if s.w != connection {
		t.Error("the file was opened again, which a full disk does not call for")
	}
}

var errIO = errors.New("disk I/O error")

func TestAStoreThatCouldNotBeReadWholeWhenItWasOpenedAgainIsOpenedOnceMore(t *testing.T) {
	var fails map[string]error
	opened := 0
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
		if point == "reopen" {
			opened++
		}
		err := fails[point]
		delete(fails, point)
		return err
	}})
	harmless := s.w.exec(t.Context(), "INSERT INTO meta VALUES ('store', 1)")
	if code(harmless) != codeConstraint {
		t.Fatalf("%v leaves the connection in doubt, want an error that does not", harmless)
	}
	fails = map[string]error{"before commit": errIO, "load": harmless}
	var ids event.IDs
	for range 2 {
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); err == nil {
			t.Fatal("a write that fails is answered with success")
		}
	}
	fill(t, s, &ids, 1)
	if opened != 2 {
		t.Errorf("opened %d times again, want twice: after the first it was half read", opened)
	}
}

func TestAfterAnIOErrorTheFileIsOpenedAgainAndChecked(t *testing.T) {
	failAt := ""
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
		if point == failAt {
			return errIO
		}
		return nil
	}})
	var ids event.IDs
	stored := fill(t, s, &ids, 3)

	for _, point := range []string{"before commit", "after commit"} {
		failAt = point
		e := newEntry(&ids, "a", "new "+outbox.Address(point))
		batch := &outbox.Batch{Entries: []*outbox.Entry{e}}
		if err := s.Write(t.Context(), batch); !errors.Is(err, event.ErrUnavailable) || !errors.Is(err, errIO) {
			t.Errorf("%s: %v, want event.ErrUnavailable", point, err)
		}
		failAt = "reopen"
		for range 3 {
			if err := s.Write(t.Context(), batch); !errors.Is(err, event.ErrUnavailable) {
				t.Errorf("while the file cannot be opened: %v, want event.ErrUnavailable", err)
			}
		}
		failAt = ""
		stored = append(stored, fill(t, s, &ids, 1)...)
		counts, err := s.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := claimed(t, s, "a"); !slices.Equal(got, stored) || counts["a"].Pending != len(stored) {
			t.Errorf("%s: %d events and %d pending, want %d: what was refused must not be there", point, len(got), counts["a"].Pending, len(stored))
		}
		write(t, s, e) // the sender repeats
		if e.Duplicate {
			t.Errorf("%s: the repeat of a refused event counts as a duplicate", point)
		}
		stored = claimed(t, s, "a")
	}

	copied := openStore(t, Config{Path: snapshot(t, s.cfg.Path)}) // as after a kill
	if got := claimed(t, copied, "a"); !slices.Equal(got, stored) {
		t.Errorf("%d events after a restart, want %d", len(got), len(stored))
	}
	for _, a := range []outbox.Address{"new before commit", "new after commit"} {
		if n := len(claimed(t, copied, a)); n != 1 {
			t.Errorf("%d events for an address that was new when the disk failed, want 1", n)
		}
	}
}

func TestAttemptThatWasCommittedAllTheSameCountsOnce(t *testing.T) {
	fail := false
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
		if fail && point == "after commit" {
			return errIO
		}
		return nil
	}})
	var ids event.IDs
	e := newEntry(&ids, "a")
	write(t, s, e)
	end := outbox.Batch{Attempts: []outbox.Attempt{{
		Key: outbox.Key{Event: e.Event.ID, Address: "a"}, Number: 1, At: time.Now(), Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
	}}}
	fail = true
	if err := s.Write(t.Context(), &end); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("write: %v, want event.ErrUnavailable", err)
	}
	fail = false
	if err := s.Write(t.Context(), &end); err != nil { // the Writer keeps it and tries again
		t.Error("write:", err)
	}
	counts, err := s.Counts(t.Context())
	if c := counts["a"]; err != nil || c.Pending != 0 || c.Delivered != 1 {
		t.Errorf("counts %+v (%v), want one delivered", c, err)
	}
}

func TestDamagedFileIsNotWrittenToAfterAnIOError(t *testing.T) {
	fail := false
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(string) error {
		if fail {
			return errIO
		}
		return nil
	}})
	var ids event.IDs
	fill(t, s, &ids, 200)
	if _, err := s.truncateOnce(t.Context()); err != nil { // all in the file itself
		t.Fatal(err)
	}
	fail = true
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); err == nil {
		t.Fatal("the write did not fail")
	}
	fail = false
	change(t, s.cfg.Path, func(b []byte) {
		for i := len(b) / 2; i < len(b)/2+3*4096; i++ {
			b[i] = 0xa5
		}
	})
	err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}})
	if !errors.Is(err, outbox.ErrCorrupt) || !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("write: %v, want outbox.ErrCorrupt and event.ErrUnavailable", err)
	}
	if err := s.Check(t.Context()); err == nil {
		t.Error("check is happy with a damaged file")
	}
}

// powerCut copies a store as a power cut leaves it when what the log has from at
// on, and has not been written since, never came to the disk.
func powerCut(t *testing.T, path string, at int, failed []byte) (copied string) {
	t.Helper()
	copied = snapshot(t, path)
	change(t, copied+"-wal", func(b []byte) {
		if len(b) >= at+len(failed) && bytes.Equal(b[at:][:len(failed)], failed) {
			clear(b[at:][:len(failed)])
		}
	})
	return copied
}

func TestNothingStandsBehindWhatAFailedFsyncHasNotBroughtToTheDisk(t *testing.T) {
	fail := false
	s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
		if fail && point == "after commit" {
			fail = false
			return errIO
		}
		return nil
	}})
	var ids event.IDs
	fill(t, s, &ids, 3)
	_ = claimed(t, s, "a")
	synced := len(must(os.ReadFile(s.cfg.Path + "-wal")))
	fail = true
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
		t.Fatalf("write: %v, want it to fail", err)
	}
	failed := must(os.ReadFile(s.cfg.Path + "-wal"))[synced:]
	if len(failed) == 0 {
		t.Fatal("the write that failed has left nothing in the log")
	}
	restarted := openStore(t, Config{Path: snapshot(t, s.cfg.Path)}) // as after a kill

	for what, s := range map[string]*Store{"the same process": s, "the next process": restarted} {
		fill(t, s, &ids, 2)
		want := claimed(t, s, "a")
		after := openStore(t, Config{Path: powerCut(t, s.cfg.Path, synced, failed)})
		if got := claimed(t, after, "a"); !slices.Equal(got, want) {
			t.Errorf("%s: %d events after a power cut, want %d", what, len(got), len(want))
		}
	}
}

func TestALogThatIsDamagedAfterAnIOErrorIsNotCopiedIntoTheFileByClosing(t *testing.T) {
	fail := false
	path := filepath.Join(t.TempDir(), "relay.db")
	s, err := Open(t.Context(), Config{Path: path, hook: func(string) error {
		if fail {
			return errIO
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var ids event.IDs
	fill(t, s, &ids, 10)
	_ = claimed(t, s, "a")
	fail = true
	if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
		t.Fatalf("write: %v, want it to fail", err)
	}
	flip(t, path, ends(t, path)[3], 100)
	if err := s.Close(); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("close: %v, want outbox.ErrCorrupt", err)
	}
	refused(t, path)
}

func TestALogThatIsDamagedWhileTheStoreIsOutOfServiceIsNotCopiedIntoTheFileByIdleConnections(t *testing.T) {
	var ids event.IDs
	for what, after := range map[string]func(*Store){
		"nobody comes": func(*Store) {},
		"it is opened again in vain": func(s *Store) {
			if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, outbox.ErrCorrupt) {
				t.Errorf("write: %v, want outbox.ErrCorrupt", err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			fail := false
			path := filepath.Join(t.TempDir(), "relay.db")
			s, err := Open(t.Context(), Config{Path: path, pause: time.Nanosecond, hook: func(string) error {
				if fail {
					fail = false
					return errIO
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			fill(t, s, &ids, 10)
			_ = claimed(t, s, "a")
			fail = true
			if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
				t.Fatalf("write: %v, want it to fail", err)
			}
			flip(t, path, ends(t, path)[3], 100)
			s.readers.SetMaxIdleConns(-1) // as after a minute
			after(s)
			if err := s.Close(); !errors.Is(err, outbox.ErrCorrupt) {
				t.Errorf("close: %v, want outbox.ErrCorrupt", err)
			}
			refused(t, path)
		})
	}
}

func TestAFileThatIsGoneOrAnotherOneAfterAnIOErrorIsNotStartedAnew(t *testing.T) {
	for what, replace := range map[string]func(path string) error{
		"gone": func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(path+"-wal"))
		},
		"another one": func(path string) error {
			other := filepath.Join(t.TempDir(), "relay.db")
			s, err := Open(t.Context(), Config{Path: other})
			if err == nil {
				err = s.Close()
			}
			return errors.Join(err, os.Remove(path+"-wal"), os.Rename(other, path))
		},
	} {
		t.Run(what, func(t *testing.T) {
			fail := false
			s := openStore(t, Config{pause: time.Nanosecond, hook: func(string) error {
				if fail {
					fail = false
					return errIO
				}
				return nil
			}})
			var ids event.IDs
			fill(t, s, &ids, 3)
			fail = true
			b := &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}
			if err := s.Write(t.Context(), b); !errors.Is(err, errIO) {
				t.Fatalf("write: %v, want it to fail", err)
			}
			if err := replace(s.cfg.Path); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Write(t.Context(), b); !errors.Is(err, event.ErrUnavailable) || !strings.Contains(err.Error(), "another") {
					t.Errorf("write: %v, want event.ErrUnavailable, and why", err)
				}
			}
			if _, err := os.Stat(s.cfg.Path); what == "gone" && !os.IsNotExist(err) {
				t.Errorf("a file was made (%v)", err)
			}
		})
	}
}
