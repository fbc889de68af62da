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

// rowAt is where the n-th header that is like this one stands, and with it the types
// of a row's columns. Rows that came later stand before others.
func rowAt(t *testing.T, file, header []byte, n int) (at int) {
	t.Helper()
	for i := range n + 1 {
		next := bytes.Index(file[at+min(i, 1):], header)
		if next < 0 {
			t.Fatal("there is no such row")
		}
		at += next + min(i, 1)
	}
	return at
}

// flipped opens a copy of a store for each bit of so many bytes of a header, with
// that bit flipped. A start that is refused is right too.
func flipped(t *testing.T, path string, header []byte, n, from, to int, check func(t *testing.T, s *Store)) {
	t.Helper()
	racetest.Sequential(t)
	served, whole := 0, must(os.ReadFile(path))
	at := rowAt(t, whole, header, n)
	for i := 8 * from; i < 8*to; i++ {
		copied := filepath.Join(t.TempDir(), "relay.db")
		b := bytes.Clone(whole)
		b[at+i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(copied, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Config{Path: copied, pause: time.Nanosecond})
		if err != nil {
			if !errors.Is(err, outbox.ErrCorrupt) {
				t.Errorf("byte %d bit %d: %v", i/8, i%8, err)
			}
			continue
		}
		served++
		<-s.audited
		check(t, s)
		_ = s.Close() // what it finds then is not looked at here
	}
	if served == 0 {
		t.Error("no start was not refused")
	}
}

// othersAreSent: of three events two at least.
func othersAreSent(t *testing.T, s *Store) {
	t.Helper()
	due, _, err := s.Claim(t.Context(), outbox.Query{Addresses: []outbox.Address{"a"}, DueBy: time.Now().Add(time.Hour), Limit: 1000})
	if err != nil || len(due) < 2 {
		t.Errorf("%d due, %v", len(due), err)
	}
	if _, err := s.Counts(t.Context()); err != nil {
		t.Error("counts:", err)
	}
	othersAreListed(t, s)
}

// closed is a store with three events for a, after more was done with it.
func closed(t *testing.T, more func(s *Store, stored []event.ID) error) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var ids event.IDs
	stored := fill(t, s, &ids, 3)
	if err := errors.Join(more(s, stored), s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func nothing(*Store, []event.ID) error { return nil }

func TestAFlippedTypeInAnEventKeepsNoOtherFromBeingSentAndListed(t *testing.T) {
	path := closed(t, nothing)
	for _, n := range []int{0, 2} { // the first is the newest
		flipped(t, path, []byte{0x00, 0x06, 0x08, 0x06, 0x28, 0x06, 0x06}, n, 0, 19, othersAreSent)
	}
}

func TestAFlippedTypeInARetryKeepsNoOtherFromBeingSentAndListed(t *testing.T) {
	path := closed(t, triedOnce(t))
	// From the second column on: a key that is damaged hides others from a search.
	flipped(t, path, []byte{0x06, 0x09, 0x08, 0x09, 0x06, 0x08, 0x01}, 1, 1, 9, othersAreSent)
}

func TestAFlippedTypeInAnIndexOfEventsStopsNoDelivery(t *testing.T) {
	path := closed(t, nothing)
	for n := range 3 { // the last, in the middle, the first
		flipped(t, path, []byte{3, 6, 6, 0x80, 0, 0, 0, 0, 0, 0, 1}, n, 0, 3, func(t *testing.T, s *Store) {
			t.Helper()
			if got := claimed(t, s, "a"); len(got) != 3 {
				t.Errorf("entry %d: %d due", n, len(got))
			}
		})
	}
}

func TestAFlippedTypeInAHoldStopsNoTarget(t *testing.T) {
	path := closed(t, func(s *Store, _ []event.ID) error {
		return s.SetHold(t.Context(), outbox.Hold{Target: "held-target", Since: time.Now(), Reason: "r", ByHand: true})
	})
	// since, reason and by_hand: behind the length and the key's type
	flipped(t, path, []byte("\x05\x23\x06\x0f\x09held-target"), 0, 2, 5, func(t *testing.T, s *Store) {
		t.Helper()
		if _, err := s.Holds(t.Context()); err != nil && !errors.Is(err, outbox.ErrCorrupt) {
			t.Error(err)
		}
	})
}

func TestAFlippedTypeInAnAlarmOrAThreadStopsNeither(t *testing.T) {
	path := closed(t, func(s *Store, _ []event.ID) error {
		return errors.Join(
			s.SetAlarm(t.Context(), outbox.Alarm{Kind: "backlog", Subject: "a-target", Since: time.Now(), Reason: "r"}),
			s.SetAlarm(t.Context(), outbox.Alarm{Kind: "silence", Subject: "z", Since: time.Now(), Reason: "r"}),
			s.SaveThread(t.Context(), "slack-target", "key", "1700000000.000100", time.Now()))
	})
	// since, reason and event of the first, behind the length and the types of its key
	flipped(t, path, []byte("\x06\x1b\x1d\x06\x0f\x2cbackloga-target"), 0, 3, 6, func(t *testing.T, s *Store) {
		t.Helper()
		alarms, err := s.Alarms(t.Context())
		if n := len(alarms); err != nil || !s.alarmsLost.Load() && (n == 0 || alarms[n-1].Kind != "silence") {
			t.Errorf("alarms %+v, %v", alarms, err)
		}
		if err := s.SetAlarm(t.Context(), outbox.Alarm{Kind: "backlog", Subject: "b", Since: time.Now()}); err != nil {
			t.Error("set an alarm:", err)
		}
	})
	flipped(t, path, []byte("\x81\x0d\x2f\x06slack-target"), 0, 2, 4, func(t *testing.T, s *Store) {
		t.Helper()
		if _, err := s.Thread(t.Context(), "slack-target", "key"); err != nil && !errors.Is(err, outbox.ErrCorrupt) {
			t.Error("thread:", err)
		}
	})
}

func TestAlarmsAreToldThoughWhichAreOnCannotBeRead(t *testing.T) {
	s := openStore(t, Config{})
	for _, kind := range []string{"backlog", "silence"} {
		if err := s.SetAlarm(t.Context(), outbox.Alarm{Kind: kind, Since: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	spoil(t, s.cfg.Path, pageOf(t, s, "alarms", "leaf", 0), 0xff)
	for range 2 {
		if alarms, err := s.Alarms(t.Context()); err != nil || len(alarms) > 0 {
			t.Errorf("alarms %+v, %v", alarms, err)
		}
		if err := s.SetAlarm(t.Context(), outbox.Alarm{Kind: "backlog", Since: time.Now()}); err != nil {
			t.Error("set an alarm:", err)
		}
		fill(t, s, new(event.IDs), 1)
	}
}

func TestWhatWaitsIsCountedThoughATypeInAnIndexFlipped(t *testing.T) {
	for _, c := range []struct {
		index   string
		byte    int
		flipped int // bit, of the type of seq
	}{{stateIndex, 4, 0}, {stateIndex, 4, 3}, {waitingIndex, 3, 0}, {waitingIndex, 3, 3}} {
		var log strings.Builder
		s := flippedOpen(t, c.index, 0, c.byte, c.flipped, &log)
		counts, err := s.Counts(t.Context())
		if err != nil || counts["a"].Pending != 3 || counts["b"].Pending != 3 || counts["a"].Oldest.IsZero() || counts["b"].Oldest.IsZero() {
			t.Errorf("%v: %+v (%v)", c, counts, err)
		}
	}
}
