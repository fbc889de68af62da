package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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

const wholeFrame = frameHeaderSize + defaultPage

// killed makes a store with commits of one event each in its log, and copies it
// as a kill would leave it: a mark that says what it said before them.
func killed(t *testing.T, events int) (path string, stored []event.ID) {
	t.Helper()
	s := openStore(t, Config{})
	var ids event.IDs
	stored = fill(t, s, &ids, events/2)
	if _, err := s.truncateOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	stored = append(stored, fill(t, s, &ids, events-events/2)...)
	return snapshot(t, s.cfg.Path), stored
}

// ends lists the frames of a log that end a transaction.
func ends(t *testing.T, path string) (list []int) {
	t.Helper()
	l, err := readWAL(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range l.frames {
		if f.size != 0 {
			list = append(list, i)
		}
	}
	return list
}

// flip flips one bit of a frame of the log.
func flip(t *testing.T, path string, frame, at int) {
	t.Helper()
	change(t, path+"-wal", func(b []byte) { b[walHeaderSize+frame*wholeFrame+at] ^= 4 })
}

// refused opens a store that must be refused, with the file and the way out, and
// must be left as it is.
func refused(t *testing.T, path string) {
	t.Helper()
	before, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Config{Path: path})
	if err == nil {
		_ = s.Close() // it should not be open
	}
	if !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), path+"-wal") || !strings.Contains(err.Error(), wayOut) {
		t.Errorf("open: %v, want outbox.ErrCorrupt, the file and the way out", err)
	}
	if after, err := os.ReadFile(path + "-wal"); err != nil || !slices.Equal(before, after) {
		t.Errorf("the log was changed (%v)", err)
	}
}

// saved salvages a store and returns what the new one has for "a".
func saved(t *testing.T, path string) (Salvaged, []event.ID) {
	t.Helper()
	folder := t.TempDir()
	out := filepath.Join(folder, "saved.db")
	got, err := Salvage(t.Context(), path, out, func(int) {
		for _, pattern := range []string{"", "/*"} {
			for _, name := range must(filepath.Glob(filepath.Join(folder, unfinishedName+"*"+pattern))) {
				if i, err := os.Stat(name); err != nil || i.Mode().Perm()&0o077 != 0 {
					t.Errorf("others may read %s (%v)", name, err)
				}
			}
		}
	})
	if err != nil {
		t.Fatal("salvage:", err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("salvage left %v (%v), want the new store only", left, err)
	}
	return got, claimed(t, openStore(t, Config{Path: out}), "a")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestDamagedLogIsRefusedAndSalvageBringsBackWhatStandsBehind(t *testing.T) {
	racetest.Sequential(t)
	for what, at := range map[string]int{
		"a page's number": 2, "the length": 6, "the first salt": 8, "the second salt": 15, "the checksum": 20, "the page": 24 + 2000,
	} {
		t.Run(what, func(t *testing.T) {
			path, stored := killed(t, 40)
			all := ends(t, path)
			for _, frame := range []int{0, all[3], all[3] + 1} {
				copied := snapshot(t, path)
				flip(t, copied, frame, at)
				refused(t, copied)
				got, back := saved(t, copied)
				if lost := len(stored) - len(back); lost > 1 || strings.Contains(what, "salt") && lost > 0 || what == "the checksum" && lost > 0 {
					t.Errorf("frame %d: %d of %d are lost: %+v", frame, lost, len(stored), got)
				}
			}
		})
	}
}

func TestLogWithADamagedHeaderIsRefusedAndSalvageReadsIt(t *testing.T) {
	racetest.Sequential(t)
	path, stored := killed(t, 40)
	for _, damage := range []func(h []byte){
		func(h []byte) { h[0] ^= 1 }, func(h []byte) { h[9] ^= 1 }, func(h []byte) { h[17] ^= 1 }, func(h []byte) { h[30] ^= 1 }, func(h []byte) { clear(h) },
		func(h []byte) { copy(h, strings.Repeat("x", walHeaderSize)) },
	} {
		copied := snapshot(t, path)
		change(t, copied+"-wal", func(b []byte) { damage(b[:walHeaderSize]) })
		refused(t, copied)
		if got, back := saved(t, copied); !slices.Equal(back, stored) {
			t.Errorf("salvage brings back %d of %d: %+v", len(back), len(stored), got)
		}
	}
}

func TestTransactionThatAPowerCutHasTornIsLeftOutAndTheRestIsThere(t *testing.T) {
	racetest.Sequential(t)
	path, stored := killed(t, 40)
	all := ends(t, path)
	first, last := all[len(all)-2]+1, all[len(all)-1]
	if last-first < 1 {
		t.Fatal("the last transaction has one frame only")
	}
	for subset := range 1 << (last - first + 1) { // which of its frames have come to the disk
		if subset == 1<<(last-first+1)-1 {
			continue
		}
		copied := snapshot(t, path)
		change(t, copied+"-wal", func(b []byte) {
			for i := first; i <= last; i++ {
				if subset&(1<<(i-first)) == 0 {
					clear(b[walHeaderSize+i*wholeFrame:][:wholeFrame])
				}
			}
		})
		if err := os.Remove(copied + ".mark"); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		s := openStore(t, Config{Path: copied, Log: logTo(&log)})
		if got := claimed(t, s, "a"); !slices.Equal(got, stored[:len(stored)-1]) {
			t.Errorf("of frames %b: %d events, want all but the last of %d", subset, len(got), len(stored))
		}
		if said := strings.Contains(log.String(), "level=ERROR"); said != (subset>>(last-first) == 1) {
			t.Errorf("of frames %b, the log says %q: want it to be an error when the commit's frame is there", subset, log.String())
		}
	}
}

func TestDamagedLastTransactionThatIsInTheFileAlreadyIsRefused(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	stored := fill(t, s, &ids, 10)
	if _, err := s.w.value(context.WithoutCancel(t.Context()), "PRAGMA wal_checkpoint(PASSIVE)"); err != nil {
		t.Fatal(err)
	}
	copied := snapshot(t, s.cfg.Path)
	all := ends(t, copied)
	flip(t, copied, all[len(all)-1], 100)
	refused(t, copied)
	if got, back := saved(t, copied); !slices.Equal(back, stored) {
		t.Errorf("salvage brings back %d of %d: %+v", len(back), len(stored), got)
	}
}

func TestALastTransactionWithoutItsEndIsLeftOutUnlessItIsInTheFileAlready(t *testing.T) {
	racetest.Sequential(t)
	for what, events := range map[string]struct{ before, behind int }{
		"the only one in the log": {0, 1}, "one of several": {0, 5}, "in a log begun anew over a longer one": {30, 5},
	} {
		for _, inFile := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in the file: %t", what, inFile), func(t *testing.T) {
				s := openStore(t, Config{})
				var ids event.IDs
				checkpoint := func(how string) {
					if _, err := s.w.value(context.WithoutCancel(t.Context()), "PRAGMA wal_checkpoint("+how+")"); err != nil {
						t.Fatal(err)
					}
				}
				stored := fill(t, s, &ids, 10)
				checkpoint("TRUNCATE")
				if events.before > 0 {
					stored = append(stored, fill(t, s, &ids, events.before)...)
					checkpoint("PASSIVE")
				}
				stored = append(stored, fill(t, s, &ids, events.behind)...)
				if inFile {
					checkpoint("PASSIVE")
				}
				l := must(readWAL(s.cfg.Path + "-wal"))
				if stale := len(l.frames) - l.seen; (stale > 0) != (events.before > 0) {
					t.Fatalf("%d frames of an older log stand behind: the test is wrong", stale)
				}
				end := walHeaderSize + l.seen*wholeFrame
				for damage, do := range map[string]func(log []byte) []byte{
					"the page":        func(log []byte) []byte { log[end-100] ^= 4; return log },
					"the page number": func(log []byte) []byte { log[end-wholeFrame+2] ^= 4; return log },
					"the length":      func(log []byte) []byte { log[end-wholeFrame+7] ^= 4; return log },
					"no commit":       func(log []byte) []byte { clear(log[end-wholeFrame+4:][:4]); return log },
					"the checksum":    func(log []byte) []byte { log[end-wholeFrame+20] ^= 4; return log },
					"cut":             func(log []byte) []byte { return log[:end-100] },
				} {
					copied := snapshot(t, s.cfg.Path)
					if err := os.WriteFile(copied+"-wal", do(must(os.ReadFile(copied+"-wal"))), 0o600); err != nil {
						t.Fatal(err)
					}
					if !inFile {
						s := openStore(t, Config{Path: copied})
						if got := claimed(t, s, "a"); !slices.Equal(got, stored[:len(stored)-1]) {
							t.Errorf("%s: %d events, want all but the last of %d", damage, len(got), len(stored))
						}
						continue
					}
					t.Log(damage)
					refused(t, copied)
					if got, back := saved(t, copied); !slices.Equal(back, stored) {
						t.Errorf("%s: salvage brings back %d of %d: %+v", damage, len(back), len(stored), got)
					}
				}
			})
		}
	}
}

func TestADamagedLogIsNotReadNorBackedUpAsIfItWereWhole(t *testing.T) {
	path, stored := killed(t, 40)
	whole, damaged := snapshot(t, path), snapshot(t, path)
	flip(t, damaged, ends(t, damaged)[3], 100)
	read := func(path string) (n int, err error) {
		r, err := OpenReader(t.Context(), path)
		if err != nil {
			return 0, err
		}
		for _, broken := range r.Events(t.Context(), time.Time{}) {
			n, err = n+1, errors.Join(err, broken)
		}
		return n, errors.Join(err, r.Close())
	}
	backUp := func(path string) (int, error) {
		b, err := Backup(t.Context(), path, filepath.Join(t.TempDir(), "copy.db"), func(int) {})
		return b.Events, err
	}
	for what, do := range map[string]func(path string) (int, error){"read": read, "back up": backUp} {
		if n, err := do(whole); err != nil || n != len(stored) {
			t.Errorf("%s a whole one: %d of %d events (%v)", what, n, len(stored), err)
		}
		if n, err := do(damaged); !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), wayOut) {
			t.Errorf("%s a damaged one: %d of %d events, %v; want outbox.ErrCorrupt and the way out", what, n, len(stored), err)
		}
	}
	refused(t, damaged) // and it was left as it is

	s := openStore(t, Config{})
	stored = fill(t, s, new(event.IDs), 10)
	flip(t, s.cfg.Path, ends(t, s.cfg.Path)[3], 20) // while it is open all of it is read
	for what, do := range map[string]func(path string) (int, error){"read": read, "back up": backUp} {
		if n, err := do(s.cfg.Path); err != nil || n != len(stored) {
			t.Errorf("%s one that is open: %d of %d events (%v)", what, n, len(stored), err)
		}
	}
	flip(t, s.cfg.Path, ends(t, s.cfg.Path)[3], 20) // so that it can be closed
}

func TestWhatFailedWritesLeaveInTheLogIsNotTakenForLostCommits(t *testing.T) {
	path, _ := killed(t, 40)
	all := ends(t, path)
	// Two transactions whose fsync failed, the second over the first, and over both
	// a shorter one that was acknowledged.
	copied := snapshot(t, path)
	begin := all[len(all)-1] + 1
	log, err := os.ReadFile(copied + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for _, failed := range []struct {
		frames int
		seed   byte
	}{{9, 1}, {6, 2}, {3, 3}} {
		before := log[:walHeaderSize+begin*wholeFrame]
		fresh := chained(walSumAt(before[len(before)-wholeFrame+16:]), log[16:24], failed.frames, failed.seed)
		log = append(before, append(fresh, log[min(len(log), len(before)+len(fresh)):]...)...)
	}
	if err := os.WriteFile(copied+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := readWAL(copied + "-wal")
	if err != nil || l.seen != begin+3 || len(l.frames) != begin+9 || !l.torn() {
		t.Fatalf("%d of %d frames are read (%v), and torn is %v: the test is wrong", l.seen, len(l.frames), err, l.torn())
	}
	if l.lost() {
		t.Error("leftovers are taken for lost commits")
	}
	for page, i := range l.latest(func(int) bool { return false }, false) {
		if i >= l.seen {
			t.Errorf("salvage would take page %d from a transaction that failed", page)
		}
	}
}

// chained are n frames that continue from a checksum, the last of which ends a
// transaction.
func chained(sum walSum, salts []byte, n int, seed byte) (frames []byte) {
	frames = make([]byte, 0, n*wholeFrame)
	for i := range n {
		f := make([]byte, wholeFrame)
		binary.BigEndian.PutUint32(f, uint32(100+i))
		if i == n-1 {
			binary.BigEndian.PutUint32(f[4:], 200)
		}
		copy(f[8:16], salts)
		f[frameHeaderSize] = seed
		sum = sum.add(binary.LittleEndian, f[:8]).add(binary.LittleEndian, f[frameHeaderSize:])
		binary.BigEndian.PutUint32(f[16:], sum.a)
		binary.BigEndian.PutUint32(f[20:], sum.b)
		frames = append(frames, f...)
	}
	return frames
}

func TestEmptyFileBesideALogOfAnotherIsRefused(t *testing.T) {
	path, _ := killed(t, 40)
	for _, gone := range []bool{false, true} {
		copied := snapshot(t, path)
		if err := os.Truncate(copied, 0); err != nil {
			t.Fatal(err)
		}
		if gone {
			if err := os.Remove(copied); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, copied)
		if _, err := os.Stat(copied); gone != os.IsNotExist(err) {
			t.Errorf("a file was made (%v)", err)
		}
	}
}

func TestNewStoreBesideTheMarkOfAnotherSaysSo(t *testing.T) {
	for what, lose := range map[string]func(path string) error{
		"the file and its log": func(path string) error { return errors.Join(os.Remove(path), os.Remove(path+"-wal")) },
		"a log with all of it": func(path string) error { return os.Remove(path + "-wal") },
		"all of that log":      func(path string) error { return os.Truncate(path+"-wal", 0) },
		"its header":           func(path string) error { return os.Truncate(path+"-wal", walHeaderSize-1) },
	} {
		t.Run(what, func(t *testing.T) {
			s := openStore(t, Config{})
			fill(t, s, new(event.IDs), 10)
			if err := s.mark.write(); err != nil { // as it does each second
				t.Fatal(err)
			}
			path := snapshot(t, s.cfg.Path)
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			s = openStore(t, Config{Path: path, Log: logTo(&log)})
			if !strings.Contains(log.String(), "level=ERROR") || s.Damaged() == "" {
				t.Errorf("the log says %q, damaged %q", log.String(), s.Damaged())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if s = openStore(t, Config{Path: path}); s.Damaged() != "" {
				t.Errorf("at the start after that: %s", s.Damaged())
			}
		})
	}
}

func TestALargeLogIsJudgedQuickly(t *testing.T) {
	const frames = 16 << 20 / wholeFrame
	path := filepath.Join(t.TempDir(), "relay.db-wal")
	log := make([]byte, walHeaderSize, walHeaderSize+frames*wholeFrame)
	binary.BigEndian.PutUint32(log, walMagic)
	binary.BigEndian.PutUint32(log[4:], walVersion)
	binary.BigEndian.PutUint32(log[8:], defaultPage)
	sum := walSum{}.add(binary.LittleEndian, log[:24])
	binary.BigEndian.PutUint32(log[24:], sum.a)
	binary.BigEndian.PutUint32(log[28:], sum.b)
	log = append(log, chained(sum, log[16:24], frames, 1)...)
	if err := os.WriteFile(path, log, 0o600); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	l, err := readWAL(path)
	took := time.Since(begun)
	t.Logf("%d frames in %v", len(l.frames), took)
	if err != nil || l.seen != frames || took > time.Second {
		t.Errorf("%d of %d frames in %v (%v)", l.seen, frames, took, err)
	}
}

func TestSalvageBringsBackWhatTheLogHasOfAStoreWhoseFileIsGoneOrEmpty(t *testing.T) {
	s := openStore(t, Config{})
	stored := fill(t, s, new(event.IDs), 20)
	for what, lose := range map[string]func(path string) error{
		"gone":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
	} {
		path := snapshot(t, s.cfg.Path)
		if err := lose(path); err != nil {
			t.Fatal(err)
		}
		refused(t, path)
		if got, back := saved(t, path); !slices.Equal(back, stored) {
			t.Errorf("%s: salvage brings back %d of %d: %+v", what, len(back), len(stored), got)
		}
		if what == "gone" {
			if _, err := Backup(t.Context(), path, path+".copy", func(int) {}); !errors.Is(err, outbox.ErrCorrupt) {
				t.Errorf("backup: %v, want outbox.ErrCorrupt", err)
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("there is a file now (%v)", err)
			}
		}
	}
	path := snapshot(t, s.cfg.Path)
	if err := errors.Join(os.Remove(path), os.Truncate(path+"-wal", 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := Salvage(t.Context(), path, path+".saved", func(int) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with nothing in the log: %v, want os.ErrNotExist", err)
	}
}
