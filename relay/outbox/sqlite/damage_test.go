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
)

func TestFlippedByteInAnEventIsNoticedAndNeverSent(t *testing.T) {
	for _, what := range []string{"the body", "the ticket"} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			s := openStore(t, Config{Path: path})
			var ids event.IDs
			entries := []*outbox.Entry{newEntry(&ids, "a"), newEntry(&ids, "a"), newEntry(&ids, "a")}
			entries[1].Event.Body = []byte(`{"full_name":"Jo Canary"}`)
			entries[1].Event.Ticket = "a-ticket-to-ride"
			write(t, s, entries...)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			place := map[string]string{"the body": "Canary", "the ticket": "a-ticket-to-ride"}[what]
			change(t, path, func(b []byte) { b[bytes.Index(b, []byte(place))] ^= 1 })

			var log strings.Builder
			s = openStore(t, Config{Path: path, Log: logTo(&log)})
			for range 2 {
				if got, want := claimed(t, s, "a"), []event.ID{entries[0].Event.ID, entries[2].Event.ID}; !slices.Equal(got, want) {
					t.Errorf("claimed %v, want all but the damaged one: %v", got, want)
				}
			}
			if _, err := s.Event(t.Context(), entries[1].Event.ID); !errors.Is(err, outbox.ErrCorrupt) {
				t.Errorf("event: %v, want outbox.ErrCorrupt", err)
			}
			if n := s.Pending(); n != 3 {
				t.Errorf("%d pending: the damaged one must not vanish", n)
			}
			if n := strings.Count(log.String(), entries[1].Event.ID.String()); n == 0 || strings.Count(log.String(), "\n") != 1 || strings.Contains(log.String(), "anary") {
				t.Errorf("want one line of log with the event's id and nothing of the event:\n%s", log.String())
			}
		})
	}
}

func TestClaimStepsOverManyDamagedEvents(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	stored := fill(t, s, &ids, 20)
	damaged := fmt.Sprintf("UPDATE events SET crc = crc + 1 WHERE seq < %d", stored[15].Seq())
	if err := s.w.exec(context.WithoutCancel(t.Context()), damaged); err != nil {
		t.Fatal(err)
	}
	due, _, err := s.Claim(t.Context(), outbox.Query{Addresses: []outbox.Address{"a"}, DueBy: time.Now(), Limit: 2})
	if err != nil || len(due) != 2 || due[0].Key.Event != stored[15] || due[1].Key.Event != stored[16] {
		t.Errorf("claimed %d (%v), want the first two that are whole", len(due), err)
	}
}

func TestDamagedEventDoesNotMakeABatchLookLikeTheLast(t *testing.T) {
	const retries, limit = 810, 256
	s := openStore(t, Config{})
	var ids event.IDs
	var entries []*outbox.Entry
	var all []outbox.Key
	for range retries {
		e := newEntry(&ids, "a")
		entries, all = append(entries, e), append(all, outbox.Key{Event: e.Event.ID, Address: "a"})
	}
	write(t, s, entries...)
	now := time.Now()
	again := func(number int, at time.Time, keys ...outbox.Key) {
		t.Helper()
		var b outbox.Batch
		for _, k := range keys {
			b.Attempts = append(b.Attempts, outbox.Attempt{
				Key: k, Number: number, At: now, Outcome: event.Retry, Tries: 1, State: event.Pending, NextAt: at,
			})
		}
		if err := s.Write(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	again(1, now, all...)
	damaged := fmt.Sprintf("UPDATE events SET crc = crc + 1 WHERE seq = %d", entries[100].Event.ID.Seq())
	if err := s.w.exec(context.WithoutCancel(t.Context()), damaged); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for range 5 {
		due, _, err := s.Claim(t.Context(), outbox.Query{Addresses: []outbox.Address{"a"}, DueBy: now.Add(time.Second), Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(due))
		var keys []outbox.Key
		for _, d := range due {
			keys = append(keys, d.Key)
		}
		again(2, now.Add(time.Hour), keys...)
	}
	if want := []int{limit, limit, limit, retries - 1 - 3*limit, 0}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v, want %v", sizes, want)
	}
}

// fill writes n commits of one event each, and says which.
func fill(t *testing.T, s *Store, ids *event.IDs, n int) (stored []event.ID) {
	t.Helper()
	for range n {
		e := newEntry(ids, "a")
		write(t, s, e)
		stored = append(stored, e.Event.ID)
	}
	return stored
}

func TestLostCommitsAreNoticedAtTheNextStart(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	fill(t, s, &ids, 20)
	if err := s.mark.write(); err != nil { // as it does each second
		t.Fatal(err)
	}
	copied := snapshot(t, s.cfg.Path)
	all := ends(t, copied)
	if err := os.Truncate(copied+"-wal", walHeaderSize+int64(all[len(all)*3/4]+1)*wholeFrame); err != nil { // nothing in the log itself shows it
		t.Fatal(err)
	}

	var log strings.Builder
	s = openStore(t, Config{Path: copied, Log: logTo(&log)})
	if n := len(claimed(t, s, "a")); n == 0 || n == 20 {
		t.Fatalf("%d events are left of 20: the test has damaged nothing, or all", n)
	}
	if s.Damaged() == "" || !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("commits were lost; damaged says %q, the log %q", s.Damaged(), log.String())
	}
	fill(t, s, &ids, 1) // and yet it goes on
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s = openStore(t, Config{Path: copied}); s.Damaged() != "" {
		t.Errorf("at the start after that: %s", s.Damaged())
	}
}

func TestNothingIsCalledLostWhenNothingIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	var ids event.IDs
	for range 3 {
		s := openStore(t, Config{Path: path})
		for range 3 {
			e := newEntry(&ids, "a")
			write(t, s, e)
			deliver(t, s, e)
		}
		if _, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now().Add(time.Second), Rows: time.Now().Add(time.Second)}); err != nil {
			t.Fatal(err)
		}
		if s.Damaged() != "" {
			t.Error(s.Damaged())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"cut short": "invitation-relay mark", "of another store": (&mark{store: []byte("another!")}).text(1000)} {
		if err := os.WriteFile(path+".mark", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := openStore(t, Config{Path: path})
		if s.Damaged() != "" {
			t.Errorf("with a mark %s: %s", name, s.Damaged())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	stored := fill(t, s, &ids, 30)
	copied := openStore(t, Config{Path: snapshot(t, s.cfg.Path)})
	if got := claimed(t, copied, "a"); !slices.Equal(got, stored) {
		t.Errorf("%d of %d events are left", len(got), len(stored))
	}
	if copied.LastSeq() != stored[29].Seq() || copied.Damaged() != "" {
		t.Errorf("last %d, want %d; damaged: %s", copied.LastSeq(), stored[29].Seq(), copied.Damaged())
	}
}

func TestNamesWithAGapAreNotRenumbered(t *testing.T) {
	for what, damage := range map[string]string{
		"a row is gone":        "DELETE FROM names WHERE kind = 'address' AND id = 1",
		"a number has changed": "UPDATE names SET id = 7 WHERE kind = 'address' AND id = 2",
		"a kind has changed":   "UPDATE names SET kind = 'adrresx' WHERE kind = 'address' AND id = 2",
		"a rule is gone":       "DELETE FROM names WHERE kind = 'rule' AND id = 1",
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "relay.db")
			s := openStore(t, Config{Path: path})
			var ids event.IDs
			e := newEntry(&ids, "a", "b")
			e.Verdicts = []outbox.Verdict{{Rule: "one", Verdict: "match"}, {Rule: "two", Verdict: "match"}}
			write(t, s, e)
			if err := s.w.exec(context.WithoutCancel(t.Context()), damage); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, err := Open(t.Context(), Config{Path: path})
			if err == nil {
				_ = s.Close() // it should not be open
			}
			if !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), wayOut) {
				t.Errorf("open: %v, want outbox.ErrCorrupt, the file and the way out", err)
			}
		})
	}
}

func TestRepeatOfADamagedEventIsAcceptedAsNew(t *testing.T) {
	for _, what := range []string{"body", "subject"} {
		t.Run(what, func(t *testing.T) {
			var log strings.Builder
			s := openStore(t, Config{Log: logTo(&log)})
			var ids event.IDs
			first := newEntry(&ids, "a")
			write(t, s, first)
			damage := fmt.Sprintf("UPDATE events SET %s = 'x' || substr(%[1]s, 2) WHERE seq = %d", what, first.Event.ID.Seq())
			if what == "body" {
				damage = fmt.Sprintf("UPDATE events SET body = CAST(replace(CAST(body AS TEXT), 'Jon', 'Jan') AS BLOB) WHERE seq = %d", first.Event.ID.Seq())
			}
			if err := s.w.exec(context.WithoutCancel(t.Context()), damage); err != nil {
				t.Fatal(err)
			}
			repeat := func() *outbox.Entry {
				e := newEntry(&ids, "a")
				e.Event.Dedupe = first.Event.Dedupe
				write(t, s, e)
				return e
			}
			second := repeat()
			if second.Duplicate || second.StoredID != second.Event.ID {
				t.Fatal("the repeat is answered as a duplicate of an event that will not be sent")
			}
			if third := repeat(); !third.Duplicate || third.StoredID != second.Event.ID {
				t.Errorf("the next one: duplicate %v of %v, want of the second", third.Duplicate, third.StoredID)
			}
			if got := claimed(t, s, "a"); !slices.Equal(got, []event.ID{second.Event.ID}) {
				t.Errorf("claimed %v, want the second only", got)
			}
			if n := strings.Count(log.String(), first.Event.ID.String()); n == 0 || strings.Count(log.String(), "\n") != 1 {
				t.Errorf("want one line of log about the first:\n%s", log.String())
			}
		})
	}
}

func TestRepeatOfAnEventIsOneThoughTheTypeOfWhatItSaysFlipped(t *testing.T) {
	for _, set := range []string{
		"subject = CAST(subject AS BLOB)", "ticket = CAST(ticket AS BLOB)", "status = CAST(status AS BLOB)", "body = CAST(body AS TEXT)",
		"dedupe = CAST(dedupe AS TEXT)", "verdicts = CAST(verdicts AS TEXT)",
	} {
		var log strings.Builder
		s, ids := openStore(t, Config{Log: logTo(&log)}), new(event.IDs)
		<-s.audited
		first := newEntry(ids, "a")
		first.Verdicts = []outbox.Verdict{{Rule: "one", Verdict: "match"}}
		write(t, s, first)
		eventsOnly(t, s.cfg.Path, set)
		if n := len(claimed(t, s, "a")); n != 1 {
			t.Errorf("%s: it is sent %d times", set, n)
		}
		repeat := newEntry(ids, "a")
		repeat.Event.Dedupe = first.Event.Dedupe
		if write(t, s, repeat); !repeat.Duplicate || log.Len() > 0 {
			t.Errorf("%s: a repeat is taken for another event\n%s", set, log.String())
		}
	}
}
