package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// All that the audit passes is claimed, and one in so many of what it finds.
func TestAFlippedBitInAnIndexHidesNothingAndSendsNothingTwice(t *testing.T) {
	racetest.Sequential(t)
	path, pages := indexed(t)
	whole := must(os.ReadFile(path))
	f := must(os.OpenFile(path, os.O_RDWR, 0))
	defer func() { _ = f.Close() }()
	byName := map[string]index{}
	for _, x := range indexes() {
		byName[x.name] = x
	}
	n, passed := 0, 0
	eachFlip(t, path, pages, func(what, index string, at, bit int) {
		flipIn(t, f, at, bit)
		ok, err := auditOnce(t, path, byName[index])
		flipIn(t, f, at, bit)
		n++
		errorsWanted := 1
		switch {
		case err != nil:
			t.Errorf("%s: %v", what, err)
		case ok:
			passed++
			errorsWanted = 0
		case n%149 != 0:
			return
		}
		log := theLog(t, flippedCopy(t, whole, at, bit), what)
		if k := strings.Count(log, "level=ERROR"); k != errorsWanted || k > 0 && !strings.Contains(log, index) {
			t.Errorf("%s: want %d errors that name it:\n%s", what, errorsWanted, log)
		}
	})
	t.Logf("%d bits, of which %d do no harm", n, passed)
}

func TestWhatOnlyAnIndexListsIsNotSentAndTheIndexIsMadeAnewAtOnce(t *testing.T) {
	for what, c := range map[string]struct {
		index        string
		n, byte, bit int
	}{
		"never tried, and delivered at once":   {waitingIndex, 2, 4 + 7, 3},
		"never tried, and tried":               {waitingIndex, 2, 4 + 7, 1},
		"of an event that is not there":        {waitingIndex, 0, 12 + 7, 7},
		"another address's, which has ended":   {dueIndex, 2, 5, 0},
		"in the order of events, and is ended": {stateIndex, 3, 5, 1},
	} {
		t.Run(what, func(t *testing.T) {
			var log strings.Builder
			s := flippedOpen(t, c.index, c.n, c.byte, c.bit, &log)
			got := ""
			for range 2 { // the first finds it, perhaps for one that was asked for before
				got = waits(t, s)
				if strings.Contains(got, "c1") || strings.Contains(got, "d1") || strings.Contains(got, "4") {
					t.Errorf("waiting: %s", got)
				}
			}
			if got != allWait {
				t.Errorf("waiting then: %s", got)
			}
			if strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), c.index) {
				t.Errorf("want one error that names the index:\n%s", log.String())
			}
		})
	}
}

func TestWhatOnlyAnIndexListsIsNotSentWhereItWasMadeAnewJustBeforeAndThatIsLoggedOnce(t *testing.T) {
	for _, c := range []struct {
		index        string
		n, byte, bit int
		to           outbox.Address
	}{{waitingIndex, 2, 4 + 7, 3, "d"}, {dueIndex, 2, 5, 0, "c"}} {
		var log strings.Builder
		s := flippedOpen(t, c.index, c.n, c.byte, c.bit, &log)
		s.mended = map[string]time.Time{c.index: time.Now()}
		for range 2 {
			if got := claimed(t, s, c.to); len(got) != 0 {
				t.Errorf("%s: %d are sent that have ended", c.index, len(got))
			}
		}
		if strings.Count(log.String(), "level=") != 1 || !strings.Contains(log.String(), c.index) {
			t.Errorf("%s: want it logged once:\n%s", c.index, log.String())
		}
	}
}

func TestAnEventThatAnIndexListedWronglyIsReportedWhenItIsDamagedItself(t *testing.T) {
	var log strings.Builder
	s := openStore(t, Config{Log: logTo(&log)})
	s.notThere(7)
	s.report(&row{seq: 7}, outbox.ErrCorrupt)
	if strings.Count(log.String(), "level=ERROR") != 1 {
		t.Errorf("want one error:\n%s", log.String())
	}
}

func TestWhatAnIndexHidesSinceTheStartIsFoundWithinAMinuteAndTold(t *testing.T) {
	for _, c := range []struct {
		index        string
		n, byte, bit int
	}{{waitingIndex, 0, 2, 1}, {waitingIndex, 1, 4, 7}, {dueIndex, 0, 3, 2}, {stateIndex, 1, 2, 3}} {
		synctest.Test(t, func(t *testing.T) {
			var log strings.Builder
			s := flippedOpen(t, c.index, c.n, c.byte, c.bit, &log)
			s.counts.mu.Lock()
			s.counts.at(1).pending-- // as if the start had counted what it lists
			s.counts.pending--
			s.counts.mu.Unlock()
			var told []map[outbox.Address]int
			s.WhenMended(func(more map[outbox.Address]int) { told = append(told, more) })
			time.Sleep(auditEvery)
			synctest.Wait()
			if len(told) != 1 || len(told[0]) != 1 || told[0]["a"] != 1 {
				t.Errorf("%v: told %v", c, told)
			}
			if got := waits(t, s); got != allWait {
				t.Errorf("%v: %s", c, got)
			}
			if strings.Count(log.String(), "level=ERROR") != 1 || !strings.Contains(log.String(), c.index) {
				t.Errorf("want one error that names the index:\n%s", log.String())
			}
		})
	}
}

func TestAnIndexThatIsWholeIsNotMadeAnewBesideWrites(t *testing.T) {
	var log strings.Builder
	s := openStore(t, Config{Log: logTo(&log)})
	var ids event.IDs
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- n
				return
			default:
				s.audit(context.WithoutCancel(t.Context()), time.Now().Add(time.Hour))
			}
		}
	}()
	random := rand.New(rand.NewPCG(1, 2))
	var waiting []*outbox.Entry
	for range 20 {
		b := &outbox.Batch{}
		for range 40 {
			e := newEntry(&ids, "a", "b")
			b.Entries, waiting = append(b.Entries, e), append(waiting, e)
		}
		for range 60 { // again and again, and for good: pages lose cells in their middle
			a := again(waiting[random.IntN(len(waiting))], 1+random.IntN(9))
			a.Key.Address, a.NextAt = []outbox.Address{"a", "b"}[random.IntN(2)], a.NextAt.Add(time.Duration(random.IntN(1e9)))
			if random.IntN(2) == 0 {
				a.State, a.Outcome, a.NextAt = event.Done, event.Delivered, time.Time{}
			}
			b.Attempts = append(b.Attempts, a)
		}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now(), Rows: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if n := <-stopped; n == 0 || log.Len() > 0 {
		t.Errorf("looked through %d times:\n%s", n, log.String())
	}
}

// A flipped bit in the seq of an entry, or in its address, does that where events
// came shortly after each other.
func TestAnEntryThatBecomesAnotherDeliverysHidesNothingAndSendsNothingTwice(t *testing.T) {
	racetest.Sequential(t)
	path, pages := indexed(t)
	whole := must(os.ReadFile(path))
	for _, x := range indexes()[:3] {
		seq := map[string]int{waitingIndex: 12, dueIndex: 14, stateIndex: 6}[x.name] // where it begins, of 8 bytes
		at := cells(whole, pages[x.name])
		for i := range 3 {
			for j := range 3 {
				if i == j {
					continue
				}
				b := bytes.Clone(whole)
				copy(b[at[i]+seq:][:8], whole[at[j]+seq:][:8])
				what := fmt.Sprint(x.name, ", entry ", i, " is ", j)
				become := filepath.Join(t.TempDir(), "relay.db")
				if err := os.WriteFile(become, b, 0o600); err != nil {
					t.Fatal(err)
				}
				if log := theLog(t, become, what); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, x.name) {
					t.Errorf("%s: want one error that names it:\n%s", what, log)
				}
				becomesWhenOpen(t, whole, at[i]+seq, b[at[i]+seq:][:8], what)
			}
		}
	}
}

// becomesWhenOpen is that after the look of the start: no claim has it twice, and
// the last has all.
func becomesWhenOpen(t *testing.T, whole []byte, at int, with []byte, what string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "relay.db")
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Config{Path: path, pause: time.Nanosecond})
	<-s.audited
	f := must(os.OpenFile(path, os.O_RDWR, 0))
	t.Cleanup(func() { _ = f.Close() }) // after the store: it would drop its locks
	if _, err := f.WriteAt(with, int64(at)); err != nil {
		t.Fatal(err)
	}
	got := waits(t, s)
	if strings.Contains(got, "3 2") {
		t.Errorf("%s, open: %s", what, got)
	}
	if got = waits(t, s); got != allWait {
		t.Errorf("%s, open, then: %s", what, got)
	}
}
