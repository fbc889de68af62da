package sqlite

import (
	"bytes"
	"errors"
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

// ofEachKind is a store with three events for a and a row in every other table
// that Salvage copies.
func ofEachKind(t *testing.T) (path string) {
	t.Helper()
	path = closed(t, func(s *Store, stored []event.ID) error {
		var ids event.IDs
		e, _ := canary(&ids, "Jo")
		e.To, e.Ruleset = []outbox.Address{"b"}, "the rules"
		_, r := canary(&ids, "Jo")
		return errors.Join(
			triedOnce(t)(s, stored),
			s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{e}, Refused: []*event.Refused{r}}),
			s.SetHold(t.Context(), outbox.Hold{Target: "held-target", Since: time.Now(), Reason: "r", ByHand: true}),
			s.SetAlarm(t.Context(), outbox.Alarm{Kind: "backlog", Subject: "a-target", Since: time.Now(), Reason: "r"}),
			s.SaveThread(t.Context(), "slack-target", "key", "1700000000.000100", time.Now()))
	})
	s, err := Open(t.Context(), Config{Path: path, Keys: [][]byte{testKey(1)}}) // from now on it knows a key
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// header is the types of a row, and which of them stand for what may have flipped.
type header struct {
	bytes    string
	from, to int
}

func headers() map[string]header {
	return map[string]header{
		"attempts":   {"\x06\x09\x06\x09\x01\x08\x08\x08\x09\x06\x0d", 1, 11},
		"deliveries": {"\x06\x09\x08\x09\x06\x08\x01", 2, 9},
		"holds":      {"\x05\x23\x06\x0f\x09held-target", 2, 5},
		"alarms":     {"\x06\x1b\x1d\x06\x0f\x2cbackloga-target", 3, 6},
		"threads":    {"\x81\x0d\x2f\x06slack-target", 2, 4},
		"rulesets":   {"\x05\x00\x06\x4c\x1f", 2, 5},
		"refused":    {"\x00\x06\x06\x09\x02\x0d\x0d\x0d", 1, 11},
		"keys":       {"\x04\x00\x2c\x74", 2, 4},
	}
}

// rowsOf counts the rows of a store's table.
func rowsOf(t *testing.T, s *Store, table string) int64 {
	t.Helper()
	return must(count(t.Context(), s.w.conn, "SELECT count(*) FROM "+table))
}

// A type has no bit above the fourth that flips to another type of a number.
func TestAFlippedTypeInARowCostsSalvageThatRowAtMost(t *testing.T) {
	racetest.Sequential(t)
	path := ofEachKind(t)
	whole, lost := must(os.ReadFile(path)), 0
	for i := range 10 * 4 { // in a row of each table at once
		b := bytes.Clone(whole)
		for _, h := range headers() {
			if at := h.from + i/4; at < h.to {
				b[rowAt(t, whole, []byte(h.bytes), 0)+at] ^= 1 << (i % 4)
			}
		}
		copied := filepath.Join(t.TempDir(), "relay.db")
		if err := os.WriteFile(copied, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Salvage(t.Context(), copied, copied+".saved", func(int) {})
		if err != nil || got.Events != 4 {
			t.Errorf("byte %d bit %d: %+v, %v", i/4, i%4, got, err)
			continue
		}
		s := openStore(t, Config{Path: copied + ".saved", Keys: [][]byte{testKey(1)}})
		if n := len(claimed(t, s, "a")); n != 3 {
			t.Errorf("byte %d bit %d: %d are due, want 3", i/4, i%4, n)
		}
		if got.Refused+len(got.Damaged)+got.Unreadable < 1 || rowsOf(t, s, "keys") != 1 {
			t.Errorf("byte %d bit %d: a row is neither there nor counted: %+v", i/4, i%4, got)
		}
		lost += got.Rows
	}
	if lost == 0 {
		t.Error("no row is counted that was left out")
	}
}

func TestSalvageKeepsARowOfWhichATextHasBecomeABlob(t *testing.T) {
	path := ofEachKind(t)
	change(t, path, func(b []byte) {
		whole := bytes.Clone(b)
		for table, i := range map[string]int{"attempts": 10, "holds": 3, "alarms": 5, "threads": 2, "rulesets": 3, "refused": 5, "keys": 3} {
			b[rowAt(t, whole, []byte(headers()[table].bytes), 0)+i] ^= 1
		}
	})
	execIn(t, path, "UPDATE meta SET v = CAST(v AS TEXT)") // last_seq too
	got, err := Salvage(t.Context(), path, path+".saved", func(int) {})
	if err != nil || got.Refused != 1 || got.Rows+len(got.Damaged) > 0 {
		t.Errorf("salvage: %+v, %v", got, err)
	}
	var log strings.Builder
	s := openStore(t, Config{Path: path + ".saved", Keys: [][]byte{testKey(1)}, Log: logTo(&log)})
	if log.Len() > 0 {
		t.Error("what is saved is not whole:", log.String())
	}
	for table := range headers() {
		if n, want := rowsOf(t, s, table), map[string]int64{"attempts": 3, "deliveries": 3}[table]; n != max(1, want) {
			t.Errorf("%d rows of %s, want %d", n, table, max(1, want))
		}
	}
}

func TestSalvageSendsAgainWhatHasAStateOrAnOutcomeThatThereIsNot(t *testing.T) {
	path := closed(t, triedOnce(t))
	for _, set := range []string{"state = -126, finished_at = 1", "state = 4, finished_at = 1", "outcome = -126", "outcome = 5"} {
		copied := filepath.Join(t.TempDir(), "relay.db")
		if err := os.WriteFile(copied, must(os.ReadFile(path)), 0o600); err != nil {
			t.Fatal(err)
		}
		execIn(t, copied, "UPDATE deliveries SET "+set+" WHERE seq = (SELECT max(seq) FROM events)")
		got, err := Salvage(t.Context(), copied, copied+".saved", func(int) {})
		if err != nil || got.Events != 3 || got.Rows != 1 {
			t.Errorf("%s: salvage: %+v, %v, want 3 events and a damaged row", set, got, err)
		}
		if n := len(claimed(t, openStore(t, Config{Path: copied + ".saved"}), "a")); n != 3 {
			t.Errorf("%s: %d are due, want 3", set, n)
		}
	}
}

func TestSalvageCountsATableOfWhichNotAllCanBeRead(t *testing.T) {
	for table, want := range map[string]Salvaged{
		"threads": {Events: 4, Refused: 1, Rows: 1}, "rulesets": {Events: 4, Refused: 1, Rows: 1}, "refused": {Events: 4, Unreadable: 1},
	} {
		path := ofEachKind(t)
		s := openStore(t, Config{Path: path, Keys: [][]byte{testKey(1)}})
		page := pageOf(t, s, table, "leaf", 0)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		spoil(t, path, page, 0xff)
		if got, err := Salvage(t.Context(), path, path+".saved", func(int) {}); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", table, got, err, want)
		}
	}
}

func TestSalvageKeepsAKeyOfWhichEitherHalfIsThere(t *testing.T) {
	for _, half := range []string{"fingerprint", "salt"} {
		path, e, _ := encryptedStore(t, testKey(1))
		execIn(t, path, "UPDATE keys SET "+half+" = x''")
		if got, err := Salvage(t.Context(), path, path+".saved", func(int) {}); err != nil || got.Rows > 0 {
			t.Errorf("%s: salvage: %+v, %v", half, got, err)
		}
		s := openStore(t, Config{Path: path + ".saved", Keys: [][]byte{testKey(2), testKey(1)}})
		if got, err := s.Event(t.Context(), e.Event.ID); err != nil || !bytes.Equal(got.Body, e.Event.Body) {
			t.Errorf("%s: its body: %v, want what was received", half, err)
		}
	}
}

func TestSalvageKeepsTheSaltOfPersonsThatHasBecomeAText(t *testing.T) {
	var salt []byte
	path := closed(t, func(s *Store, _ []event.ID) error { salt = bytes.Clone(s.salt); return nil })
	execIn(t, path, "UPDATE meta SET v = CAST(v AS TEXT) WHERE k = 'salt'")
	if _, err := Salvage(t.Context(), path, path+".saved", func(int) {}); err != nil {
		t.Fatal(err)
	}
	if is := openStore(t, Config{Path: path + ".saved"}).salt; !bytes.Equal(is, salt) || len(is) == 0 {
		t.Errorf("the salt is %d other bytes", len(is))
	}
}

func TestSalvageSendsNoDeadLetterOfWhichOnlyTheTimeOfItsEndIsLost(t *testing.T) {
	path := closed(t, triedOnce(t))
	execIn(t, path, "UPDATE deliveries SET state = 2, outcome = 3, finished_at = next_at; UPDATE events SET retrying = 0, finished_at = received_at")
	change(t, path, func(b []byte) { b[rowAt(t, b, []byte{0x06, 0x09, 0x01, 0x09, 0x06, 0x06, 0x01}, 0)+5] ^= 1 }) // REAL
	got, err := Salvage(t.Context(), path, path+".saved", func(int) {})
	if err != nil || got.Rows > 0 {
		t.Errorf("salvage: %+v, %v", got, err)
	}
	s := openStore(t, Config{Path: path + ".saved"})
	<-s.audited
	dead, _, err := s.Deliveries(t.Context(), outbox.Filter{State: "dead"})
	if due := claimed(t, s, "a"); err != nil || len(dead) != 3 || len(due) > 0 {
		t.Errorf("%d dead letters (%v), %d due, want 3 and none", len(dead), err, len(due))
	}
}
