package sqlite

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// endOf is the first attempt of a delivery, which has come to an end.
func endOf(e *outbox.Entry, to outbox.Address, o event.Outcome, s event.State) outbox.Attempt {
	a := outbox.Attempt{
		Key: outbox.Key{Event: e.Event.ID, Address: to}, Number: 1, At: time.Now(), Duration: time.Millisecond, Outcome: o, Status: 200, Tries: 1, State: s,
	}
	if s == event.Pending {
		a.NextAt = time.Now()
	}
	return a
}

func TestWhatWaitsThoughItsEventDoesNotSaySoIsSentOnceAndItsEndStands(t *testing.T) {
	for o, state := range map[event.Outcome]event.State{event.Delivered: event.Done, event.Retry: event.Pending, event.Rejected: event.Dead} {
		var log strings.Builder
		path := filepath.Join(t.TempDir(), "relay.db")
		s := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
		<-s.audited
		e := newEntry(new(event.IDs), "a")
		write(t, s, e)
		eventsOnly(t, path, "waiting = waiting & ~1")
		if n := len(claimed(t, s, "a")); n != 1 {
			t.Fatalf("%s: %d are sent, want 1", o, n)
		}
		if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{endOf(e, "a", o, state)}}); err != nil {
			t.Fatal(err)
		}
		for what := range 2 { // then after a restart
			d, err := s.Delivery(t.Context(), outbox.Key{Event: e.Event.ID, Address: "a"})
			if err != nil || d.State != state || d.Attempts != 1 {
				t.Errorf("%s, start %d: %+v (%v), want it %s", o, what, d, err, state)
			}
			pending := one(state, event.Pending)
			counts, err := s.Counts(t.Context())
			if n := len(claimed(t, s, "a")); err != nil || n != pending || counts["a"].Pending != pending || s.Pending() != pending {
				t.Errorf("%s, start %d: sent again %d times, counts %+v (%v)", o, what, n, counts["a"], err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
			<-s.audited
		}
	}
}

// recorded writes what came of a delivery, again if it has to.
func recorded(t *testing.T, s *Store, a outbox.Attempt) {
	t.Helper()
	b := &outbox.Batch{Attempts: []outbox.Attempt{a}}
	if s.Write(t.Context(), b) == nil {
		return
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Error(err)
	}
}

func TestWhatWaitsThoughItsEventDoesNotSaySoIsSentAfterTheOtherDeliveryOfItEnds(t *testing.T) {
	for _, o := range []event.Outcome{event.Delivered, event.Rejected} {
		var log strings.Builder
		path := filepath.Join(t.TempDir(), "relay.db")
		s := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
		<-s.audited
		e := newEntry(new(event.IDs), "a", "b")
		write(t, s, e)
		eventsOnly(t, path, "waiting = waiting & ~1")
		recorded(t, s, endOf(e, "b", o, map[event.Outcome]event.State{event.Delivered: event.Done, event.Rejected: event.Dead}[o]))
		if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != 1 || b != 0 || s.Pending() != 1 {
			t.Errorf("b %s: a gets it %d times and b %d, %d pending", o, a, b, s.Pending())
		}
		recorded(t, s, endOf(e, "a", event.Delivered, event.Done))
		if got := stored(t, s, e); got.Open != 0 || got.FinishedAt.IsZero() || s.Pending() != 0 || len(claimed(t, s, "a")) != 0 {
			t.Errorf("b %s, then a: %d open, %d pending, finished %v", o, got.Open, s.Pending(), got.FinishedAt)
		}
		if n := strings.Count(log.String(), "what waits of events"); n != 1 {
			t.Errorf("want it told once:\n%s", log.String())
		}
	}
}

func TestAnIndexThatCannotBeReadForgetsNothingThatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path, pause: time.Nanosecond})
	e := newEntry(new(event.IDs), "a", "b")
	write(t, s, e)
	page := pageOf(t, s, waitingIndex, "leaf", 0)
	eventsOnly(t, path, "waiting = waiting & ~2")
	spoil(t, path, page, 0xff)
	if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != 1 || b != 1 {
		t.Errorf("a gets it %d times and b %d", a, b)
	}
}

func TestAnIndexMadeAnewSendsNothingAgainAndForgetsNothing(t *testing.T) {
	all := func(o event.Outcome, s event.State) func(e *outbox.Entry) []outbox.Attempt {
		return func(e *outbox.Entry) (list []outbox.Attempt) {
			for _, a := range e.To {
				list = append(list, endOf(e, a, o, s))
			}
			return list
		}
	}
	none := func(*outbox.Entry) []outbox.Attempt { return nil }
	aEnded := func(e *outbox.Entry) []outbox.Attempt {
		return []outbox.Attempt{endOf(e, "a", event.Delivered, event.Done)}
	}
	bTried := func(e *outbox.Entry) []outbox.Attempt {
		return []outbox.Attempt{endOf(e, "b", event.Retry, event.Pending)}
	}
	for what, c := range map[string]struct {
		before  func(e *outbox.Entry) []outbox.Attempt
		events  string // what flips in the event
		rows    string // and in the row of b
		a, b, n int    // how often each gets it then, and how many rows are mended
	}{
		"whole":                                 {none, "", "", 1, 1, 0},
		"ended, and waiting again":              {all(event.Delivered, event.Done), "waiting = waiting | 1", "", 0, 0, 1},
		"dead, and waiting again":               {all(event.Rejected, event.Dead), "waiting = waiting | 2", "", 0, 0, 1},
		"waiting for one it does not go to":     {none, "waiting = waiting | 4", "", 1, 1, 1},
		"not waiting any more":                  {none, "waiting = waiting & ~2", "", 1, 1, 1},
		"not waiting, beside one that ended":    {aEnded, "waiting = waiting & ~2", "", 0, 1, 1},
		"not a number any more":                 {none, "waiting = 'x'", "", 1, 1, 1},
		"ended, and its slot says less":         {aEnded, "ends = CAST(substr(ends, 1, 14) || x'00' || substr(ends, 16) AS BLOB)", "", 0, 1, 0},
		"ended, and its slot is another's":      {aEnded, "ends = CAST(x'05' || substr(ends, 2) AS BLOB)", "", 0, 1, 0},
		"waiting, and its slot is not empty":    {none, "ends = CAST(substr(ends, 1, length(ends) - 1) || x'01' AS BLOB)", "", 1, 1, 0},
		"not waiting, and another event":        {none, "waiting = waiting & ~2, targets = 5", "", 0, 0, 0},
		"waiting, and b's row is its":           {bTried, "", "address = 1", 1, 0, 0},
		"dead, and its row is another's":        {all(event.Rejected, event.Dead), "", "address = 66", 0, 0, 0},
		"tried, and its row is another's":       {all(event.Retry, event.Pending), "", "address = 66", 1, 0, 0},
		"tried, and its row is another event's": {all(event.Retry, event.Pending), "", "seq = seq + (1 << 40)", 1, 0, 0},
	} {
		t.Run(what, func(t *testing.T) {
			var log strings.Builder
			path := filepath.Join(t.TempDir(), "relay.db")
			s := openStore(t, Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
			<-s.audited
			e := newEntry(new(event.IDs), "a", "b")
			write(t, s, e)
			if err := s.Write(t.Context(), &outbox.Batch{Attempts: c.before(e)}); err != nil {
				t.Fatal(err)
			}
			if c.events != "" {
				eventsOnly(t, path, c.events)
			}
			if c.rows != "" {
				tableOnly(t, path, c.rows+" WHERE address = 2")
			}
			s.remakeNow(t.Context(), []string{waitingIndex})
			if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != c.a || b != c.b {
				t.Errorf("a gets it %d times and b %d, want %d and %d\n%s", a, b, c.a, c.b, log.String())
			}
			if n := strings.Count(log.String(), "what waits of events"); n != c.n {
				t.Errorf("%d are mended, want %d:\n%s", n, c.n, log.String())
			}
		})
	}
}

func TestAnIndexIsMadeAnewThoughWhatAnEventSaidCannotBeTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path, Log: logTo(t.Output()), pause: time.Nanosecond})
	write(t, s, newEntry(new(event.IDs), "a", "b"))
	page := pageOf(t, s, "attempts", "leaf", 0)
	eventsOnly(t, path, "waiting = waiting & ~2")
	spoil(t, path, page, 0xff)
	if !s.remakeNow(t.Context(), []string{waitingIndex}) {
		t.Error("it is not made anew")
	}
	if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != 1 || b != 0 {
		t.Errorf("a gets it %d times and b %d", a, b)
	}
}
