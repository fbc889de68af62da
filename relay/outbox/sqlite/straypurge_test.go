package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// purged erases all that has ended. The first purge may meet an index that still
// says what was right.
func purged(t *testing.T, s *Store) {
	t.Helper()
	r := outbox.Retention{Bodies: time.Now().Add(time.Second), Rows: time.Now().Add(time.Second)}
	if _, err := s.Purge(t.Context(), r); err == nil {
		return
	}
	if _, err := s.Purge(t.Context(), r); err != nil {
		t.Error("purge:", err)
	}
}

func TestARowWithAnAddressThatNobodyHasStopsNoPurge(t *testing.T) {
	for _, c := range []struct{ from, to int64 }{{2, 0}, {2, 2 | 128}, {65, 65 | 128}, {3, 3 | 64 | 16}} { // from 128 on below 0: it is one byte
		path := filepath.Join(t.TempDir(), "relay.db")
		s, ids, id := triedWith(t, Config{Path: path}, event.Dead, "t2", "t3", "t65")
		flipAddress(t, path, id, c.from, c.to)
		purged(t, s)
		write(t, s, newEntry(ids, "t70"))
		if _, err := s.Event(t.Context(), id); !errors.Is(err, event.ErrNotFound) {
			t.Errorf("%d is now %d: %v, want it gone", c.from, c.to, err)
		}
		for a, n := range must(s.Counts(t.Context())) {
			if n.Dead != 0 && s.names.find(kindAddress, string(a)) != c.from {
				t.Errorf("%d is now %d: %s has %+v", c.from, c.to, a, n)
			}
		}
	}
}
