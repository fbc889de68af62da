package sqlite

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// disagreeing has the end of a delivery meet an index that its table contradicts, and
// says what came of two tries to record it.
func disagreeing(t *testing.T, s *Store, ids *event.IDs) (end *outbox.Batch, errs [2]error) {
	t.Helper()
	e := newEntry(ids, "a", "b")
	write(t, s, e)
	eventsOnly(t, s.cfg.Path, "waiting = waiting & ~1")
	end = &outbox.Batch{Attempts: []outbox.Attempt{endOf(e, "b", event.Delivered, event.Done)}}
	for i := range errs {
		errs[i] = s.Write(t.Context(), end)
		time.Sleep(time.Second) // of the bubble
	}
	return end, errs
}

func TestAnIndexThatCouldNotBeMadeAnewForNowIsMadeAnewAtTheNextWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := true
		s := openStore(t, Config{Path: filepath.Join(t.TempDir(), "relay.db"), hook: func(point string) error {
			if full && point == "make anew" {
				return errIO
			}
			return nil
		}})
		<-s.audited
		end, errs := disagreeing(t, s, new(event.IDs))
		if errs[0] == nil || errs[1] == nil {
			t.Fatalf("%v, want errors while there is no room", errs)
		}
		full = false
		_ = s.Write(t.Context(), end) // the connection is the one from before
		time.Sleep(time.Second)
		if err := s.Write(t.Context(), end); err != nil {
			t.Error("there is room again:", err)
		}
		if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != 1 || b != 0 {
			t.Errorf("a gets it %d times and b %d", a, b)
		}
	})
}

func TestWritesAreTakenAgainEachTimeAnIndexWasFoundToBeWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s, ids := openStore(t, Config{Log: logTo(&log), every: 24 * time.Hour}), new(event.IDs)
		<-s.audited
		for n := range 3 {
			if _, errs := disagreeing(t, s, ids); errs[0] == nil || errs[1] != nil {
				t.Errorf("%d: %v, want one error", n, errs)
			}
		}
		if _, all := s.mended[allOfThem]; !all || len(s.mended) > 1 {
			t.Errorf("%v may not be made anew for an hour, though they are whole", s.mended)
		}
		if n := strings.Count(log.String(), "is damaged and is made anew"); n > 0 {
			t.Errorf("%d indexes that can be read are said to be damaged:\n%s", n, log.String())
		}
	})
}

func TestTheFileIsOpenedAgainWhereMakingAnIndexAnewMetAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fails, opened := true, 0
		s, ids := openStore(t, Config{every: 24 * time.Hour, hook: func(point string) error {
			switch {
			case point == "reopen":
				opened++
			case fails && point == "make anew":
				return errIO
			}
			return nil
		}}), new(event.IDs)
		<-s.audited
		write(t, s, newEntry(ids, "a"))
		if s.remakeNow(t.Context(), []string{waitingIndex}) {
			t.Error("it says that it was made anew")
		}
		fails = false
		b := &outbox.Batch{Entries: []*outbox.Entry{newEntry(ids, "a")}}
		if err := s.Write(t.Context(), b); !errors.Is(err, event.ErrUnavailable) || opened > 0 {
			t.Errorf("write: %v, opened %d times: want it not to use the connection, nor so soon another", err, opened)
		}
		time.Sleep(time.Second)
		write(t, s, b.Entries...)
		if opened != 1 || !s.remakeNow(t.Context(), []string{waitingIndex}) {
			t.Errorf("opened %d times, want once", opened)
		}
	})
}
