package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// canarys is an event of the person who is forgotten in these tests.
func canarys(ids *event.IDs) *outbox.Entry {
	e, _ := canary(ids, "Jo Canary")
	e.Event.Person, e.Event.Subject, e.Event.Ticket = "cif-canary", "canary-invitation", "canary-ticket"
	e.Event.Body = []byte(`{"cifcod":"cif-canary","full_name":"Jo Canary"}`)
	return e
}

func forgetCanary(t *testing.T, s *Store) (outbox.Forgotten, error) {
	t.Helper()
	return s.Forget(t.Context(), outbox.Forget{
		Person: "cif-canary", Now: time.Now(), Holds: func(body []byte) bool { return bytes.Contains(body, []byte("cif-canary")) },
	})
}

func TestNobodyIsCalledForgottenWhomADamagedRowMayStillHave(t *testing.T) {
	const body = "UPDATE events SET body = CAST(replace(CAST(body AS TEXT), 'cif-can', 'cig-can') AS BLOB)"
	for _, c := range []struct {
		what, damage    string // of hers, the first event
		events, damaged int
	}{
		{"nothing", "", 2, 0},
		{"her id in the body", body + " WHERE seq = %d", 2, 0},
		{"her id in the body, and in its hash", body + ", person = 9 WHERE seq = %d", 0, 1},
		{"the hash of her id", "UPDATE events SET person = person + 2 WHERE seq = %d", 2, 0},
		{"the ticket by which others are hers", "UPDATE events SET ticket = 'canary-tjcket' WHERE seq = %d", 1, 1},
		{"the ticket of another that is hers", "UPDATE events SET ticket = 'canary-tjcket' WHERE seq = 1 + %d", 1, 1},
		{"the nobody of another that is hers", "UPDATE events SET person = 65536 WHERE seq = 1 + %d", 2, 0},
		{"the place in the journal", "UPDATE journal SET keys = CAST(substr(keys, 1, 7) || x'00' || substr(keys, 9) AS BLOB) WHERE %d > 0", 2, 0},
		{"what is nowhere in the journal", "UPDATE journal SET keys = zeroblob(26) WHERE %d > 0", 2, 1},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := openStore(t, Config{})
			var ids event.IDs
			hers, other := canarys(&ids), newEntry(&ids, "a")
			linked := canarys(&ids)
			linked.Event.Person, linked.Event.Subject, linked.Event.Body = "", "canary-other-invitation", []byte("{}")
			write(t, s, hers, linked)
			write(t, s, other)
			if c.damage != "" {
				damage := strings.ReplaceAll(fmt.Sprintf(c.damage, hers.Event.ID.Seq()), fmt.Sprint("1 + ", hers.Event.ID.Seq()), fmt.Sprint(linked.Event.ID.Seq()))
				if strings.Contains(damage, "journal") {
					damage += " AND n = 1"
				}
				if strings.Contains(damage, "zeroblob") {
					damage = strings.Replace(damage, "zeroblob(26)", "CAST(zeroblob(26) || substr(keys, 27) AS BLOB)", 1)
				}
				if err := s.w.exec(context.WithoutCancel(t.Context()), damage); err != nil {
					t.Fatal(err)
				}
			}
			done, err := forgetCanary(t, s)
			if err != nil || done.Events != c.events || done.Damaged != c.damaged {
				t.Errorf("forgotten: %+v (%v), want %d events, and %d that nobody can look at", done, err, c.events, c.damaged)
			}
			b := must(os.ReadFile(s.cfg.Path))
			key := binary.BigEndian.AppendUint64(nil, dedupeKey(s.names.find(kindSource, hers.Event.Source), &hers.Event.Dedupe))
			if c.damaged == 0 && (bytes.Contains(b, []byte("anary")) || bytes.Contains(b, key)) {
				t.Error("she is in the file")
			}
			if got := stored(t, s, other); !bytes.Equal(got.Body, other.Event.Body) {
				t.Error("somebody else is forgotten too")
			}
		})
	}
}

func TestWhomOneFlippedBitHidesIsNotCalledForgotten(t *testing.T) {
	racetest.Sequential(t)
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	write(t, s, newEntry(&ids, "a"), canarys(&ids), newEntry(&ids, "a"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole := must(os.ReadFile(path))
	end := bytes.Index(whole, []byte(`"full_name":"Jo Canary"`)) // behind the row, which begins some 250 bytes before
	forgotten := 0
	for i := 8 * (end - 330); i < 8*end+100; i += 41 {
		copied := filepath.Join(t.TempDir(), "relay.db")
		b := bytes.Clone(whole)
		b[i/8] ^= 1 << (i % 8)
		if err := os.WriteFile(copied, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), Config{Path: copied, pause: time.Nanosecond})
		if err != nil {
			continue
		}
		done, err := forgetCanary(t, s)
		_ = s.Close() // what it finds then is not looked at here
		if err != nil || done.Damaged > 0 {
			continue
		}
		forgotten++
		b = must(os.ReadFile(copied))
		for _, trace := range []string{"Jo Canary", "cif-canary", "canary-invitation", "canary-ticket"} {
			if bytes.Contains(b, []byte(trace)) {
				t.Errorf("byte %d, bit %d: %+v, and the file has %q", i/8-end, i%8, done, trace)
			}
		}
	}
	if forgotten == 0 {
		t.Error("no flipped bit let her be forgotten")
	}
}

func TestADamagedPageKeepsNobodyElseFromBeingForgotten(t *testing.T) {
	racetest.Sequential(t)
	const n = 300
	for name, most := range map[string]struct{ damaged, sealed int }{
		"events": {60, 0}, "journal": {160, 0}, "deliveries": {}, "refused": {0, 90}, "refused_received": {},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			s, err := Open(t.Context(), Config{Path: path, pause: time.Nanosecond})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }() // what it finds then is not looked at here
			var ids event.IDs
			for i := range n {
				e, r := canary(&ids, "Al Other")
				e.Event.Person = "cif-other"
				if i%3 == 0 {
					e = canarys(&ids)
					r.Body = []byte("cif-canary")
				}
				b := &outbox.Batch{Entries: []*outbox.Entry{e}, Refused: []*event.Refused{r}}
				b.Attempts = []outbox.Attempt{again(e, 1)}
				b.Attempts[0].Key.Address = "a"
				if err := s.Write(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			spoil(t, path, pageOf(t, s, name, "leaf", 1), 0xff)
			done, err := forgetCanary(t, s)
			if err != nil {
				t.Fatal(err)
			}
			events, refused := n/3, (n-most.sealed)/3
			if name == "events" {
				events -= most.damaged / 3
			}
			if done.Events < events || done.Refused < refused || done.Damaged > most.damaged || done.Sealed > most.sealed ||
				(done.Damaged > 0) != (most.damaged > 0) || (done.Sealed > 0) != (most.sealed > 0) {
				t.Errorf("forgotten: %+v, want %d events and %d refused at least", done, events, refused)
			}
		})
	}
}
