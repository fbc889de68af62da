package sqlite

import (
	"bytes"
	"testing"

	"invitation-relay/relay/event"
)

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
