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
