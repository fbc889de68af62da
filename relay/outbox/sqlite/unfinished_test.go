package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"invitation-relay/relay/event"
)

// seenMeanwhile does something that makes a file, and returns all that could be
// read under the file's name until it was done.
func seenMeanwhile(t *testing.T, path string, do func() error) (seen [][]byte) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	for {
		b, err := os.ReadFile(path)
		if err == nil {
			seen = append(seen, b)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return append(seen, must(os.ReadFile(path)))
		default:
		}
	}
}

func TestACopyNeverHasItsNameBeforeItIsWhole(t *testing.T) {
	s := openStore(t, Config{})
	fill(t, s, new(event.IDs), 300)
	path := snapshot(t, s.cfg.Path)
	for what, do := range map[string]func(into string) error{
		"backup":  func(into string) error { _, err := Backup(t.Context(), path, into, func(int) {}); return err },
		"salvage": func(into string) error { _, err := Salvage(t.Context(), path, into, func(int) {}); return err },
	} {
		into := filepath.Join(t.TempDir(), "copy.db")
		seen := seenMeanwhile(t, into, func() error { return do(into) })
		whole := seen[len(seen)-1]
		for _, b := range seen {
			if string(b) != string(whole) {
				t.Errorf("%s: it had %d bytes when it had its name, and has %d", what, len(b), len(whole))
				break
			}
		}
		if left := must(os.ReadDir(filepath.Dir(into))); len(left) != 1 {
			t.Errorf("%s leaves %v", what, left)
		}
	}
}

func TestWhatAKilledProcessLeavesUnfinishedIsRemovedByTheNextAndWhatIsInUseIsNot(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "copy.db")
	killed, used := must(makeBeside(path)), must(makeBeside(path))
	theirs := filepath.Join(folder, ".salvage-of-somebody")
	for _, err := range []error{
		os.WriteFile(killed.file(), []byte("of persons"), 0o600),
		os.WriteFile(used.file(), []byte("of persons"), 0o600),
		killed.lock.Close(), // as the end of a process does
		os.Mkdir(theirs, 0o700),
		os.WriteFile(filepath.Join(folder, unfinishedName+"notes"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	next := must(makeBeside(path))
	if _, err := os.Lstat(killed.folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what was left is still there (%v)", err)
	}
	for _, name := range []string{used.file(), theirs, filepath.Join(folder, unfinishedName+"notes")} {
		if _, err := os.Lstat(name); err != nil {
			t.Error("somebody uses it:", err)
		}
	}
	if err := errors.Join(used.finish(path), used.remove(), next.remove()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); string(b) != "of persons" {
		t.Errorf("finished as %q (%v)", b, err)
	}
}

func TestWhatIsFinishedTakesNoNameThatIsTakenMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "copy.db")
	u := must(makeBeside(path))
	for name, text := range map[string]string{u.file(): "ours", path: "theirs"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := u.finish(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("finish: %v, want fs.ErrExist", err)
	}
	if b, err := os.ReadFile(path); string(b) != "theirs" {
		t.Errorf("it is %q now (%v)", b, err)
	}
	if err := u.remove(); err != nil {
		t.Error(err)
	}
}

func TestABackupIntoAFolderThatMayNotBeReadIsMade(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("this user may read all")
	}
	s := openStore(t, Config{})
	folder := filepath.Join(t.TempDir(), "drop")
	if err := os.Mkdir(folder, 0o300); err != nil {
		t.Fatal(err)
	}
	into := filepath.Join(folder, "copy.db")
	if _, err := Backup(t.Context(), s.cfg.Path, into, func(int) {}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(into); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if left := must(os.ReadDir(folder)); len(left) != 1 {
		t.Errorf("there is %v", left)
	}
}

func TestSalvageThatCannotEmptyTheNewLogIntoTheNewFileSaysSo(t *testing.T) {
	cfg := Config{Path: filepath.Join(t.TempDir(), "relay.db")}
	s := openStore(t, cfg)
	fill(t, s, new(event.IDs), 3)
	path := snapshot(t, cfg.Path)
	into, reads := filepath.Join(t.TempDir(), "saved.db"), 0
	got, err := Salvage(t.Context(), path, into, func(int) {
		for _, name := range must(filepath.Glob(filepath.Join(filepath.Dir(into), unfinishedName+"*", "relay.db"))) {
			readForLong(t, name) // as a full disk keeps it from that
			reads++
		}
	})
	if err == nil || reads == 0 {
		t.Errorf("salvage: %+v, want to hear that it is not all there; %d read it", got, reads)
	}
	if left := must(os.ReadDir(filepath.Dir(into))); len(left) > 0 {
		t.Errorf("there is %v", left)
	}
}
