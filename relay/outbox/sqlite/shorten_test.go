package sqlite

import (
	"bytes"
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
