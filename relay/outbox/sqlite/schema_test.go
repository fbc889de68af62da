package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// schemaPages are where in a file the schema is.
func schemaPages(t *testing.T, path string) (at []int) {
	t.Helper()
	c, err := dial(path, "&mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	q, err := c.prepareOnce("SELECT pageno FROM dbstat WHERE name = 'sqlite_schema'", 0, 1)
	if err == nil {
		err = q.each(context.WithoutCancel(t.Context()), func() error { at = append(at, int(q.int(0)-1)*defaultPage); return nil })
	}
	if err := errors.Join(err, q.s.Close(), c.close()); err != nil || len(at) < 2 {
		t.Fatalf("%d pages (%v)", len(at), err)
	}
	return at
}

func TestDamagedSchemaIsRefusedAndSalvageReadsAllBehindIt(t *testing.T) {
	racetest.Sequential(t)
	path := filepath.Join(t.TempDir(), "relay.db")
	live := openStore(t, Config{Path: path})
	var ids event.IDs
	stored := fill(t, live, &ids, 20)
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
	vacuumed := filepath.Join(t.TempDir(), "relay.db")
	c, err := dial(path, "")
	if err == nil {
		err = errors.Join(c.runOnce(context.WithoutCancel(t.Context()), "VACUUM INTO ?", vacuumed), c.close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{path, vacuumed} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		pages := schemaPages(t, from)
		within := func(b []byte, word, instead string) { // SQLite leaves copies of it beside
			for _, at := range pages {
				copy(b[at:], bytes.ReplaceAll(b[at:at+defaultPage], []byte(word), []byte(instead)))
			}
		}
		for what, damage := range map[string]func(b []byte){
			"no first page":      func(b []byte) { clear(b[:defaultPage]) },
			"no database":        func(b []byte) { b[3] ^= 1 },
			"whose it is":        func(b []byte) { b[68] ^= 1 },
			"another column":     func(b []byte) { within(b, "subject     TEXT", "sucject     TEXT") },
			"no SQL":             func(b []byte) { within(b, "CREATE TABLE events", "CRDATE TABLE events") },
			"no page of several": func(b []byte) { clear(b[pages[1]:][:defaultPage]) },
		} {
			damaged := filepath.Join(t.TempDir(), "relay.db")
			b := append([]byte(nil), text...)
			damage(b)
			if err := os.WriteFile(damaged, b, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Config{Path: damaged})
			if err == nil {
				_ = s.Close() // it should not be open
			}
			if !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), damaged) || !strings.Contains(err.Error(), wayOut) {
				t.Errorf("%s: open: %v, want outbox.ErrCorrupt, the file and the way out", what, err)
			}
			if got, back := saved(t, damaged); len(back) != len(stored) {
				t.Errorf("%s: salvage brings back %d of %d: %+v", what, len(back), len(stored), got)
			}
		}
	}
}

func TestDatabaseOfAnotherProgramIsRefusedWithItsName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other.db")
	c, err := dial(path, "")
	if err == nil {
		err = errors.Join(c.exec(context.WithoutCancel(t.Context()), "CREATE TABLE journal (n); INSERT INTO journal VALUES (1)"), c.close())
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{Path: path})
	if err == nil || errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "give another path") {
		t.Errorf("open: %v, want the file and the way out", err)
	}
	if _, err := Salvage(t.Context(), path, path+".saved", func(int) {}); err == nil || !strings.Contains(err.Error(), "give another path") {
		t.Errorf("salvage: %v, want the way out", err)
	}
}
