package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"invitation-relay/relay/outbox"
)

// linked is a path that leads to a store in another folder, by two links, of which
// one is relative.
func linked(t *testing.T, path string) (link string) {
	t.Helper()
	base := t.TempDir()
	link = filepath.Join(base, "in", "relay.db")
	for _, err := range []error{
		os.Mkdir(filepath.Dir(link), 0o700),
		os.Symlink("../beside.db", link),
		os.Symlink(path, filepath.Join(base, "beside.db")),
	} {
		if err != nil {
			t.Skip("no links here:", err)
		}
	}
	return link
}

func TestADamagedLogBehindALinkIsRefusedReadByNobodyAndSalvaged(t *testing.T) {
	path, stored := killed(t, 40)
	link := linked(t, path)
	flip(t, path, ends(t, path)[3], 2)
	if s, err := Open(t.Context(), Config{Path: link}); !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), path+"-wal") {
		t.Errorf("open: %v, want outbox.ErrCorrupt and the log", err)
		if err == nil {
			_ = s.Close() // it should not be open
		}
	}
	if r, err := OpenReader(t.Context(), link); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("open to read: %v, want outbox.ErrCorrupt", err)
		if err == nil {
			_ = r.Close() // it should not be open
		}
	}
	if _, err := Backup(t.Context(), link, filepath.Join(t.TempDir(), "copy"), func(int) {}); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("backup: %v, want outbox.ErrCorrupt", err)
	}
	if got, back := saved(t, link); len(back) < len(stored)-1 {
		t.Errorf("salvage brings back %d of %d: %+v", len(back), len(stored), got)
	}
}

func TestAStoreIsLockedByEachOfItsNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	link := linked(t, path) // to nothing yet
	for _, names := range [][2]string{{link, path}, {path, link}} {
		s := openStore(t, Config{Path: names[0]})
		if _, err := Open(t.Context(), Config{Path: names[1]}); !errors.Is(err, outbox.ErrLocked) {
			t.Errorf("open: %v, want outbox.ErrLocked", err)
		}
		if used, err := InUse(names[1]); !used || err != nil {
			t.Errorf("in use: %t, %v", used, err)
		}
		if _, err := Salvage(t.Context(), names[1], filepath.Join(t.TempDir(), "saved"), func(int) {}); !errors.Is(err, outbox.ErrLocked) {
			t.Errorf("salvage: %v, want outbox.ErrLocked", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var left []string
	for _, e := range must(os.ReadDir(filepath.Dir(link))) {
		left = append(left, e.Name())
	}
	if !slices.Equal(left, []string{"relay.db"}) {
		t.Errorf("beside the link there is %v, want nothing", left)
	}
}

func TestALinkIntoAFolderThatIsNotThereMakesNone(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "mounted")
	link := linked(t, filepath.Join(folder, "relay.db"))
	if s, err := Open(t.Context(), Config{Path: link}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open: %v, want os.ErrNotExist", err)
		if err == nil {
			_ = s.Close() // it should not be open
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made (%v)", err)
	}
}
