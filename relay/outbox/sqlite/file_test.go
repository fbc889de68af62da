package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestEveryPragmaIsReadBack(t *testing.T) {
	s := openStore(t, Config{})
	for _, p := range pragmas() {
		got, err := s.w.value(t.Context(), "PRAGMA "+p.name)
		if err != nil || strings.ToLower(fmt.Sprint(got)) != p.want {
			t.Errorf("%s is %v (%v), want %s", p.name, got, err, p.want)
		}
	}
	var readonly int
	if err := s.readers.QueryRowContext(t.Context(), "PRAGMA query_only").Scan(&readonly); err != nil || readonly != 1 {
		t.Errorf("readers may write: query_only %d (%v)", readonly, err)
	}
}

func TestStoreDoesNotRunWithoutItsPragmas(t *testing.T) {
	c, err := dial(":memory:", "") // which has no WAL
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	if err := apply(context.WithoutCancel(t.Context()), c); err == nil || !strings.Contains(err.Error(), "journal_mode") {
		t.Errorf("apply: %v, want to hear of journal_mode", err)
	}
}

func TestSecondOneIsLockedOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	first := openStore(t, Config{Path: path})
	_, err := Open(t.Context(), Config{Path: path})
	if !errors.Is(err, outbox.ErrLocked) || !strings.Contains(err.Error(), path+".lock") {
		t.Errorf("open: %v, want outbox.ErrLocked and the name of the lock", err)
	}
	var ids event.IDs
	write(t, first, newEntry(&ids, "a")) // the first one is none the worse
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openStore(t, Config{Path: path})
	if n := len(claimed(t, second, "a")); n != 1 {
		t.Errorf("%d pending after the first was closed, want 1", n)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	path := filepath.Join(folder, "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	for name, want := range map[string]os.FileMode{
		folder: 0o700 | os.ModeDir, path: 0o600, path + "-wal": 0o600, path + "-shm": 0o600, path + ".lock": 0o600, path + ".mark": 0o600,
	} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v (%v), want %v", filepath.Base(name), info.Mode(), err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	openStore(t, Config{Path: path})
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(path + suffix); err != nil || info.Mode() != 0o600 {
			t.Errorf("%q has rights that are too wide: %v (%v)", suffix, info.Mode(), err)
		}
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	if err := s.w.exec(t.Context(), "INSERT INTO migrations VALUES (99, 'of the future', datetime())"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}); !errors.Is(err, outbox.ErrNewer) {
		t.Errorf("open: %v, want outbox.ErrNewer", err)
	}
}

func TestDatabaseOfSomethingElseIsRefusedUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "addresses.db")
	c, err := dial(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.exec(context.WithoutCancel(t.Context()), "CREATE TABLE people (name TEXT)"); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}); err == nil || !strings.Contains(err.Error(), "not a store of invitation-relay") {
		t.Errorf("open: %v, want a refusal", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o664 {
		t.Errorf("its group has lost rights: %v (%v)", info.Mode(), err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestFileThatIsNoDatabaseIsRefusedUntouched(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	text := bytes.Repeat([]byte("store: {url: sqlite:relay.db}\n"), 100)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path}); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("open: %v, want outbox.ErrCorrupt", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(text, after) {
		t.Errorf("the file was changed (%v)", err)
	}
}

func TestTruncatedFileIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	for range 20 {
		var entries []*outbox.Entry
		for range 50 {
			entries = append(entries, newEntry(&ids, "a"))
		}
		write(t, s, entries...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), Config{Path: path})
	if !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), "backup") {
		t.Errorf("open: %v, want outbox.ErrCorrupt and a way out", err)
	}
}

func TestPathIsTakenAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c=d#e%20f&ü.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	if n := len(claimed(t, s, "a")); n != 1 {
		t.Errorf("readers see %d events, want 1", n)
	}
	onlyFilesOf(t, path)
	t.Chdir(t.TempDir())
	write(t, openStore(t, Config{Path: "re?lative.db"}), newEntry(&ids, "a"))
	onlyFilesOf(t, "re?lative.db")
}

// onlyFilesOf looks for files that a path, misunderstood, has become.
func onlyFilesOf(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), filepath.Base(path)) {
			t.Errorf("the path is taken as %q", e.Name())
		}
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Error(err)
	}
}

// The claim of an address must not walk through what waits for others.
func TestQueriesOfTheHotPathsUseTheirIndexes(t *testing.T) {
	s := openStore(t, Config{})
	for query, index := range map[string]string{
		"SELECT seq, 0, 0 FROM events WHERE waiting = 1 AND waiting <> -9223372036854775808 AND seq > 1 AND seq < 9 ORDER BY seq LIMIT 5":  "events_waiting (waiting=? AND rowid>? AND rowid<?)",
		"SELECT min(waiting) FROM events WHERE waiting > 1 AND waiting <> -9223372036854775808":                                            "events_waiting (waiting>?)",
		"SELECT waiting, count(*), 0 FROM events WHERE waiting <> -9223372036854775808 GROUP BY waiting":                                   "COVERING INDEX events_waiting",
		"SELECT min(seq) FROM events WHERE waiting = 1 AND waiting <> -9223372036854775808":                                                "events_waiting (waiting=?)",
		"SELECT seq FROM deliveries WHERE state = 0 AND address = 1 AND next_at > 0 AND next_at <= 9 AND seq > 1 ORDER BY next_at LIMIT 5": "deliveries_due (address=? AND next_at>? AND next_at<?)",
		"SELECT min(seq) FROM deliveries WHERE state = 0 AND address = 1":                                                                  "deliveries_state (state=? AND address=?)",
		"SELECT seq FROM deliveries WHERE state = 2 AND address = 1 AND seq < 9 ORDER BY seq DESC LIMIT 5":                                 "deliveries_state (state=? AND address=? AND seq<?)",
	} {
		got := plan(t, s, query)
		if !strings.Contains(got, index) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s\nhas the plan %s\nwant %s", query, got, index)
		}
	}
}

// plan is how SQLite would run a query.
func plan(t *testing.T, s *Store, query string) string {
	t.Helper()
	rows, err := s.readers.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var steps []string
	for rows.Next() {
		var a, b, c int
		var step string
		if err := rows.Scan(&a, &b, &c, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(steps, "; ")
}
