package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// traces are the bytes by which a person could be found in a file.
func traces(s *Store, hers []*outbox.Entry) map[string][]byte {
	be := binary.BigEndian
	t := map[string][]byte{
		"the name": []byte("Jo Canary"), "the customer id": []byte("cif-canary"), "the hash": be.AppendUint64(nil, uint64(person(s.salt, "cif-canary"))),
	}
	for i, e := range hers {
		t[fmt.Sprint("subject ", i)], t[fmt.Sprint("ticket ", i)] = []byte(e.Event.Subject), []byte(e.Event.Ticket)
		t[fmt.Sprint("what makes a repeat ", i)] = e.Event.Dedupe[:]
		k := dedupeKey(s.names.find(kindSource, e.Event.Source), &e.Event.Dedupe)
		t[fmt.Sprint("its key in the journal ", i)] = be.AppendUint64(nil, k)
	}
	return t
}

func TestForgottenPersonIsInNoFileAnyMore(t *testing.T) {
	racetest.Sequential(t)
	for _, keys := range [][][]byte{nil, {testKey(1)}} {
		t.Run(fmt.Sprint(len(keys), " keys"), func(t *testing.T) {
			s := openStore(t, Config{Keys: keys})
			var ids event.IDs
			var hers []*outbox.Entry
			for i := range 400 {
				e, r := canary(&ids, "Al Other")
				e.Event.Person = "cif-other"
				if i%5 == 2 {
					e.Event.Body, e.Event.Person = []byte(`{"cifcod":"cif-canary","full_name":"Jo Canary"`), "cif-canary"
					r.Body = []byte("not JSON: cif-canary")
					hers = append(hers, e)
				}
				e.Event.Body = append(e.Event.Body, bytes.Repeat([]byte(" "), i*i%20_000)...) // some on pages of their own
				b := &outbox.Batch{Entries: []*outbox.Entry{e}}
				if i%10 == 2 {
					b.Refused = []*event.Refused{r}
				}
				if err := s.Write(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if i%3 == 0 {
					deliver(t, s, e)
				}
			}
			find := func() (found []string) {
				for _, suffix := range []string{"", "-wal", "-shm", ".mark"} {
					b, err := os.ReadFile(s.cfg.Path + suffix)
					if err != nil && !errors.Is(err, os.ErrNotExist) {
						t.Fatal(err)
					}
					for what, trace := range traces(s, hers) {
						if bytes.Contains(b, trace) {
							found = append(found, what+" in relay.db"+suffix)
						}
					}
				}
				return found
			}
			if n := len(find()); n < 4*len(hers) { // the test can see
				t.Fatalf("%d traces before", n)
			}
			done, err := s.Forget(t.Context(), outbox.Forget{
				Person: "cif-canary", Now: time.Now(), Holds: func(body []byte) bool { return bytes.Contains(body, []byte("cif-canary")) },
			})
			if err != nil || done.Events != len(hers) || done.Refused != 40 {
				t.Fatalf("forgotten: %+v (%v)", done, err)
			}
			if found := find(); len(found) > 0 {
				t.Errorf("while in use there are %s", strings.Join(found, ", "))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if found := find(); len(found) > 0 {
				t.Errorf("closed, there are %s", strings.Join(found, ", "))
			}
		})
	}
}

func TestWhoReadsAllTheTimeKeepsForgettingFromBeingDone(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	e := newEntry(&ids, "a")
	write(t, s, e)
	tx, err := s.readers.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRowContext(t.Context(), "SELECT seq FROM events").Scan(new(int64)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	f := outbox.Forget{Person: e.Event.Person, Now: time.Now()}
	if _, err := s.Forget(ctx, f); err == nil {
		t.Error("it is done, though what was erased is still in the write-ahead log")
	}
	if !s.unclear.Load() {
		t.Error("no purge will empty the write-ahead log")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Forget(t.Context(), f); err != nil {
		t.Errorf("forgotten again: %v", err)
	}
	if info, err := os.Stat(s.cfg.Path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the write-ahead log is not empty (%v)", err)
	}
}

func TestDamagedEventIsForgottenLikeAWholeOne(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	e := newEntry(&ids, "a")
	write(t, s, e)
	if err := s.w.runOnce(context.WithoutCancel(t.Context()), "UPDATE events SET status = 'x'"); err != nil {
		t.Fatal(err)
	}
	done, err := s.Forget(t.Context(), outbox.Forget{Person: e.Event.Person, Now: time.Now()})
	if err != nil || done.Events != 1 || done.Discarded != 1 || s.Pending() != 0 {
		t.Errorf("forgotten: %+v (%v), %d pending", done, err, s.Pending())
	}
	b, err := os.ReadFile(s.cfg.Path)
	if err != nil || bytes.Contains(b, []byte(e.Event.Person)) || bytes.Contains(b, []byte(e.Event.Ticket)) {
		t.Errorf("it is in the file (%v)", err)
	}
}

// TestEventPurgedWhileItsPersonIsForgottenIsNoError: the retention was faster.
func TestEventPurgedWhileItsPersonIsForgottenIsNoError(t *testing.T) {
	for _, when := range []string{"while bodies are looked at", "while deliveries are given up"} {
		t.Run(when, func(t *testing.T) {
			s := openStore(t, Config{})
			var ids event.IDs
			old, fresh := newEntry(&ids, "a"), newEntry(&ids, "a")
			fresh.Event.Person = old.Event.Person
			write(t, s, old, fresh)
			deliver(t, s, old)
			purge := func() {
				if n, err := s.Purge(t.Context(), outbox.Retention{Rows: time.Now().Add(time.Hour)}); err != nil || n > 1 {
					t.Errorf("purged %d (%v)", n, err)
				}
			}
			f := outbox.Forget{Person: old.Event.Person, Now: time.Now()}
			if when == "while bodies are looked at" {
				f.Holds = func([]byte) bool { purge(); return false }
			} else {
				f.Discard = func(context.Context, []outbox.StoredDelivery) error { purge(); return nil }
			}
			if done, err := s.Forget(t.Context(), f); err != nil || done.Discarded != 1 {
				t.Errorf("forgotten: %+v (%v), want what is left of her", done, err)
			}
			if got, err := s.Event(t.Context(), fresh.Event.ID); err != nil || got.Body != nil {
				t.Errorf("the other event: %+v (%v), want it without a body", got, err)
			}
		})
	}
}
