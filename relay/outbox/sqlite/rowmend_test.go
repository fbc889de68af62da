package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// tableOnly changes rows of deliveries as a flipped bit does: the indexes keep what
// they had.
func tableOnly(t *testing.T, path, set string) {
	t.Helper()
	inTable(t, path, "deliveries", `(seq INTEGER NOT NULL, address INTEGER NOT NULL, state INTEGER NOT NULL,
		attempts, next_at, finished_at, outcome, status, reason, PRIMARY KEY (seq, address)) WITHOUT ROWID`, set)
}

// eventsOnly is that for what comes first in rows of events.
func eventsOnly(t *testing.T, path, set string) {
	t.Helper()
	inTable(t, path, "events", `(seq INTEGER PRIMARY KEY, waiting, retrying, finished_at, ends, rnd, received_at, source, kind, targets,
		person, crc, dedupe, verdicts, subject, ticket, status, key_id, body)`, set)
}

// inTable changes a table by another name, which has no index.
func inTable(t *testing.T, path, table, columns, set string) {
	t.Helper()
	for _, text := range []string{
		"PRAGMA writable_schema=ON; CREATE TABLE x " + columns + `;
			UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = '` + table + "') WHERE name = 'x'",
		"UPDATE x SET " + set + "; PRAGMA writable_schema=ON; DELETE FROM sqlite_schema WHERE name = 'x'",
	} {
		c, err := open(uri(path, "_dqs=0&_error_rc=1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.exec(context.WithoutCancel(t.Context()), text); err != nil {
			t.Fatal(err)
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// flippedRow is a store in which an event goes to a, b and c, was delivered to c,
// failed for b and is due, and in whose table b's row is then changed.
func flippedRow(t *testing.T, set string, log *strings.Builder) (*Store, *outbox.Entry) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path, Log: logTo(log), pause: time.Nanosecond})
	<-s.audited
	var ids event.IDs
	e := newEntry(&ids, "a", "b", "c")
	write(t, s, e)
	done := arrived(e, 1)
	done.Key.Address = "c"
	if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{again(e, 3), done}}); err != nil {
		t.Fatal(err)
	}
	tableOnly(t, path, set+" WHERE address = 2")
	return s, e
}

// arrived is the nth attempt for b, which delivers.
func arrived(e *outbox.Entry, number int) outbox.Attempt {
	a := again(e, number)
	a.State, a.Outcome, a.NextAt = event.Done, event.Delivered, time.Time{}
	return a
}

// lookedThrough is flippedRow after a look through the indexes, which must blame
// none, and with one of them made anew for another reason.
func lookedThrough(t *testing.T, set string, remade bool, log *strings.Builder) (*Store, *outbox.Entry) {
	t.Helper()
	s, e := flippedRow(t, set, log)
	ctx := context.WithoutCancel(t.Context())
	s.audit(ctx, time.Now().Add(time.Hour))
	if log.Len() > 0 {
		t.Errorf("%s: an index is blamed:\n%s", set, log.String())
	}
	if remade && !s.remakeNow(ctx, []string{dueIndex}) {
		t.Errorf("%s: the index is not made anew", set)
	}
	return s, e
}

func TestADeliveryWhoseRowCannotBeTrueIsSentOnceAndMended(t *testing.T) {
	for _, set := range []string{"state = 1", "state = 2", "state = 64"} {
		for _, remade := range []bool{false, true} {
			var log strings.Builder
			s, e := lookedThrough(t, set, remade, &log)
			if d, err := s.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: "b"}); err != nil || d.State != event.Pending {
				t.Errorf("%s: %+v, %v", set, d, err)
			}
			sent := 0
			for i := range 3 {
				if len(claimed(t, s, "b")) == 0 {
					break
				}
				sent++
				if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{arrived(e, 4+i)}}); err != nil {
					t.Errorf("%s: %v", set, err)
				}
			}
			if counts, err := s.Counts(t.Context()); err != nil || sent != 1 || s.Pending() != 1 || counts["b"].Pending != 0 || counts["b"].Delivered != 1 {
				t.Errorf("%s, index made anew: %t: sent %d times, %d pending, %+v, %v", set, remade, sent, s.Pending(), counts["b"], err)
			}
			if strings.Count(log.String(), "rows=1") != 1 {
				t.Errorf("%s: want it told once:\n%s", set, log.String())
			}
		}
	}
}

func TestADeliveryWhoseRowHasANegativeNumberIsSentAndNoIndexIsBlamed(t *testing.T) {
	for _, set := range []string{"attempts = -125", "next_at = next_at | 1 << 63", "next_at = 0"} {
		for _, remade := range []bool{false, true} {
			var log strings.Builder
			s, e := lookedThrough(t, set, remade, &log)
			for _, before := range []int64{0, 1 << 62} {
				q := outbox.Query{Addresses: []outbox.Address{"b"}, DueBy: time.Now().Add(time.Hour), Limit: 100, BeforeSeq: before}
				if due, _, err := s.Claim(t.Context(), q); err != nil || len(due) != 1 {
					t.Errorf("%s, before %d: %+v, %v", set, before, due, err)
				}
			}
			b := &outbox.Batch{Attempts: []outbox.Attempt{arrived(e, 4)}}
			if err := s.Write(t.Context(), b); err != nil {
				t.Errorf("%s: %v", set, err)
			}
			if n := len(claimed(t, s, "b")); n != 0 || s.Pending() != 1 {
				t.Errorf("%s: sent once and claimed %d times, %d pending", set, n, s.Pending())
			}
		}
	}
}

// c was delivered at once: it has no row.
func TestARowThatFlippedToAnotherTargetOfItsEventIsSentToNeitherAndNoIndexIsBlamed(t *testing.T) {
	for _, order := range []string{"claimed", "swept", "looked through"} {
		var log strings.Builder
		s, e := flippedRow(t, "address = 3", &log)
		q := outbox.Query{Addresses: []outbox.Address{"b", "c"}, DueBy: time.Now().Add(time.Hour), Limit: 100}
		if order == "swept" {
			q.BeforeSeq = 1 << 62
		}
		for range 2 {
			if order == "looked through" {
				s.audit(context.WithoutCancel(t.Context()), time.Now().Add(time.Hour))
			} else if due, _, err := s.Claim(t.Context(), q); err != nil || len(due) > 0 {
				t.Errorf("%s: %+v, %v", order, due, err)
			}
		}
		if _, told := s.strays.Load(e.Event.ID.Seq()); !told {
			t.Errorf("%s: it is not given back", order)
		}
		if strings.Count(log.String(), "level=") != 1 || !strings.Contains(log.String(), "does not have its row") {
			t.Errorf("%s: want one error, of no index:\n%s", order, log.String())
		}
	}
}

func TestADeliveryThatHasEndedIsNotSentAgainThoughItsStateFlipped(t *testing.T) {
	for _, c := range []struct {
		what string
		ends []event.State // of a, tried again each time
		set  string
		is   event.State
	}{
		{"delivered", []event.State{event.Pending, event.Done}, "state = 0", event.Done},
		{"dead", []event.State{event.Pending, event.Dead}, "state = 0", event.Dead},
		{"delivered, and then dead", []event.State{event.Pending, event.Done, event.Pending, event.Dead}, "state = 0", event.Dead},
		{"pending, and said to have ended", []event.State{event.Pending}, "finished_at = 1", event.Pending},
		{"never tried, and said to have ended", nil, "finished_at = 1", event.Pending},
		{"never tried, and when it has ended is no time", nil, "finished_at = x''", event.Pending},
	} {
		for _, remade := range []string{dueIndex, stateIndex, ""} {
			var log strings.Builder
			path := filepath.Join(t.TempDir(), "relay.db")
			s := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
			<-s.audited
			ids := new(event.IDs)
			e := newEntry(ids, "t66")
			write(t, s, newEntry(ids, many()...), e)
			for n, state := range c.ends {
				o := map[event.State]event.Outcome{event.Pending: event.Retry, event.Done: event.Delivered}[state] // none: the time is up
				a := endOf(e, "t66", o, state)
				if a.Number = n + 1; n == 2 { // by hand
					a.Outcome = 0
				}
				if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{a}}); err != nil {
					t.Fatal(err)
				}
			}
			tableOnly(t, path, fmt.Sprintf("%s WHERE seq = %d", c.set, e.Event.ID.Seq()))
			s.audit(context.WithoutCancel(t.Context()), time.Now().Add(time.Hour))
			if remade != "" && !s.remakeNow(t.Context(), []string{remade}) {
				t.Errorf("%s: %s is not made anew", c.what, remade)
			}
			if n := gets(t, s, "t66", e.Event.ID); n != one(c.is, event.Pending) {
				t.Errorf("%s, %s made anew: t66 gets it %d times", c.what, remade, n)
			}
			if d, err := s.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: "t66"}); err != nil || d.State != c.is && (remade != "" || len(c.ends) != 4) {
				t.Errorf("%s, %s made anew: %+v (%v), want it %s", c.what, remade, d, err, c.is)
			}
		}
	}
}
