package sqlite

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestAnEventWhoseSeqFlippedInItsTableStopsNoOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	stored := fill(t, s, &ids, 60)
	page := pageOf(t, s, "events", "leaf", 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	change(t, path, func(b []byte) {
		p := b[(page-1)*defaultPage:]
		at := int(binary.BigEndian.Uint16(p[8+2*2:])) // its third cell: how long it is, and then its seq
		for p[at]&0x80 != 0 {
			at++
		}
		p[at+4] ^= 8
	})
	var log strings.Builder
	s = openStore(t, Config{Path: path, Log: logTo(&log)})
	<-s.audited
	there := claimed(t, s, "a")
	if lost := len(stored) - len(there); lost < 1 || lost > 20 {
		t.Errorf("%d of %d events cannot be read, want those of its page at most", lost, len(stored))
	}
	for _, id := range there {
		err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{{
			Key: outbox.Key{Event: id, Address: "a"}, Number: 1, At: time.Now(), Outcome: event.Delivered, Tries: 1, State: event.Done,
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, newEntry(&ids, "a"))
	if strings.Contains(log.String(), "made anew") {
		t.Errorf("an index that is whole is made anew:\n%s", log.String())
	}
}
