package sqlite

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// encryptedStore is a closed store with an encrypted event, and where in the file
// stands which store it is.
func encryptedStore(t *testing.T, keys ...[]byte) (path string, e *outbox.Entry, at int) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path, Keys: keys})
	e = newEntry(new(event.IDs), "a")
	write(t, s, e)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if at = bytes.Index(b, s.mark.store); err != nil || at < 0 || bytes.Contains(b[at+1:], s.mark.store) {
		t.Fatalf("which store it is stands at %d, or twice (%v)", at, err)
	}
	return path, e, at
}

func TestFlippedBitInWhichStoreItIsCostsNoBody(t *testing.T) {
	racetest.Sequential(t)
	for what, mark := range map[string]func(path string) error{
		"the mark says it":   func(string) error { return nil },
		"there is no mark":   func(path string) error { return os.Remove(path + ".mark") },
		"the mark is broken": func(path string) error { return os.Truncate(path+".mark", 50) },
	} {
		for _, bit := range []int{0, 29, 63} {
			path, e, at := encryptedStore(t, testKey(1))
			if err := mark(path); err != nil {
				t.Fatal(err)
			}
			change(t, path, func(b []byte) { b[at+bit/8] ^= 1 << (bit % 8) })
			reader := openReader(t, path, testKey(2), testKey(1)) // it changes nothing
			for ev, err := range reader.Events(t.Context(), time.Time{}) {
				if err != nil || !bytes.Equal(ev.Body, e.Event.Body) {
					t.Errorf("%s, bit %d: a reader says %v", what, bit, err)
				}
			}
			if err := reader.Close(); err != nil {
				t.Fatal(err)
			}
			fresh := filepath.Join(t.TempDir(), "saved.db")
			if _, err := Salvage(t.Context(), path, fresh, func(int) {}); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{path, fresh} {
				var log strings.Builder
				for range 2 {
					s := openStore(t, Config{Path: path, Keys: [][]byte{testKey(2), testKey(1)}, Log: logTo(&log)})
					if got, err := s.Event(t.Context(), e.Event.ID); err != nil || !bytes.Equal(got.Body, e.Event.Body) {
						t.Errorf("%s, bit %d: event %+v (%v)", what, bit, got, err)
					}
					if items, _, err := s.Events(t.Context(), outbox.Filter{Person: e.Event.Person}); err != nil || len(items) != 1 {
						t.Errorf("%s, bit %d: %d events of the person (%v), want 1", what, bit, len(items), err)
					}
					if s.mark.ofAnother != 0 {
						t.Errorf("%s, bit %d: the mark is taken for another store's", what, bit)
					}
					if err := s.Close(); err != nil {
						t.Fatal(err)
					}
				}
				if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "which store it is") {
					t.Errorf("%s, bit %d: want one line of log:\n%s", what, bit, log.String())
				}
			}
		}
	}
}

func TestSalvageTakesWhichStoreItIsFromItsMarkWhenItIsLost(t *testing.T) {
	path, e, _ := encryptedStore(t, testKey(1))
	execIn(t, path, "UPDATE meta SET v = x'01' WHERE k = 'store'")
	if _, err := Salvage(t.Context(), path, path+".saved", func(int) {}); err != nil {
		t.Fatal(err)
	}
	got, err := openStore(t, Config{Path: path + ".saved", Keys: [][]byte{testKey(1)}}).Event(t.Context(), e.Event.ID)
	if err != nil || !bytes.Equal(got.Body, e.Event.Body) {
		t.Errorf("its body: %v, want what was received", err)
	}
}

func TestWhichStoreItIsComesFromItsMarkWhenMoreIsDamaged(t *testing.T) {
	path, e, at := encryptedStore(t, testKey(1))
	change(t, path, func(b []byte) { copy(b[at:], "ruined!!") })
	text, err := os.ReadFile(path + ".mark")
	if err != nil {
		t.Fatal(err)
	}
	for _, beside := range [][]byte{nil, []byte((&mark{store: []byte("another!")}).text(1000)), text} {
		if err := os.WriteFile(path+".mark", beside, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Config{Path: path, Keys: [][]byte{testKey(1)}})
		if whole := bytes.Equal(beside, text); !whole {
			if !errors.Is(err, outbox.ErrKey) {
				t.Errorf("with another mark: %v, want outbox.ErrKey", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Event(t.Context(), e.Event.ID); err != nil || !bytes.Equal(got.Body, e.Event.Body) {
			t.Errorf("event %+v (%v)", got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
