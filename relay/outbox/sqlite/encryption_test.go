package sqlite

import (
	"bytes"
	"context"
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
	"invitation-relay/relay/outbox/storetest"
	"invitation-relay/relay/relaytest/racetest"
)

// testKey is a key of 32 bytes; each n is another one.
func testKey(n byte) []byte { return bytes.Repeat([]byte{n}, 32) }

func TestEncryptedStoreKeepsThePromisesOfTheOutbox(t *testing.T) {
	racetest.Sequential(t)
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path, keys := filepath.Join(t.TempDir(), "relay.db"), [][]byte(nil)
		return func(t *testing.T) outbox.Store { // first in the clear, then with ever another key in front
			s, err := Open(t.Context(), Config{Path: path, Keys: keys})
			if err != nil {
				t.Fatal(err)
			}
			keys = append([][]byte{testKey(byte(len(keys)))}, keys...)
			return s
		}
	})
}

// canary makes an event with a word in it that is to be found nowhere, and a
// refused one.
func canary(ids *event.IDs, word string) (*outbox.Entry, *event.Refused) {
	e := newEntry(ids, "a")
	e.Event.Body = fmt.Appendf(nil, `{"full_name":%q}`, word)
	return e, &event.Refused{ID: ids.New(time.Now()), Source: "preventor", ReceivedAt: time.Now(), Status: 422, Body: []byte("not JSON: " + word)}
}

func TestBodiesAreReadableInNoFileOfAnEncryptedStore(t *testing.T) {
	for _, keys := range [][][]byte{{testKey(1)}, nil} {
		s := openStore(t, Config{Keys: keys})
		var ids event.IDs
		e, refused := canary(&ids, "Jo Canary")
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{e}, Refused: []*event.Refused{refused}}); err != nil {
			t.Fatal(err)
		}
		look := func(when string) {
			t.Helper()
			found := false
			for _, suffix := range []string{"", "-wal", ".mark"} {
				b, err := os.ReadFile(s.cfg.Path + suffix)
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				found = found || bytes.Contains(b, []byte("Canary")) || bytes.Contains(b, s.salt)
			}
			if found != (keys == nil) { // without keys it is found: the test can see
				t.Errorf("%s, with %d keys, something readable was found: %t", when, len(keys), found)
			}
		}
		look("in use")
		if got, err := s.Event(t.Context(), e.Event.ID); err != nil || !bytes.Equal(got.Body, e.Event.Body) {
			t.Errorf("the event: %+v (%v)", got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		look("closed")
	}
}

func TestSaltIsReadableNoMoreOnceThereIsAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	salt := bytes.Clone(s.salt)
	var ids event.IDs
	e := newEntry(&ids, "a")
	write(t, s, e)
	person := func(s *Store) {
		t.Helper()
		if items, _, err := s.Events(t.Context(), outbox.Filter{Person: e.Event.Person}); err != nil || len(items) != 1 {
			t.Errorf("%d events of the person (%v), want 1", len(items), err)
		}
	}
	for _, keys := range [][][]byte{{testKey(1)}, {testKey(2), testKey(1)}, {testKey(3), testKey(2)}} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, Config{Path: path, Keys: keys})
		person(s)
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + suffix)
			if err != nil && !errors.Is(err, os.ErrNotExist) || bytes.Contains(b, salt) {
				t.Errorf("the salt stands in relay.db%s (%v)", suffix, err)
			}
		}
	}
}

func TestMissingKeyIsRefusedWithTheWayOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path, Keys: [][]byte{testKey(1)}})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for want, keys := range map[string][][]byte{
		"store.encryption_keys is empty: put the key back":         nil,
		"put that key back, behind the one that is to encrypt; `s": {testKey(2)},
	} {
		s, err := Open(t.Context(), Config{Path: path, Keys: keys})
		if err == nil {
			_ = s.Close() // it should not be open
		}
		_, readErr := OpenReader(t.Context(), path, keys...)
		for _, err := range []error{err, readErr} {
			if !errors.Is(err, outbox.ErrKey) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
				t.Errorf("with %d keys: %v, want outbox.ErrKey and %q", len(keys), err, want)
			}
		}
	}
	keys := [][]byte{testKey(2), testKey(1)}
	if n := len(claimed(t, openStore(t, Config{Path: path, Keys: keys}), "a")); n != 1 {
		t.Errorf("with the key, %d events are due, want 1", n)
	}
	if n := len(readAll(t, openReader(t, path, keys...), time.Time{})); n != 1 {
		t.Errorf("a reader with the key sees %d events, want 1", n)
	}
	if _, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "x.db"), Keys: [][]byte{[]byte("short")}}); err == nil ||
		!strings.Contains(err.Error(), "5 bytes, it must be 32") {
		t.Errorf("a short key: %v", err)
	}
}

func TestKeyThatNoBodyNeedsMayGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path, Keys: [][]byte{testKey(1)}})
	var ids event.IDs
	e := newEntry(&ids, "a")
	write(t, s, e)
	deliver(t, s, e)
	if _, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][][]byte{{testKey(2)}, nil, {testKey(3)}} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, Config{Path: path, Keys: keys})
		known, err := count(t.Context(), s.w.conn, "SELECT count(*) FROM keys")
		if err != nil || known != int64(len(keys)) {
			t.Errorf("%d keys are known (%v), want %d", known, err, len(keys))
		}
	}
	next := newEntry(&ids, "a")
	write(t, s, next)
	if items, _, err := s.Events(t.Context(), outbox.Filter{Person: next.Event.Person}); err != nil || len(items) != 1 {
		t.Errorf("%d events of the person (%v), want 1", len(items), err)
	}
}

func TestKeyStaysWhilePersonsHangOnItsSalt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a")) // in the clear
	for _, keys := range [][][]byte{{testKey(1)}, nil} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var err error
		if s, err = Open(t.Context(), Config{Path: path, Keys: keys}); (err != nil) != (keys == nil) {
			t.Fatalf("with %d keys: %v", len(keys), err)
		}
	}
	if _, err := Open(t.Context(), Config{Path: path}); !errors.Is(err, outbox.ErrKey) {
		t.Errorf("open: %v, want outbox.ErrKey", err)
	}
}

func TestDamageInWhatIsEncryptedIsNoticedAndStopsNothingElse(t *testing.T) {
	for what, damage := range map[string]string{
		"a byte of the body":      "UPDATE events SET body = CAST(substr(body, 1, 20) || x'00' || substr(body, 22) AS BLOB) WHERE seq = ?1",
		"the key's number":        "UPDATE events SET key_id = 0 WHERE seq = ?1",
		"another key's number":    "UPDATE events SET key_id = 77 WHERE seq = ?1",
		"a body of another":       "UPDATE events SET body = (SELECT body FROM events WHERE seq <> ?1) WHERE seq = ?1",
		"a body cut short":        "UPDATE events SET body = x'0000' WHERE seq = ?1",
		"a body made by somebody": "UPDATE events SET body = CAST('{}' AS BLOB) WHERE seq = ?1",
	} {
		for _, checksummed := range []bool{false, true} { // on purpose, with a checksum that matches
			t.Run(fmt.Sprint(what, " ", checksummed), func(t *testing.T) {
				var log strings.Builder
				s := openStore(t, Config{Keys: [][]byte{testKey(1)}, Log: logTo(&log)})
				var ids event.IDs
				bad, good := newEntry(&ids, "a"), newEntry(&ids, "a")
				write(t, s, bad, good)
				ctx, seq := context.WithoutCancel(t.Context()), bad.Event.ID.Seq()
				if err := s.w.runOnce(ctx, damage, seq); err != nil {
					t.Fatal(err)
				}
				if checksummed {
					match(t, s, seq)
				}
				if got := claimed(t, s, "a"); !slices.Equal(got, []event.ID{good.Event.ID}) && what != "the key's number" {
					t.Errorf("claimed %v, want the whole one only", got)
				}
				if checksummed && what == "the key's number" {
					return // who may write to the file may put any body there: a key keeps it from being read
				}
				if _, err := s.Event(t.Context(), bad.Event.ID); !errors.Is(err, outbox.ErrCorrupt) {
					t.Errorf("event: %v, want outbox.ErrCorrupt", err)
				}
				if n := strings.Count(log.String(), bad.Event.ID.String()); n == 0 || strings.Count(log.String(), "\n") != 1 {
					t.Errorf("want one line of log with the event's id:\n%s", log.String())
				}
				for ev, err := range openReader(t, s.cfg.Path, testKey(1)).Events(t.Context(), time.Time{}) {
					if errors.Is(err, outbox.ErrCorrupt) != (ev.ID == bad.Event.ID) {
						t.Errorf("a reader says %v of %v", err, ev.ID)
					}
				}
			})
		}
	}
}

// match makes the checksum of an event match what now stands there.
func match(t *testing.T, s *Store, seq int64) {
	t.Helper()
	s.w.findEvent.args[0].Value = seq
	ctx := context.WithoutCancel(t.Context())
	r, err := (&tx{s: s, w: s.w}).stands(ctx, seq)
	if err != nil {
		t.Fatal(err)
	}
	crc, _ := r.checksum(nil)
	if err := s.w.runOnce(ctx, "UPDATE events SET crc = ? WHERE seq = ?", crc, seq); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRefusedOneIsLeftOut(t *testing.T) {
	var log strings.Builder
	s := openStore(t, Config{Keys: [][]byte{testKey(1)}, Log: logTo(&log)})
	var ids event.IDs
	_, bad := canary(&ids, "bad")
	_, good := canary(&ids, "good")
	if err := s.Write(t.Context(), &outbox.Batch{Refused: []*event.Refused{bad, good}}); err != nil {
		t.Fatal(err)
	}
	if err := s.w.runOnce(context.WithoutCancel(t.Context()), "UPDATE refused SET key_id = 0 WHERE seq = ?", bad.ID.Seq()); err != nil {
		t.Fatal(err)
	}
	items, _, err := s.Refused(t.Context(), outbox.Filter{})
	if err != nil || len(items) != 1 || !bytes.Equal(items[0].Body, good.Body) {
		t.Errorf("refused: %d (%v), want the whole one", len(items), err)
	}
	if !strings.Contains(log.String(), bad.ID.String()) {
		t.Errorf("the log says nothing of it: %s", log.String())
	}
}

func TestReaderLearnsOfAKeyThatCameAfterIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"))
	r := openReader(t, path, testKey(1))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, openStore(t, Config{Path: path, Keys: [][]byte{testKey(1)}}), newEntry(&ids, "a"))
	if n := len(readAll(t, r, time.Time{})); n != 2 {
		t.Errorf("it reads %d events, want 2", n)
	}
}

// TestDamagedRowOfAKeyStopsNothing: a key is known by its fingerprint or by the
// salt that it opens, and without the salt bodies are as readable as before.
func TestDamagedRowOfAKeyStopsNothing(t *testing.T) {
	racetest.Sequential(t)
	for damage, found := range map[string]int{
		"UPDATE keys SET fingerprint = randomblob(16)":             1,
		"UPDATE keys SET salt = zeroblob(length(salt))":            0, // the hash of persons cannot be made again
		"UPDATE keys SET salt = zeroblob(length(salt)) WHERE id=1": 1,
	} {
		var log strings.Builder
		path, entries, refused := mixed(t, 2, testKey(1), testKey(2))
		keys := [][]byte{testKey(2), testKey(1)}
		s := openStore(t, Config{Path: path, Keys: keys})
		if err := s.w.runOnce(context.WithoutCancel(t.Context()), damage); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, Config{Path: path, Keys: keys, Log: logTo(&log)})
			for _, e := range entries {
				if got, err := s.Event(t.Context(), e.Event.ID); err != nil || !bytes.Equal(got.Body, e.Event.Body) {
					t.Fatalf("%s: event %+v (%v)", damage, got, err)
				}
			}
			if items, _, err := s.Refused(t.Context(), outbox.Filter{}); err != nil || len(items) != len(refused) {
				t.Errorf("%s: %d refused (%v)", damage, len(items), err)
			}
			if items, _, err := s.Events(t.Context(), outbox.Filter{Person: entries[0].Event.Person}); err != nil || len(items) != found {
				t.Errorf("%s: %d of the person (%v), want %d", damage, len(items), err, found)
			}
		}
		var ids event.IDs
		e := newEntry(&ids, "a")
		e.Event.Person = "cif-after"
		write(t, s, e)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, Config{Path: path, Keys: keys})
		if items, _, err := s.Events(t.Context(), outbox.Filter{Person: "cif-after"}); err != nil || len(items) != 1 {
			t.Errorf("%s: %d of who came after (%v)", damage, len(items), err)
		}
		if lines := strings.Count(log.String(), "salt"); lines != 1-found {
			t.Errorf("%s: log %s", damage, log.String())
		}
	}
}
