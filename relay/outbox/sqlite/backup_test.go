package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestBackupBesideAWriterHasAllThatWasAcknowledgedBefore(t *testing.T) {
	for _, keys := range [][][]byte{nil, {testKey(1)}} {
		s := openStore(t, Config{Keys: keys})
		var ids event.IDs
		before := fill(t, s, &ids, 30)
		ctx, stop := context.WithCancel(t.Context())
		written, ended := atomic.Int64{}, make(chan error, 1)
		go func() {
			for ctx.Err() == nil {
				if err := s.Write(context.WithoutCancel(ctx), &outbox.Batch{Entries: []*outbox.Entry{newEntry(&ids, "a")}}); err != nil {
					ended <- err
					return
				}
				written.Add(1)
			}
			ended <- nil
		}()
		copied := filepath.Join(t.TempDir(), "copy?x=y.db")
		got, err := Backup(t.Context(), s.cfg.Path, copied, func(int) {})
		stop()
		if err := <-ended; err != nil {
			t.Error("the writer was stopped:", err)
		}
		if most := len(before) + int(written.Load()); err != nil || got.Events < len(before) || got.Events > most || got.Damaged != 0 {
			t.Fatalf("backup: %+v (%v), want %d to %d events", got, err, len(before), most)
		}
		if info, err := os.Stat(copied); err != nil || info.Mode() != 0o600 {
			t.Errorf("the copy has mode %v (%v), want 0600", info.Mode(), err)
		}
		due := claimed(t, openStore(t, Config{Path: copied, Keys: keys}), "a")
		if len(due) != got.Events {
			t.Errorf("a relay on the copy has %d to do, want %d", len(due), got.Events)
		}
	}
}

func TestBackupSaysHowManyEventsItHasLookedThrough(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	fill(t, s, &ids, 3)
	var said []int
	into := filepath.Join(t.TempDir(), "copy")
	got, err := Backup(t.Context(), s.cfg.Path, into, func(events int) {
		said = append(said, events)
		if n := Unfinished(into); n < 4096 {
			t.Errorf("%d bytes are there before it is finished", n)
		}
	})
	if n := Unfinished(into); n != 0 {
		t.Errorf("%d bytes are unfinished when it is", n)
	}
	if err != nil || got.Events != 3 || !slices.Equal(said, []int{1, 2, 3}) {
		t.Errorf("%+v (%v), and it said %v", got, err, said)
	}
}

func TestBackupOverwritesNothingAndLeavesNothingWhenItFails(t *testing.T) {
	folder := t.TempDir()
	s := openStore(t, Config{Path: filepath.Join(folder, "relay.db")})
	taken, fresh := filepath.Join(folder, "taken"), filepath.Join(folder, "fresh")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(folder, "text.db")
	if err := os.WriteFile(text, bytes.Repeat([]byte("text\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, into string
		want       error
	}{
		{s.cfg.Path, taken, fs.ErrExist},
		{s.cfg.Path, s.cfg.Path, fs.ErrExist},
		{filepath.Join(folder, "none"), fresh, fs.ErrNotExist},
		{text, fresh, outbox.ErrCorrupt},
	} {
		if _, err := Backup(t.Context(), c.from, c.into, func(int) {}); !errors.Is(err, c.want) {
			t.Errorf("%s into %s: %v, want %v", c.from, c.into, err, c.want)
		}
	}
	for _, e := range must(os.ReadDir(folder)) {
		if name := e.Name(); name != "taken" && name != "text.db" && !strings.HasPrefix(name, "relay.db") {
			t.Errorf("%s is left", name)
		}
	}
}

func TestBackupSaysWhatIsDamagedInIt(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	bad := fill(t, s, &ids, 3)[1]
	if err := s.w.runOnce(context.WithoutCancel(t.Context()), "UPDATE events SET ticket = 'x' WHERE seq = ?", bad.Seq()); err != nil {
		t.Fatal(err)
	}
	if got, err := Backup(t.Context(), s.cfg.Path, filepath.Join(t.TempDir(), "copy"), func(int) {}); err != nil || got.Events != 3 || got.Damaged != 1 {
		t.Errorf("backup: %+v (%v), want 3 events, 1 damaged", got, err)
	}
}

// TestWhatIsErasedFromARestoredCopyIsGone: the copy has nothing of a body outside
// its row, where erasing would not find it.
func TestWhatIsErasedFromARestoredCopyIsGone(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	b := &outbox.Batch{}
	for range 200 {
		e, _ := canary(&ids, "Jo Canary")
		b.Entries = append(b.Entries, e)
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	if _, err := Backup(t.Context(), s.cfg.Path, copied, func(int) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := Rekey(t.Context(), Config{Path: copied, Keys: [][]byte{testKey(1)}}, func(int) {}); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(copied); err != nil || bytes.Contains(text, []byte("Jo Canary")) {
		t.Errorf("a body in the clear is in the file (%v)", err)
	}
}

func TestBackupMendsAFlippedBitInANameAndSaysSo(t *testing.T) {
	for what, flip := range map[string]func(s *Store, row int, b []byte){
		"address 2":         func(_ *Store, row int, b []byte) { b[row+len(rowOfB)-1] ^= 1 },
		"which store it is": func(s *Store, _ int, b []byte) { b[bytes.Index(b, s.mark.store)] ^= 16 },
	} {
		path, entries, row := pinged(t)
		s := openStore(t, Config{Path: path, Keys: [][]byte{testKey(1)}})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		change(t, path, func(b []byte) { flip(s, row, b) })
		copied := filepath.Join(t.TempDir(), "copy")
		got, err := Backup(t.Context(), path, copied, func(int) {})
		if err != nil || len(got.Mended) != 1 || got.Mended[0] != what {
			t.Fatalf("%s: backup: %+v (%v), want it mended", what, got, err)
		}
		var log strings.Builder
		goesWhere(t, openStore(t, Config{Path: copied, Keys: [][]byte{testKey(1)}, Log: logTo(&log)}), entries)
		if log.Len() > 0 {
			t.Errorf("%s: a relay on the copy says\n%s", what, log.String())
		}
		if got, err := Backup(t.Context(), copied, copied+"2", func(int) {}); err != nil || len(got.Mended) > 0 {
			t.Errorf("%s: backup of the copy: %+v (%v)", what, got, err)
		}
	}
}

func TestBackupSaysWhichStoreItIsOrIsNone(t *testing.T) {
	for what, c := range map[string]struct {
		set   string
		tells bool // without the mark
	}{"a text": {"CAST(v AS TEXT)", true}, "too short": {"x'01'", false}, "nothing": {"NULL", false}} {
		s := openStore(t, Config{Keys: [][]byte{testKey(1)}})
		path, store := s.cfg.Path, bytes.Clone(s.mark.store)
		fill(t, s, new(event.IDs), 1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		execIn(t, path, "UPDATE meta SET v = "+c.set+" WHERE k = 'store'")
		for _, marked := range []bool{true, false} {
			if !marked {
				if err := os.Remove(path + ".mark"); err != nil {
					t.Fatal(err)
				}
			}
			copied := filepath.Join(t.TempDir(), "copy")
			got, err := Backup(t.Context(), path, copied, func(int) {})
			if !marked && !c.tells {
				if !errors.Is(err, outbox.ErrCorrupt) {
					t.Errorf("%s: backup without the mark: %+v (%v), want outbox.ErrCorrupt", what, got, err)
				}
				continue
			}
			if err != nil || len(got.Mended) != 1 {
				t.Fatalf("%s: backup: %+v (%v), want it mended", what, got, err)
			}
			if is := openStore(t, Config{Path: copied, Keys: [][]byte{testKey(1)}}).mark.store; !bytes.Equal(is, store) {
				t.Errorf("%s: the copy is %x, want %x", what, is, store)
			}
		}
	}
}

func TestBackupWithANameThatIsLostIsNone(t *testing.T) {
	path, _, row := pinged(t)
	change(t, path, func(b []byte) { b[row+len(rowOfB)-1], b[row+len(rowOfB)-2] = 'x', 'x' })
	copied := filepath.Join(t.TempDir(), "copy")
	if _, err := Backup(t.Context(), path, copied, func(int) {}); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("backup: %v, want outbox.ErrCorrupt", err)
	}
	if _, err := os.Stat(copied); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy is left (%v)", err)
	}
}
