package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// fakeStore does what fail says and remembers what it took.
type fakeStore struct {
	outbox.Store
	fail func(b *outbox.Batch) error // nil: nothing fails

	mu       sync.Mutex
	sizes    []int // of the batches of entries it took
	entries  map[*outbox.Entry]bool
	attempts []outbox.Attempt
	refused  []*event.Refused
}

func (s *fakeStore) Write(_ context.Context, b *outbox.Batch) error {
	if s.fail != nil {
		if err := s.fail(b); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entries == nil {
		s.entries = map[*outbox.Entry]bool{}
	}
	for _, e := range b.Entries {
		e.StoredID = e.Event.ID
		s.entries[e] = true
	}
	if len(b.Entries) > 0 {
		s.sizes = append(s.sizes, len(b.Entries))
	}
	s.attempts = append(s.attempts, b.Attempts...)
	s.refused = append(s.refused, b.Refused...)
	return nil
}

func (s *fakeStore) has(e *outbox.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries[e]
}

func (s *fakeStore) numbers() (n []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.attempts {
		n = append(n, a.Number)
	}
	return n
}

// run runs a Writer until the test ends or stop is called.
func run(t *testing.T, cfg outbox.WriterConfig) (w *outbox.Writer, stop func() error) {
	t.Helper()
	w = outbox.NewWriter(cfg)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() }) // a test that minds has called it
	return w, stop
}

func entry(to ...outbox.Address) *outbox.Entry {
	return &outbox.Entry{Event: &event.Event{}, To: to}
}

// put puts an entry from a goroutine of its own.
func put(ctx context.Context, w *outbox.Writer, e *outbox.Entry) <-chan error {
	done := make(chan error, 1)
	go func() { done <- w.Put(ctx, e) }()
	return done
}

// gated makes a store whose writes each wait for a token.
func gated() (*fakeStore, chan struct{}) {
	gate := make(chan struct{})
	return &fakeStore{fail: func(*outbox.Batch) error { <-gate; return nil }}, gate
}

var errDisk = fmt.Errorf("%w: disk full", event.ErrUnavailable)

func TestPutReturnsOnlyAfterTheCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s})
		done := put(t.Context(), w, entry("a"))
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("put returned %v before the commit", err)
		default:
		}
		gate <- struct{}{}
		if err := <-done; err != nil {
			t.Error("put:", err)
		}
	})
}

func TestWhatGathersDuringACommitGoesIntoTheNextTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s})
		var done []<-chan error
		for i := range 700 {
			done = append(done, put(t.Context(), w, entry("a")))
			if i == 0 {
				synctest.Wait() // the first is on its way to the disk
			}
		}
		synctest.Wait()
		close(gate)
		for _, d := range done {
			if err := <-d; err != nil {
				t.Error("put:", err)
			}
		}
		if diff := cmp.Diff([]int{1, 512, 187}, s.sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestCommittedIsToldOfNewDeliveriesBeforeThePutReturns(t *testing.T) {
	dup, empty, fresh := entry("a"), entry(), entry("a")
	s := &fakeStore{fail: func(*outbox.Batch) error { dup.Duplicate = true; return nil }}
	var told []*outbox.Entry // read after the Put: what it saw, it saw before
	w, _ := run(t, outbox.WriterConfig{Store: s, Committed: func(entries []*outbox.Entry) {
		if !s.has(entries[0]) {
			t.Error("told before the commit")
		}
		told = append(told, entries...)
	}})
	for _, e := range []*outbox.Entry{dup, empty, fresh} {
		if err := w.Put(t.Context(), e); err != nil {
			t.Error("put:", err)
		}
	}
	if len(told) != 1 || told[0] != fresh {
		t.Errorf("told of %d entries, want the one that is new and has deliveries", len(told))
	}
}

func TestFailingStoreRefusesEventsAndKeepsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var works atomic.Bool
		s := &fakeStore{fail: func(*outbox.Batch) error {
			if !works.Load() {
				return errDisk
			}
			return nil
		}}
		var log strings.Builder
		w, _ := run(t, outbox.WriterConfig{Store: s, Log: logTo(&log)})
		var ends []error
		for i := range 3 {
			w.Record(outbox.Attempt{Number: i}, func(err error) { ends = append(ends, err) })
		}
		for range 5 {
			err := w.Put(t.Context(), entry("a"))
			if !errors.Is(err, event.ErrUnavailable) || errors.Is(err, outbox.ErrUncertain) {
				t.Errorf("put: %v, want event.ErrUnavailable and nothing uncertain", err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(ends) > 0 {
			t.Errorf("the ends of attempts were reported while the store failed: %v", ends)
		}
		works.Store(true)
		time.Sleep(time.Second) // the longest back-off
		synctest.Wait()
		if diff := cmp.Diff([]int{0, 1, 2}, s.numbers()); diff != "" {
			t.Errorf("attempts recorded (-want +got):\n%s", diff)
		}
		if len(ends) != 3 || errors.Join(ends...) != nil {
			t.Errorf("ends reported: %v, want three successes", ends)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d log lines, want one for the failure and one for its end:\n%s", n, log.String())
		}
	})
}

func TestNextPutTriesTheStoreAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var works atomic.Bool
		s := &fakeStore{fail: func(*outbox.Batch) error {
			if !works.Load() {
				return errDisk
			}
			return nil
		}}
		w, _ := run(t, outbox.WriterConfig{Store: s})
		recorded := make(chan time.Time, 1)
		w.Record(outbox.Attempt{}, func(error) { recorded <- time.Now() })
		time.Sleep(time.Minute) // the back-off is at its longest
		works.Store(true)
		began := time.Now()
		if err := w.Put(t.Context(), entry()); err != nil {
			t.Error("put:", err)
		}
		if waited := (<-recorded).Sub(began); waited != 0 {
			t.Errorf("the kept attempt waited %v for a commit that took place at once", waited)
		}
	})
}

func TestOneBadEntryHarmsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, first := entry("a"), true
		gate := make(chan struct{})
		s := &fakeStore{fail: func(b *outbox.Batch) error {
			if first {
				first = false
				<-gate
				return nil
			}
			if slices.Contains(b.Entries, bad) || slices.ContainsFunc(b.Attempts, func(a outbox.Attempt) bool { return a.Number == 13 }) {
				return errors.New("constraint failed")
			}
			return nil
		}}
		w, _ := run(t, outbox.WriterConfig{Store: s})
		start := put(t.Context(), w, entry())
		synctest.Wait()
		var good []*outbox.Entry
		var done []<-chan error
		var wrong <-chan error
		for i := range 20 {
			good = append(good, entry("a"))
			done = append(done, put(t.Context(), w, good[i]))
			if i == 7 {
				wrong = put(t.Context(), w, bad)
			}
		}
		ends := map[int]error{}
		for i := range 20 {
			w.Record(outbox.Attempt{Number: i}, func(err error) { ends[i] = err })
		}
		refused := make(chan error, 1)
		go func() { refused <- w.Refuse(t.Context(), &event.Refused{}) }()
		synctest.Wait()
		close(gate)
		for i, d := range append(done, start, refused) {
			if err := <-d; err != nil {
				t.Errorf("put %d: %v", i, err)
			}
		}
		if err := <-wrong; !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("the bad one: %v, want event.ErrUnavailable", err)
		}
		synctest.Wait()
		for i := range 20 {
			if !s.has(good[i]) {
				t.Errorf("entry %d is not stored", i)
			}
			if err, told := ends[i]; !told || (err != nil) != (i == 13) {
				t.Errorf("attempt %d: told %v (%v)", i, told, err)
			}
		}
		if len(s.attempts) != 19 || len(s.refused) != 1 || s.has(bad) {
			t.Errorf("%d attempts and %d refused stored, bad one stored: %v", len(s.attempts), len(s.refused), s.has(bad))
		}
	})
}

func TestPutWhoseContextEndsInTheQueueStoresNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s})
		first := put(t.Context(), w, entry())
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		e := entry("a")
		second, third := put(ctx, w, e), put(t.Context(), w, entry())
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, event.ErrUnavailable) || !errors.Is(err, context.Canceled) || errors.Is(err, outbox.ErrUncertain) {
			t.Errorf("put: %v, want event.ErrUnavailable for the end of the context, and nothing uncertain", err)
		}
		close(gate)
		if err := errors.Join(<-first, <-third); err != nil {
			t.Error("put:", err)
		}
		if s.has(e) {
			t.Error("an entry is stored whose Put said that it is not")
		}
	})
}

func TestPutWhoseContextEndsDuringTheCommitIsUncertain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		var told int
		w, _ := run(t, outbox.WriterConfig{Store: s, Committed: func(entries []*outbox.Entry) { told += len(entries) }})
		ctx, cancel := context.WithCancel(t.Context())
		e := entry("a")
		done := put(ctx, w, e)
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, event.ErrUnavailable) || !errors.Is(err, outbox.ErrUncertain) {
			t.Errorf("put: %v, want event.ErrUnavailable with outbox.ErrUncertain", err)
		}
		close(gate)
		synctest.Wait()
		if !s.has(e) || told != 1 {
			t.Errorf("stored: %v, handed on %d times; its deliveries must be made", s.has(e), told)
		}
		if err := w.Put(t.Context(), entry()); err != nil { // nothing is left of the answer nobody waited for
			t.Error("the next put:", err)
		}
	})
}

func TestCommitThatTakesTooLongRefusesAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s})
		began := time.Now()
		inBatch := put(t.Context(), w, entry())
		synctest.Wait()
		inQueue := put(t.Context(), w, entry())
		if err := <-inBatch; !errors.Is(err, outbox.ErrUncertain) || !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("in the batch: %v, want outbox.ErrUncertain", err)
		}
		if err := <-inQueue; !errors.Is(err, event.ErrUnavailable) || errors.Is(err, outbox.ErrUncertain) {
			t.Errorf("in the queue: %v, want event.ErrUnavailable and nothing uncertain", err)
		}
		if waited := time.Since(began); waited != 10*time.Second {
			t.Errorf("refused after %v, want 10s", waited)
		}
		began = time.Now()
		if err := w.Put(t.Context(), entry()); !errors.Is(err, event.ErrUnavailable) || time.Since(began) > 0 {
			t.Errorf("later: %v after %v, want event.ErrUnavailable at once", err, time.Since(began))
		}
		close(gate)
		synctest.Wait()
		if err := w.Put(t.Context(), entry()); err != nil {
			t.Error("when the commit is over:", err)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s, Queue: 2})
		done := []<-chan error{put(t.Context(), w, entry())}
		synctest.Wait()
		done = append(done, put(t.Context(), w, entry()), put(t.Context(), w, entry()))
		synctest.Wait()
		if err := w.Put(t.Context(), entry()); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("put: %v, want event.ErrUnavailable", err)
		}
		close(gate)
		for _, d := range done {
			if err := <-d; err != nil {
				t.Error("put:", err)
			}
		}
	})
}

func TestFullRefusesOnlyEventsWithDeliveries(t *testing.T) {
	w, _ := run(t, outbox.WriterConfig{Store: &fakeStore{}, Full: func() bool { return true }})
	if err := w.Put(t.Context(), entry("a")); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("with a delivery: %v, want event.ErrUnavailable", err)
	}
	if err := w.Put(t.Context(), entry()); err != nil {
		t.Error("without:", err)
	}
}

func TestRunCommitsWhatIsQueuedBeforeItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, stop := run(t, outbox.WriterConfig{Store: s})
		done := []<-chan error{put(t.Context(), w, entry())}
		synctest.Wait()
		for range 600 {
			done = append(done, put(t.Context(), w, entry()))
		}
		recorded := make(chan error, 1)
		w.Record(outbox.Attempt{}, func(err error) { recorded <- err })
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- stop() }()
		synctest.Wait()
		close(gate)
		for _, d := range append(done, recorded, ended) {
			if err := <-d; err != nil {
				t.Error(err)
			}
		}
		if err := w.Put(t.Context(), entry()); !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("put after the end: %v, want event.ErrUnavailable", err)
		}
		w.Record(outbox.Attempt{}, func(err error) { recorded <- err })
		if err := <-recorded; !errors.Is(err, event.ErrUnavailable) {
			t.Errorf("record after the end: %v, want event.ErrUnavailable", err)
		}
	})
}

func TestRunSaysWhatItCouldNotRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &fakeStore{fail: func(*outbox.Batch) error { return errDisk }}
		w, stop := run(t, outbox.WriterConfig{Store: s})
		recorded := make(chan error, 2)
		for range 2 {
			w.Record(outbox.Attempt{}, func(err error) { recorded <- err })
		}
		synctest.Wait()
		if err := stop(); !errors.Is(err, event.ErrUnavailable) || !strings.Contains(err.Error(), "2 ends") {
			t.Errorf("run: %v, want to hear of two ends of deliveries", err)
		}
		for range 2 {
			if err := <-recorded; !errors.Is(err, event.ErrUnavailable) {
				t.Errorf("recorded: %v, want event.ErrUnavailable", err)
			}
		}
	})
}

func TestRecordNeverBlocksAndKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s})
		const n = 100_000
		var want []int
		for i := range n {
			w.Record(outbox.Attempt{Number: i}, nil)
			want = append(want, i)
		}
		close(gate)
		synctest.Wait()
		if diff := cmp.Diff(want, s.numbers()); diff != "" {
			t.Errorf("attempts out of order: %.200s", diff)
		}
	})
}

func TestEveryPutIsToldTheTruthWhenContextsEndAtRandom(t *testing.T) {
	turn := 0
	s := &fakeStore{fail: func(*outbox.Batch) error {
		if turn++; turn%5 == 0 {
			return errDisk
		}
		return nil
	}}
	w, stop := run(t, outbox.WriterConfig{Store: s, Queue: 16})
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			for i := range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if (g+i)%3 == 0 {
					go cancel()
				}
				e := entry("a")
				err := w.Put(ctx, e)
				cancel()
				if stored := s.has(e); !errors.Is(err, outbox.ErrUncertain) && stored != (err == nil) {
					t.Errorf("stored: %v, and Put said %v", stored, err)
				}
				w.Record(outbox.Attempt{}, nil)
			}
		})
	}
	wg.Wait()
	if err := stop(); err != nil && turn%5 != 0 {
		t.Error("run:", err)
	}
	if len(s.attempts) != 32*200 {
		t.Errorf("%d attempts recorded, want %d", len(s.attempts), 32*200)
	}
}

func TestCommitsAreMeasured(t *testing.T) {
	reg := prometheus.NewRegistry()
	w, stop := run(t, outbox.WriterConfig{Store: &fakeStore{}, Metrics: reg})
	if err := w.Put(t.Context(), entry()); err != nil {
		t.Error("put:", err)
	}
	if err := stop(); err != nil {
		t.Error("run:", err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]uint64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetHistogram().GetSampleCount()
	}
	if diff := cmp.Diff(map[string]uint64{"relay_commit_seconds": 1, "relay_commit_events": 1}, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}
