package sqlite

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// newEvent makes an event like the vendor's, with random ids.
func newEvent(ids *event.IDs, n int) *event.Event {
	now := time.Now().UTC()
	id := ids.New(now)
	ev := &event.Event{
		ID: id, Source: "preventor", ReceivedAt: now, Subject: id.String(), Ticket: id.String()[9:], Status: "REJECTED",
		Person: fmt.Sprint("cif-", n),
	}
	ev.Body = fmt.Appendf(nil, `{"id":%q,"invitation_state":"COMPLETED","cifcod":%q,"full_name":"Jon Doe","ticket":%q,"transaction_status":"REJECTED","attempts":3}`,
		ev.Subject, ev.Person, ev.Ticket)
	copy(ev.Dedupe[:], id[:])
	copy(ev.Dedupe[16:], id[:])
	return ev
}

func newEntry(ids *event.IDs, to ...outbox.Address) *outbox.Entry {
	ev := newEvent(ids, int(ids.New(time.Now()).Seq()&0xffff))
	return &outbox.Entry{Event: ev, To: to, DedupeSince: ev.ReceivedAt.Add(-time.Hour)}
}

// openStore opens a store in a folder of its own, unless cfg has a path.
func openStore(tb testing.TB, cfg Config) *Store {
	tb.Helper()
	if cfg.Path == "" {
		cfg.Path = filepath.Join(tb.TempDir(), "relay.db")
	}
	s, err := Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func write(tb testing.TB, s *Store, entries ...*outbox.Entry) {
	tb.Helper()
	if err := s.Write(tb.Context(), &outbox.Batch{Entries: entries}); err != nil {
		tb.Fatal("write:", err)
	}
}

// deliver ends the deliveries of an entry with success.
func deliver(tb testing.TB, s *Store, entries ...*outbox.Entry) {
	tb.Helper()
	var ends []outbox.Attempt
	for _, e := range entries {
		for _, a := range e.To {
			ends = append(ends, outbox.Attempt{
				Key: outbox.Key{Event: e.Event.ID, Address: a}, Number: 1, At: time.Now(), Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
			})
		}
	}
	if err := s.Write(tb.Context(), &outbox.Batch{Attempts: ends}); err != nil {
		tb.Fatal("write:", err)
	}
}

// claimed lists the events due at an address.
func claimed(tb testing.TB, s *Store, a outbox.Address) (ids []event.ID) {
	tb.Helper()
	due, _, err := s.Claim(tb.Context(), outbox.Query{Addresses: []outbox.Address{a}, DueBy: time.Now().Add(time.Hour), Limit: 1e6})
	if err != nil {
		tb.Fatal("claim:", err)
	}
	for _, d := range due {
		ids = append(ids, d.Key.Event)
	}
	return ids
}

// snapshot copies a store as kill -9 would leave it: the file, what is in its
// WAL, and its mark.
func snapshot(tb testing.TB, path string) (copied string) {
	tb.Helper()
	copied = filepath.Join(tb.TempDir(), "relay.db")
	for _, suffix := range []string{"", "-wal", ".mark"} {
		b, err := os.ReadFile(path + suffix)
		if err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(copied+suffix, b, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return copied
}

// change edits a file in place.
func change(tb testing.TB, path string, f func([]byte)) {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	f(b)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		tb.Fatal(err)
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
