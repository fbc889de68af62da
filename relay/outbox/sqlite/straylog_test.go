package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestNothingIsAcknowledgedBehindALogThatIsFoundDamagedWhereADeliveryIsGivenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	damage := false
	s, err := Open(t.Context(), Config{Path: path, pause: time.Nanosecond, hook: func(point string) error {
		if damage && point == "count again" {
			damage = false
			flip(t, path, ends(t, path)[3], 100)
			return errIO
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); !errors.Is(err, outbox.ErrCorrupt) {
			t.Errorf("close: %v, want outbox.ErrCorrupt", err)
		}
	}()
	<-s.audited
	ids := new(event.IDs)
	all, some := newEntry(ids, many()...), newEntry(ids, "t2", "t3")
	write(t, s, all)
	write(t, s, some)
	fill(t, s, ids, 10)
	if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{endOf(some, "t2", event.Retry, event.Pending)}}); err != nil {
		t.Fatal(err)
	}
	flipAddress(t, path, some.Event.ID, 2, 66)
	s.strayed(some.Event.ID.Seq())
	damage = true
	for range 2 {
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{newEntry(ids, "t70")}}); !errors.Is(err, outbox.ErrCorrupt) {
			t.Errorf("write: %v, want outbox.ErrCorrupt", err)
		}
		if err := s.Check(t.Context()); !errors.Is(err, outbox.ErrCorrupt) {
			t.Errorf("check: %v, want outbox.ErrCorrupt", err)
		}
	}
}
