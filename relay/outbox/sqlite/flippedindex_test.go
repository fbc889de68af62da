package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
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

// cells are where the cells of a page stand in the file, in their order.
func cells(whole []byte, page int) (at []int) {
	p := whole[(page-1)*defaultPage:][:defaultPage]
	head := 8
	if p[0] == 2 {
		head = 12
	}
	for i := range int(binary.BigEndian.Uint16(p[3:])) {
		at = append(at, (page-1)*defaultPage+int(binary.BigEndian.Uint16(p[head+2*i:])))
	}
	return at
}

// indexed is a store, closed, in which three events wait for a, were tried once
// for b, wait for b again, were delivered to d at once, and failed for c for good.
func indexed(t *testing.T) (path string, pages map[string]int) {
	t.Helper()
	path, pages = filepath.Join(t.TempDir(), "relay.db"), map[string]int{}
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	b := &outbox.Batch{}
	for range 3 {
		e := newEntry(&ids, "a", "b", "c", "d")
		b.Entries = append(b.Entries, e)
		dead, done := again(e, 1), again(e, 1)
		dead.Key.Address, dead.State, dead.Outcome, dead.NextAt = "c", event.Dead, event.Rejected, time.Time{}
		done.Key.Address, done.State, done.Outcome, done.NextAt = "d", event.Done, event.Delivered, time.Time{}
		b.Attempts = append(b.Attempts, again(e, 1), dead, done)
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, x := range indexes() {
		pages[x.name] = pageOf(t, s, x.name, "leaf", 0)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, pages
}

// waits counts the deliveries that wait for each address, read in both orders.
func waits(t *testing.T, s *Store) string {
	t.Helper()
	var all []string
	for _, before := range []int64{0, 1 << 62} {
		for _, a := range []outbox.Address{"a", "b", "c", "d"} {
			q := outbox.Query{Addresses: []outbox.Address{a}, DueBy: time.Now().Add(time.Hour), Limit: 100, BeforeSeq: before}
			due, _, err := s.Claim(t.Context(), q)
			if err != nil {
				t.Error(err)
			}
			keys := map[outbox.Key]bool{}
			for _, d := range due {
				keys[d.Key] = true
			}
			all = append(all, fmt.Sprint(string(a), len(due), len(keys)))
		}
	}
	counts, err := s.Counts(t.Context())
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(all, counts["a"].Pending, counts["b"].Pending, counts["c"].Pending, counts["d"].Pending, s.Pending())
}

const allWait = "[a3 3 b3 3 c0 0 d0 0 a3 3 b3 3 c0 0 d0 0] 3 3 0 0 6"

// eachFlip calls f once for each bit of the first, a middle and the last entry of
// each index that deliveries are found with, and of the head of its page, with that
// bit of the file flipped.
func eachFlip(t *testing.T, path string, pages map[string]int, f func(what, index string, at, bit int)) {
	t.Helper()
	whole := must(os.ReadFile(path))
	for _, index := range []string{waitingIndex, dueIndex, stateIndex} {
		all := cells(whole, pages[index])
		flip := func(what string, from, n int) {
			for i := range 8 * n {
				f(fmt.Sprintf("%s, %s, byte %d bit %d", index, what, i/8, i%8), index, from+i/8, i%8)
			}
		}
		flip("page", (pages[index]-1)*defaultPage, 8+2*len(all))
		for _, n := range []int{0, len(all) / 2, len(all) - 1} {
			flip(fmt.Sprint("entry ", n), all[n], 1+int(whole[all[n]]))
		}
	}
}

// flipIn flips a bit of a file that may be open: changing it in place closes
// nothing that SQLite has locked.
func flipIn(t *testing.T, f *os.File, at, bit int) {
	t.Helper()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// flippedCopy is a copy of a store with one bit flipped.
func flippedCopy(t *testing.T, whole []byte, at, bit int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	b := bytes.Clone(whole)
	b[at] ^= 1 << bit
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// theLog is of a store that is opened, which must serve all that waits and
// nothing else.
func theLog(t *testing.T, path, what string) string {
	t.Helper()
	var log strings.Builder
	s, err := Open(t.Context(), Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	<-s.audited
	if got := waits(t, s); got != allWait {
		t.Errorf("%s: %s", what, got)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return log.String()
}

// auditOnce looks through one index of a store that nobody has open.
func auditOnce(t *testing.T, path string, x index) (whole bool, err error) {
	t.Helper()
	c, err := dial(path, readerParams)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	s := &Store{log: slog.New(slog.DiscardHandler)}
	return (&auditor{s: s, conn: c, hurry: time.Now().Add(time.Hour)}).whole(t.Context(), x)
}

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

// flippedOpen is a store, open and looked through, in which a bit of the nth entry
// of an index is then flipped.
func flippedOpen(t *testing.T, index string, n, byteOf, bit int, log io.Writer) *Store {
	t.Helper()
	path, pages := indexed(t)
	at := cells(must(os.ReadFile(path)), pages[index])[n]
	s := openStore(t, Config{Path: path, Log: logTo(log), pause: time.Nanosecond})
	<-s.audited
	f := must(os.OpenFile(path, os.O_RDWR, 0))
	t.Cleanup(func() { _ = f.Close() }) // after the store: it would drop its locks
	flipIn(t, f, at+byteOf, bit)
	return s
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
