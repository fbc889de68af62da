package sqlite

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestTheLogDoesNotGrowWhileSomebodyAlwaysReads(t *testing.T) {
	const long, bodies, events = 4 << 20, 16 << 10, 50
	s := openStore(t, Config{long: long})
	var ids event.IDs
	commit := func() {
		var entries []*outbox.Entry
		for range events {
			e := newEntry(&ids, "a")
			e.Event.Body = bytes.Repeat([]byte("x"), bodies)
			entries = append(entries, e)
		}
		write(t, s, entries...)
	}
	commit()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, _, err := s.Claim(t.Context(), outbox.Query{Addresses: []outbox.Address{"a"}, DueBy: time.Now(), Limit: 50}); err != nil {
					t.Error("claim:", err)
				}
			}
		})
	}
	longest := int64(0)
	for range 36 { // less than SQLite needs to look at it by itself
		commit()
		longest = max(longest, must(sizeOf(s.cfg.Path+"-wal")))
	}
	close(stop)
	readers.Wait()
	if longest < long/2 || longest > 3*long {
		t.Errorf("the log was %d KiB long, want about %d", longest>>10, long>>10)
	}
}

func TestTheLogIsKeptShortAgainAfterWhoReadForLongHasGone(t *testing.T) {
	s := openStore(t, Config{long: 1 << 20})
	var ids event.IDs
	commit := func() {
		e := newEntry(&ids, "a")
		e.Event.Body = bytes.Repeat([]byte("x"), 200<<10)
		write(t, s, e)
	}
	commit()
	tx, err := s.readers.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := tx.QueryRowContext(t.Context(), "SELECT count(*) FROM events").Scan(&n); err != nil {
		t.Fatal(err)
	}
	for range 20 { // about 4 MB
		commit()
	}
	if s.longer == 0 {
		t.Fatal("nobody was waited for")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.truncateWAL(t.Context(), 10); err != nil { // as purge does, or SQLite by itself
		t.Fatal(err)
	}
	commit()
	if s.longer != 0 {
		t.Errorf("the next who reads may make the log %d KiB long, want %d again", s.longer>>10, s.cfg.long>>10)
	}
}

// readForLong begins to read a store as a backup does, until done is called or
// the test ends.
func readForLong(t *testing.T, path string) (done func()) {
	t.Helper()
	c, err := dial(path, readerParams)
	if err != nil {
		t.Fatal(err)
	}
	done = sync.OnceFunc(func() { _ = c.close() })
	t.Cleanup(done)
	for _, sql := range []string{"BEGIN", "SELECT count(*) FROM events"} {
		if _, err := c.value(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return done
}

// writtenAgain returns what says whether all of the log was written since and
// nothing of it has changed.
func writtenAgain(t *testing.T, path string) func() bool {
	t.Helper()
	was := must(os.ReadFile(path + "-wal"))
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path+"-wal", long, long); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		is := must(os.ReadFile(path + "-wal"))
		return must(os.Stat(path+"-wal")).ModTime().Sub(long) > time.Minute && bytes.Equal(was, is)
	}
}

func TestALogThatSomebodyReadsForLongComesToTheDiskBeforeAnythingIsStoredBehindIt(t *testing.T) {
	t.Run("at the start after a kill", func(t *testing.T) {
		path, stored := killed(t, 40)
		readForLong(t, path)
		again := writtenAgain(t, path)
		s := openStore(t, Config{Path: path})
		if !again() {
			t.Error("the log was not written once more, or is another one")
		}
		var ids event.IDs
		stored = append(stored, fill(t, s, &ids, 3)...)
		if got := claimed(t, s, "a"); !slices.Equal(got, stored) {
			t.Errorf("%d events are there, want %d", len(got), len(stored))
		}
	})
	t.Run("after an I/O error", func(t *testing.T) {
		var again func() bool // nil: nothing has failed yet
		fail, written := false, false
		s := openStore(t, Config{pause: time.Nanosecond, hook: func(point string) error {
			if fail {
				fail = false
				return errIO
			}
			if point == "empty the log" {
				written = again()
			}
			return nil
		}})
		var ids event.IDs
		stored := fill(t, s, &ids, 40)
		readForLong(t, s.cfg.Path)
		again, fail = writtenAgain(t, s.cfg.Path), true
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); !errors.Is(err, errIO) {
			t.Fatalf("write: %v, want it to fail", err)
		}
		stored = append(stored, fill(t, s, &ids, 3)...)
		if !written {
			t.Error("the log was not written once more, or is another one")
		}
		if got := claimed(t, s, "a"); !slices.Equal(got, stored) {
			t.Errorf("%d events are there, want %d", len(got), len(stored))
		}
	})
	t.Run("all of a long one", func(t *testing.T) {
		s := openStore(t, Config{})
		var ids event.IDs
		for range 5 {
			e := newEntry(&ids, "a")
			e.Event.Body = bytes.Repeat([]byte("x"), 700<<10)
			write(t, s, e)
		}
		again := writtenAgain(t, s.cfg.Path)
		if err := s.writeLogAgain(t.Context(), s.w); err != nil || !again() {
			t.Errorf("the log is another one (%v)", err)
		}
	})
}

// The system may have had an error of the log's fsync, and told it to the process
// that was killed: then only its memory has the frames, and the pages of the file,
// which a power cut may leave half written, must not come first.
func TestALogThatSomebodyLeftComesToTheDiskBeforeItComesIntoTheFile(t *testing.T) {
	path, stored := killed(t, 40)
	again, whole, asked := writtenAgain(t, path), must(os.ReadFile(path)), 0
	s := openStore(t, Config{Path: path, hook: func(point string) error {
		if point != "empty the log" {
			return nil
		}
		asked++
		if !again() || !bytes.Equal(must(os.ReadFile(path)), whole) {
			t.Error("the log was not written once more, or is in the file already")
		}
		return nil
	}})
	if n := must(sizeOf(path + "-wal")); asked != 1 || n != 0 {
		t.Errorf("the log has %d bytes, after it was emptied %d times", n, asked)
	}
	if got := claimed(t, s, "a"); !slices.Equal(got, stored) {
		t.Errorf("%d events are there, want %d", len(got), len(stored))
	}
}
