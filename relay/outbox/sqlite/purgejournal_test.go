package sqlite

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestAnEventThatIsLeftIsFoundByItsTicketWhateverIsErasedAroundIt(t *testing.T) {
	for _, flip := range []byte{0, 1} { // of the type of the journal's row: 1 makes a text of it
		path := filepath.Join(t.TempDir(), "relay.db")
		s := openStore(t, Config{Path: path})
		var ids event.IDs
		first, second, alone := newEntry(&ids, "a"), newEntry(&ids, "a"), newEntry(&ids, "a")
		write(t, s, second, first) // in the order in which they were queued
		write(t, s, alone)
		last := newEntry(&ids, "a")
		write(t, s, last)
		deliver(t, s, first, last)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		change(t, path, func(b []byte) {
			row := keys{seq: alone.Event.ID.Seq()}.append([]byte{3, 0, 12 + 2*keysSize})
			b[bytes.Index(b, row[:3+8])+2] ^= flip
		})
		s = openStore(t, Config{Path: path})
		if _, err := s.Purge(t.Context(), outbox.Retention{Rows: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if n := countOf(t, s, "SELECT count(*) FROM journal"); n != 3 {
			t.Errorf("%d rows of the journal are left, want all three", n)
		}
		for what, e := range map[string]*outbox.Entry{"the second": second, "the one alone": alone} {
			if list, _, err := s.Events(t.Context(), outbox.Filter{Ticket: e.Event.Ticket}); err != nil || len(list) != 1 {
				t.Errorf("%s, bit %d: %d found (%v)", what, flip, len(list), err)
			}
		}
		deliver(t, s, second)
		if _, err := s.Purge(t.Context(), outbox.Retention{Rows: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		if n := countOf(t, s, "SELECT count(*) FROM journal"); n != 2 {
			t.Errorf("bit %d: %d rows of the journal are left, want that of the one alone and the last", flip, n)
		}
	}
}
