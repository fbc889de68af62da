package outbox_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

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

func TestRecordNeverBlocksAndKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, gate := gated()
		w, _ := run(t, outbox.WriterConfig{Store: s})
		const n = 100_000
		var want []int
		for i := range n {
			w.Record(outbox.Attempt{Number: i}, true, nil)
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
				w.Record(outbox.Attempt{}, true, nil)
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

func TestAlarmIsTakenWhenTooManyDeliveriesWait(t *testing.T) {
	store := &fakeStore{}
	w, _ := run(t, outbox.WriterConfig{Store: store, Full: func() bool { return true }})
	if err := w.Put(t.Context(), entry("a")); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("an event: %v", err)
	}
	alarm := &outbox.Entry{Event: &event.Event{Kind: event.Alarm}, To: []outbox.Address{"a"}}
	if err := w.Put(t.Context(), alarm); err != nil || !store.has(alarm) {
		t.Errorf("an alarm, which may say so: %v", err)
	}
}
