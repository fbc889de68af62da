package cli

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/outbox/sqlite"
)

// inSQL does something to the file of a store behind the store's back.
func inSQL(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), statement)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDoctorFindsAStoreThatServeWouldRefuse(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a database of something else": func(path string) error { inSQL(t, path, "CREATE TABLE people (name)"); return nil },
		"a folder":                     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		if code, stdout := doctorOf(t, spoil); code != exitFailed || !strings.Contains(stdout, "fail store: it cannot be read: ") {
			t.Errorf("%s: exit %d\n%s", name, code, stdout)
		}
	}
}

func TestDoctorFindsALogWhoseStoreIsGone(t *testing.T) {
	left := func(log string) func(path string) error {
		return func(path string) error { return os.WriteFile(path+"-wal", []byte(log), 0o600) }
	}
	if code, stdout := doctorOf(t, left("a log, or what is left of one")); code != exitFailed || !strings.Contains(stdout, "fail store: it is gone, and its log is not") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	if code, stdout := doctorOf(t, left("")); code != exitDone || !strings.Contains(stdout, "ok   store: it is not there yet: serve makes it\n") {
		t.Errorf("an empty log: exit %d\n%s", code, stdout)
	}
}

func TestDoctorLeavesAStoreOfAnOlderReleaseToServe(t *testing.T) {
	code, stdout := doctorOf(t, func(path string) error {
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		if err == nil {
			err = s.Close()
		}
		inSQL(t, path, "DELETE FROM migrations WHERE n = (SELECT max(n) FROM migrations)")
		return err
	})
	if want := "ok   store: an older release wrote it: serve brings it up to date\n"; code != exitDone || !strings.Contains(stdout, want) {
		t.Errorf("exit %d, want %q in\n%s", code, want, stdout)
	}
}

// doctorOf has doctor look at a store that make has made.
func doctorOf(t *testing.T, make func(path string) error) (code int, stdout string) {
	t.Helper()
	folder := t.TempDir()
	if err := make(filepath.Join(folder, "relay.db")); err != nil {
		t.Fatal(err)
	}
	cfg := filepath.Join(folder, "relay.yaml")
	const text = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:relay.db"}
sources: {preventor: {path: /webhooks/invitation}}
rules: [{name: all, when: "true", to: [journal]}]
targets: {journal: {log: {}}}
`
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ = command(t, "doctor", "-c", cfg)
	return code, stdout
}
