package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// lived makes a store in which deliveries have ended in every way, more of them
// than one transaction of Salvage takes, and closes it.
func lived(t *testing.T, cfg Config) (entries []*outbox.Entry) {
	t.Helper()
	s := openStore(t, cfg)
	var ids event.IDs
	now := time.Now()
	b := &outbox.Batch{}
	for i := range 4 * salvageRows {
		e, r := canary(&ids, fmt.Sprint("Jo ", i))
		e.To, e.Event.Person, e.Ruleset = []outbox.Address{"a", "b"}, fmt.Sprint("cif-", i), "the rules"
		entries = append(entries, e)
		b.Entries = append(b.Entries, e)
		if i%100 == 0 {
			b.Refused = append(b.Refused, r)
		}
		k := outbox.Key{Event: e.Event.ID, Address: "a"}
		switch end := (outbox.Attempt{Key: k, Number: 1, At: now, Tries: 1, Outcome: event.Retry, Reason: "503", NextAt: now}); i % 4 {
		case 1:
			end.Outcome, end.State = event.Delivered, event.Done
			b.Attempts = append(b.Attempts, end)
		case 2:
			b.Attempts = append(b.Attempts, end)
		case 3:
			end.Outcome, end.State = event.Rejected, event.Dead
			b.Attempts = append(b.Attempts, end)
		}
		if i%4 == 3 {
			b.Attempts = append(b.Attempts, outbox.Attempt{Key: outbox.Key{Event: k.Event, Address: "b"}, At: now, Number: 1, Tries: 1, Outcome: event.Delivered, State: event.Done})
		}
		if i%50 < 49 {
			continue
		}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		b = &outbox.Batch{}
	}
	for _, err := range []error{
		s.SetHold(t.Context(), outbox.Hold{Target: "b", Since: now, Reason: "401"}),
		s.SaveThread(t.Context(), "a", "key", "ref", now),
		s.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return entries
}

// state is all that a store says of an event, for comparison.
func state(t *testing.T, s *Store, id event.ID) any {
	t.Helper()
	e, err := s.Event(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	list, _, err := s.Deliveries(t.Context(), outbox.Filter{Event: id})
	if err != nil {
		t.Fatal(err)
	}
	attempts, err := s.Attempts(t.Context(), outbox.Key{Event: id, Address: "a"})
	if err != nil {
		t.Fatal(err)
	}
	return []any{e, list, attempts}
}

func TestSalvageThatCannotMakeTheNewStoreLeavesNothingAndTouchesNothing(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "relay.db")
	s := openStore(t, Config{Path: path})
	fill(t, s, new(event.IDs), 1)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	salvage := func(fresh string) error {
		_, err := Salvage(t.Context(), path, fresh, func(int) {})
		return err
	}
	in := filepath.Join(folder, "new")
	if err := salvage(filepath.Join(in, strings.Repeat("x", 250))); err == nil { // the name is not too long, and those of the files beside it are
		t.Fatal("there is room for what is beside the file: the test is wrong")
	}
	if left, err := os.ReadDir(in); err != nil || len(left) > 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
	for _, suffix := range freshFiles() {
		theirs := filepath.Join(in, "saved"+suffix+".db"+suffix)
		if err := os.WriteFile(theirs, []byte("of somebody"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := salvage(strings.TrimSuffix(theirs, suffix)); !errors.Is(err, fs.ErrExist) {
			t.Errorf("with %s there: %v, want fs.ErrExist", filepath.Base(theirs), err)
		}
		if is, err := os.ReadFile(theirs); err != nil || string(is) != "of somebody" {
			t.Errorf("%s is %q now (%v)", filepath.Base(theirs), is, err)
		}
	}
	if left, err := os.ReadDir(in); err != nil || len(left) != len(freshFiles()) {
		t.Errorf("there is %v now (%v)", left, err)
	}
}

func TestSalvageOfAWholeStoreSavesAllOfIt(t *testing.T) {
	racetest.Sequential(t)
	for _, keys := range [][][]byte{nil, {testKey(1)}} {
		folder := t.TempDir()
		cfg := Config{Path: filepath.Join(folder, "relay.db"), Keys: keys}
		entries := lived(t, cfg)
		out := Config{Path: filepath.Join(folder, "new", "saved.db"), Keys: keys}
		told := 0
		got, err := Salvage(t.Context(), cfg.Path, out.Path, func(n int) { told = n })
		if err != nil || got.Events != len(entries) || told != len(entries) || got.Refused != len(entries)/100 || len(got.Damaged)+got.Unreadable > 0 {
			t.Fatalf("salvage: %+v (%v), want all %d", got, err, len(entries))
		}
		was, is := openStore(t, cfg), openStore(t, out)
		for _, e := range entries[:40] {
			if diff := cmp.Diff(state(t, was, e.Event.ID), state(t, is, e.Event.ID)); diff != "" {
				t.Fatalf("event %v (-was +is):\n%s", e.Event.ID, diff)
			}
		}
		ask := func(s *Store) any {
			counts, err := s.Counts(t.Context())
			holds, err2 := s.Holds(t.Context())
			thread, err3 := s.Thread(t.Context(), "a", "key")
			person, _, err4 := s.Events(t.Context(), outbox.Filter{Person: "cif-77"})
			refused, _, err5 := s.Refused(t.Context(), outbox.Filter{})
			if err := errors.Join(err, err2, err3, err4, err5); err != nil {
				t.Fatal(err)
			}
			return []any{counts, holds, thread, person, refused, s.LastSeq()}
		}
		if diff := cmp.Diff(ask(was), ask(is)); diff != "" {
			t.Errorf("the rest (-was +is):\n%s", diff)
		}
		repeat := *entries[len(entries)-1]
		copied := *repeat.Event
		copied.ID = new(event.IDs).New(time.Now().Add(time.Minute))
		repeat.Event = &copied
		write(t, is, &repeat)
		if !repeat.Duplicate {
			t.Error("a repeat is not recognised")
		}
	}
}

func TestSalvageLosesWhatStandsOnADamagedPageAndNothingElse(t *testing.T) {
	racetest.Sequential(t)
	folder := t.TempDir()
	cfg := Config{Path: filepath.Join(folder, "relay.db")}
	entries := lived(t, cfg)
	var hit int
	change(t, cfg.Path, func(b []byte) { // three pages of events
		const page = 4096
		for _, i := range []int{500, 1000, 1500} {
			at := bytes.Index(b, []byte(fmt.Sprintf(`{"full_name":"Jo %d"}`, i))) / page * page
			hit += bytes.Count(b[at:at+page], []byte(`{"full_name"`))
			copy(b[at:at+page], bytes.Repeat([]byte{0xff}, page))
		}
	})
	out := Config{Path: filepath.Join(folder, "saved.db")}
	got, err := Salvage(t.Context(), cfg.Path, out.Path, func(int) {})
	if err != nil || got.Events != len(entries)-hit || got.Unreadable != hit || len(got.Damaged) > 0 || hit == 0 {
		t.Fatalf("salvage: %+v (%v), want all %d but the %d on the damaged pages", got, err, len(entries), hit)
	}
	s := openStore(t, out)
	pending := 0
	for i, e := range entries {
		d, err := s.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: "a"})
		if errors.Is(err, event.ErrNotFound) {
			continue
		}
		if want := []event.State{event.Pending, event.Done, event.Pending, event.Dead}[i%4]; err != nil || d.State != want {
			t.Fatalf("delivery %d: %+v (%v), want %v", i, d, err, want)
		}
		pending += one(d.State, event.Pending)
	}
	if n := len(claimed(t, s, "a")); n != pending || pending == 0 {
		t.Errorf("%d are due, want %d", n, pending)
	}
}

func TestSalvageTriesAgainWhatNobodyKnowsTheEndOf(t *testing.T) {
	racetest.Sequential(t)
	cfg := Config{Path: filepath.Join(t.TempDir(), "relay.db")}
	entries := lived(t, cfg)
	s := openStore(t, cfg)
	if err := s.w.exec(t.Context(), "DELETE FROM deliveries"); err != nil { // as if its pages were gone
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	out := Config{Path: cfg.Path + ".saved"}
	if _, err := Salvage(t.Context(), cfg.Path, out.Path, func(int) {}); err != nil {
		t.Fatal(err)
	}
	saved := openStore(t, out)
	if n := len(claimed(t, saved, "a")); n != len(entries)*3/4 {
		t.Errorf("%d are due at a, want all but the %d that are known to be delivered", n, len(entries)/4)
	}
}

func TestSalvageThatEndsHalfwayLeavesNothing(t *testing.T) {
	racetest.Sequential(t)
	cfg := Config{Path: filepath.Join(t.TempDir(), "relay.db")}
	lived(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Salvage(ctx, cfg.Path, cfg.Path+".saved", func(int) { cancel() })
	for _, pattern := range []string{cfg.Path + ".saved*", filepath.Join(filepath.Dir(cfg.Path), unfinishedName+"*")} {
		if left, _ := filepath.Glob(pattern); !errors.Is(err, context.Canceled) || len(left) > 0 {
			t.Errorf("salvage: %v, and it left %v", err, left)
		}
	}
}

func TestSalvageOverwritesNothingAndNeedsTheStoreForItself(t *testing.T) {
	folder := t.TempDir()
	cfg := Config{Path: filepath.Join(folder, "relay.db")}
	out := filepath.Join(folder, "saved.db")
	if _, err := Salvage(t.Context(), cfg.Path, out, func(int) {}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no store: %v, want fs.ErrNotExist", err)
	}
	s := openStore(t, cfg)
	if _, err := Salvage(t.Context(), cfg.Path, out, func(int) {}); !errors.Is(err, outbox.ErrLocked) {
		t.Errorf("beside a relay: %v, want outbox.ErrLocked", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(out, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Salvage(t.Context(), cfg.Path, out, func(int) {}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file is there: %v, want fs.ErrExist", err)
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != "mine" {
		t.Errorf("it says %q now (%v)", b, err)
	}
	if err := os.WriteFile(cfg.Path, bytes.Repeat([]byte("text\n"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Salvage(t.Context(), cfg.Path, out+"2", func(int) {}); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("no database: %v, want outbox.ErrCorrupt", err)
	}
	if _, err := os.Stat(out + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it left a file (%v)", err)
	}
}
