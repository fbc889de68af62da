package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// pinged is a closed store with three events, all for "slack-a" and the second
// for "slack-b" as well, and where the row of "slack-b" begins in the file.
func pinged(t *testing.T) (path string, entries []*outbox.Entry, row int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	entries = []*outbox.Entry{newEntry(&ids, "slack-a"), newEntry(&ids, "slack-a", "slack-b"), newEntry(&ids, "slack-a")}
	write(t, s, entries...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if row = bytes.Index(b, []byte(rowOfB)); err != nil || row < 0 {
		t.Fatalf("the row is nowhere (%v)", err)
	}
	return path, entries, row
}

const rowOfB = "address\x02slack-b" // its checksum follows

// goesWhere checks that slack-a gets all and slack-b the second, and nobody else anything.
func goesWhere(t *testing.T, s *Store, entries []*outbox.Entry) {
	t.Helper()
	for name, want := range map[string][]*outbox.Entry{"slack-a": entries, "slack-b": entries[1:2]} {
		var ids []event.ID
		for _, e := range want {
			ids = append(ids, e.Event.ID)
		}
		if got := claimed(t, s, outbox.Address(name)); !slices.Equal(got, ids) {
			t.Errorf("%s gets %v, want %v", name, got, ids)
		}
	}
}

func TestNoFlippedBitInTheRowOfANameRenamesAnything(t *testing.T) {
	path, _, row := pinged(t)
	ctx := context.WithoutCancel(t.Context())
	const header, kindType, nameType, sum = 6, 4, 2, 6 // before the row: sizes and types; behind it: the checksum
	for at := row - header; at < row+len(rowOfB)+sum; at++ {
		for bit := range 8 {
			change(t, path, func(b []byte) { b[at] ^= 1 << bit })
			c, err := dial(path, readerParams+"&mode=ro")
			if err != nil {
				t.Fatal(err)
			}
			n := newNames()
			_, mended, err := n.load(ctx, c)
			if err := c.close(); err != nil {
				t.Fatal(err)
			}
			if at >= row && (err != nil || len(mended) != 1) {
				t.Errorf("byte %d, bit %d: mended %v (%v), want one", at-row, bit, mended, err)
			}
			if (at == row-kindType || at == row-nameType) && bit == 0 && err != nil { // text has become bytes
				t.Errorf("byte %d, bit %d: %v, want the name as it was", at-row, bit, err)
			}
			if got := n.all(kindAddress); err == nil && !slices.Equal(got, []string{"slack-a", "slack-b"}) {
				t.Errorf("byte %d, bit %d: addresses are %q", at-row, bit, got)
			}
			change(t, path, func(b []byte) { b[at] ^= 1 << bit })
		}
	}
}

func TestFlippedBitInANameIsMendedInTheFileAndSaidOnce(t *testing.T) {
	racetest.Sequential(t)
	for what, at := range map[string]int{"kind": 3, "number": 7, "name": len(rowOfB) - 1, "checksum": len(rowOfB) + 3} {
		t.Run(what, func(t *testing.T) {
			path, entries, row := pinged(t)
			change(t, path, func(b []byte) { b[row+at] ^= 1 })
			reader := openReader(t, path) // it mends nothing
			if n := len(readAll(t, reader, time.Time{})); n != len(entries) {
				t.Errorf("a reader sees %d events", n)
			}
			if got, ids := savedFor(t, path, "slack-b"); len(ids) != 1 || len(got.LostNames) > 0 {
				t.Errorf("salvage: %+v, %d for slack-b, want 1", got, len(ids))
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			for range 2 {
				s := openStore(t, Config{Path: path, Log: logTo(&log)})
				goesWhere(t, s, entries)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "address 2") {
				t.Errorf("want one line that names the number:\n%s", log.String())
			}
			c, err := dial(path, "&mode=ro")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.close() }() // nothing was written
			if found, err := c.value(context.WithoutCancel(t.Context()), "PRAGMA integrity_check"); found != "ok" {
				t.Errorf("the file: %v (%v)", found, err)
			}
		})
	}
}

// savedFor is saved, and what is due at an address.
func savedFor(t *testing.T, path string, a outbox.Address) (got Salvaged, ids []event.ID) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "saved.db")
	got, err := Salvage(t.Context(), path, out, func(int) {})
	if err != nil {
		t.Fatal("salvage:", err)
	}
	s := openStore(t, Config{Path: out})
	ids = claimed(t, s, a)
	return got, ids
}

func TestNameThatIsLostIsRefusedAndSalvageSendsItsDeliveriesNowhere(t *testing.T) {
	for what, damage := range map[string]string{
		"another name":    "UPDATE names SET name = 'slack-c', crc = crc + 5 WHERE kind = 'address' AND id = 2",
		"the last is out": "DELETE FROM names WHERE kind = 'address' AND id = 2",
		"all are gone":    "DELETE FROM names WHERE kind = 'address'",
	} {
		t.Run(what, func(t *testing.T) {
			path, entries, _ := pinged(t)
			c, err := dial(path, "")
			if err == nil {
				err = errors.Join(c.exec(context.WithoutCancel(t.Context()), damage), c.close())
			}
			if err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Config{Path: path})
			if err == nil {
				_ = s.Close() // it should not be open
			}
			_, readErr := OpenReader(t.Context(), path)
			for _, err := range []error{err, readErr} {
				if !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), wayOut) ||
					strings.Contains(err.Error(), "slack") {
					t.Errorf("open: %v, want outbox.ErrCorrupt, the file, the way out and no name", err)
				}
			}
			out := filepath.Join(t.TempDir(), "saved.db")
			got, err := Salvage(t.Context(), path, out, func(int) {})
			if err != nil || got.Events != len(entries) || !slices.Contains(got.LostNames, "address damaged:2") {
				t.Fatalf("salvage: %+v (%v), want all events, and the name counted", got, err)
			}
			var log strings.Builder
			s = openStore(t, Config{Path: out, Log: logTo(&log)})
			var ids event.IDs
			write(t, s, newEntry(&ids, "slack-d")) // must not get the number
			for _, a := range []outbox.Address{"slack-b", "slack-c"} {
				if got := claimed(t, s, a); len(got) > 0 {
					t.Errorf("%s gets %v", a, got)
				}
			}
			if got := claimed(t, s, "slack-d"); len(got) != 1 {
				t.Errorf("slack-d gets %v, want its own", got)
			}
			if counts, err := s.Counts(t.Context()); err != nil || counts["damaged:2"].Pending != 1 || log.Len() > 0 {
				t.Errorf("counts: %v (%v), want the delivery to wait; log: %s", counts, err, log.String())
			}
		})
	}
}

func TestDamagedNumberOfNamesIsWrittenAnew(t *testing.T) {
	path, entries, _ := pinged(t)
	for _, damage := range []string{
		"DELETE FROM meta WHERE k = 'names'", "UPDATE meta SET v = zeroblob(20) WHERE k = 'names'",
		"UPDATE meta SET v = CAST(x'7f' || substr(v, 2) AS BLOB) WHERE k = 'names'",
	} {
		c, err := dial(path, "")
		if err == nil {
			err = errors.Join(c.exec(context.WithoutCancel(t.Context()), damage), c.close())
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, ids := savedFor(t, path, "slack-b"); len(ids) != 1 || len(got.LostNames) > 0 {
			t.Errorf("%s: salvage: %+v, %d for slack-b, want 1", damage, got, len(ids))
		}
		var log strings.Builder
		for range 2 {
			s := openStore(t, Config{Path: path, Log: logTo(&log)})
			goesWhere(t, s, entries)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: want one line of log:\n%s", damage, log.String())
		}
	}
}

func TestSalvageSavesEventsWhoseNamesCannotBeRead(t *testing.T) {
	path, entries, row := pinged(t)
	change(t, path, func(b []byte) {
		copy(b[row/defaultPage*defaultPage:][:defaultPage], bytes.Repeat([]byte{0xff}, defaultPage))
	})
	got, ids := savedFor(t, path, "damaged:2")
	if got.Events != len(entries) || !slices.Equal(ids, []event.ID{entries[1].Event.ID}) ||
		!slices.Equal(got.LostNames, []string{"address damaged:1", "address damaged:2", "source damaged:1"}) {
		t.Errorf("salvage: %+v, and %v for the second address", got, ids)
	}
	change(t, path, func(b []byte) { b[bytes.Index(b, sayNames([kinds]int{2, 0, 0, 1}))+3] = 1 })
	_, err := Salvage(t.Context(), path, path+".saved", func(int) {})
	if !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("when it is not known either how many there were: %v, want outbox.ErrCorrupt", err)
	}
}
