package sqlite

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// mixed makes a store with n events in the clear and n encrypted with each key.
func mixed(t *testing.T, n int, keys ...[]byte) (path string, entries []*outbox.Entry, refused []*event.Refused) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	var ids event.IDs
	for i := range len(keys) + 1 {
		used := slices.Clone(keys[:i])
		slices.Reverse(used)
		s := openStore(t, Config{Path: path, Keys: used})
		batch := &outbox.Batch{}
		for range n {
			e, r := canary(&ids, "Jo Canary")
			batch.Entries, batch.Refused = append(batch.Entries, e), append(batch.Refused, r)
		}
		if err := s.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		entries, refused = append(entries, batch.Entries...), append(refused, batch.Refused...)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return path, entries, refused
}

// whole looks whether a store has all of it.
func whole(t *testing.T, s *Store, entries []*outbox.Entry, refused []*event.Refused) {
	t.Helper()
	for _, e := range entries {
		got, err := s.Event(t.Context(), e.Event.ID)
		if err != nil || !bytes.Equal(got.Body, e.Event.Body) {
			t.Fatalf("event %v: %+v (%v)", e.Event.ID, got, err)
		}
	}
	items, _, err := s.Refused(t.Context(), outbox.Filter{Limit: 1000})
	if err != nil || len(items) != len(refused) || !bytes.Equal(items[0].Body, refused[0].Body) {
		t.Errorf("%d refused (%v), want %d", len(items), err, len(refused))
	}
	if n := len(claimed(t, s, "a")); n != len(entries) {
		t.Errorf("%d events are due, want %d", n, len(entries))
	}
	if items, _, err := s.Events(t.Context(), outbox.Filter{Person: entries[0].Event.Person}); err != nil || len(items) == 0 {
		t.Errorf("the first one's person is not found (%v)", err)
	}
}

func TestAfterRekeyTheOldKeysCanGo(t *testing.T) {
	path, entries, refused := mixed(t, 3, testKey(1), testKey(2))
	told := 0
	got, err := Rekey(t.Context(), Config{Path: path, Keys: [][]byte{testKey(3), testKey(2), testKey(1)}}, func(n int) { told = n })
	if err != nil || got.Bodies != 18 || told != 18 || len(got.Damaged) > 0 || got.KeysLet != 2 {
		t.Fatalf("rekey: %+v, told of %d (%v), want 18 bodies and 2 keys let go", got, told, err)
	}
	whole(t, openStore(t, Config{Path: path, Keys: [][]byte{testKey(3)}}), entries, refused)
}

func TestRekeyThatEndsHalfwayIsGoneOnWith(t *testing.T) {
	racetest.Sequential(t)
	path, entries, refused := mixed(t, 2*rekeyRows/3, testKey(1)) // of events and of refused ones more than fit one transaction
	cfg := Config{Path: path, Keys: [][]byte{testKey(2), testKey(1)}}
	ctx, cancel := context.WithCancel(t.Context())
	first, err := Rekey(ctx, cfg, func(int) { cancel() })
	if !errors.Is(err, context.Canceled) || first.Bodies != rekeyRows {
		t.Fatalf("rekey: %+v (%v), want one transaction", first, err)
	}
	s := openStore(t, cfg)
	whole(t, s, entries, refused)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := Rekey(t.Context(), cfg, func(int) {})
	if err != nil || first.Bodies+second.Bodies != len(entries)+len(refused) {
		t.Errorf("rekey: %d and then %d bodies (%v), want %d", first.Bodies, second.Bodies, err, len(entries)+len(refused))
	}
	third, err := Rekey(t.Context(), cfg, func(int) {})
	if err != nil || third.Bodies != 0 {
		t.Errorf("once more: %+v (%v), want nothing to do", third, err)
	}
	cfg.Keys = cfg.Keys[:1]
	whole(t, openStore(t, cfg), entries, refused)
}

func TestRekeyLeavesWhatIsDamagedAndItsKey(t *testing.T) {
	path, entries, _ := mixed(t, 2, testKey(1))
	cfg := Config{Path: path, Keys: [][]byte{testKey(2), testKey(1)}}
	s := openStore(t, cfg)
	bad := entries[3].Event.ID
	if err := s.w.runOnce(context.WithoutCancel(t.Context()), "UPDATE events SET body = zeroblob(length(body)) WHERE seq = ?", bad.Seq()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Rekey(t.Context(), cfg, func(int) {})
	if err != nil || !slices.Equal(got.Damaged, []event.ID{bad}) || got.Bodies != 7 || got.KeysLet != 0 {
		t.Errorf("rekey: %+v (%v), want one damaged and no key let go", got, err)
	}
	if _, err := openStore(t, cfg).Event(t.Context(), bad); !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("the damaged one: %v, want outbox.ErrCorrupt", err)
	}
}

func TestRekeyNeedsAStoreAKeyAndNobodyElse(t *testing.T) {
	keys := [][]byte{testKey(1)}
	path := filepath.Join(t.TempDir(), "relay.db")
	if _, err := Rekey(t.Context(), Config{Path: path, Keys: keys}, func(int) {}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no store: %v, want fs.ErrNotExist", err)
	}
	openStore(t, Config{Path: path})
	if _, err := Rekey(t.Context(), Config{Path: path}, func(int) {}); err == nil {
		t.Error("without a key nothing is wrong")
	}
	if _, err := Rekey(t.Context(), Config{Path: path, Keys: keys}, func(int) {}); !errors.Is(err, outbox.ErrLocked) {
		t.Errorf("beside a relay: %v, want outbox.ErrLocked", err)
	}
}
