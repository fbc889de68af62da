package sqlite

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"invitation-relay/relay/event"
)

// synced is a hook that lists the folders that are synced.
func synced(list *[]string) func(point string) error {
	return func(point string) error {
		if folder, ok := strings.CutPrefix(point, "sync "); ok {
			*list = append(*list, folder)
		}
		return nil
	}
}

func TestTheNamesOfANewStoreAndOfItsFoldersAreDurable(t *testing.T) {
	base := t.TempDir()
	a, b := filepath.Join(base, "a"), filepath.Join(base, "a", "b")
	path := filepath.Join(b, "relay.db")
	var list []string
	s := openStore(t, Config{Path: path, hook: synced(&list)})
	// SQLite does so with b for the file and its log; again after the mark was made.
	if want := []string{a, base, b}; !slices.Equal(list, want) {
		t.Errorf("a new store synced %q, want %q", list, want)
	}
	fill(t, s, new(event.IDs), 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	list = nil
	if openStore(t, Config{Path: path, hook: synced(&list)}); len(list) != 0 {
		t.Errorf("one that was there synced %q", list)
	}
}

func TestAFolderIsMadeInOneThatMayNotBeRead(t *testing.T) {
	base := t.TempDir()
	refuse := func(string) error { return os.ErrPermission }
	if err := makeFolder(filepath.Join(base, "a", "b"), refuse); err != nil {
		t.Error(err)
	}
	t.Chdir(base)
	for _, relative := range []string{".", "c/d"} {
		if err := makeFolder(relative, syncFolder); err != nil {
			t.Errorf("%s: %v", relative, err)
		}
	}
}
