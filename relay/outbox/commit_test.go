package outbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

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
			w.Record(outbox.Attempt{Number: i}, true, func(err error) { ends = append(ends, err) })
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
		w.Record(outbox.Attempt{}, true, func(error) { recorded <- time.Now() })
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
			w.Record(outbox.Attempt{Number: i}, true, func(err error) { ends[i] = err })
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
		w.Record(outbox.Attempt{}, true, func(err error) { recorded <- err })
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
		w.Record(outbox.Attempt{}, true, func(err error) { recorded <- err })
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
			w.Record(outbox.Attempt{}, true, func(err error) { recorded <- err })
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

func TestAnEndThatNothingWaitsForSharesTheCommitOfTheNextEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits []string
		s := &fakeStore{fail: func(b *outbox.Batch) error {
			commits = append(commits, fmt.Sprintf("%d+%d", len(b.Entries), len(b.Attempts)))
			return nil
		}}
		w, stop := run(t, outbox.WriterConfig{Store: s})
		recorded := make(chan time.Time, 1)
		record := func(soon bool) time.Duration {
			begun := time.Now()
			w.Record(outbox.Attempt{}, soon, func(error) { recorded <- time.Now() })
			return (<-recorded).Sub(begun)
		}
		if took := record(true); took != 0 {
			t.Errorf("an end that something waits for was committed after %v, want at once", took)
		}
		if took := record(false); took != 5*time.Millisecond {
			t.Errorf("an end alone was committed after %v, want 5ms", took)
		}
		for range 3 { // more of them do not put it off
			w.Record(outbox.Attempt{}, false, nil)
			time.Sleep(2 * time.Millisecond)
		}
		synctest.Wait()
		w.Record(outbox.Attempt{}, false, nil)
		if err := w.Put(t.Context(), entry()); err != nil {
			t.Error("put:", err)
		}
		w.Record(outbox.Attempt{}, false, nil)
		if err := stop(); err != nil {
			t.Error("run:", err)
		}
		if diff := cmp.Diff([]string{"0+1", "0+1", "0+3", "1+1", "0+1"}, commits); diff != "" {
			t.Errorf("events+ends of each commit (-want +got):\n%s", diff)
		}
	})
}
