package outbox

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"invitation-relay/relay/event"
)

const (
	maxRequests = 512  // in one commit: enough for the cost of the fsync to vanish
	maxAttempts = 1024 // in one commit

	company    = 5 * time.Millisecond  // how long an end may wait for a commit it can share
	minBackoff = 50 * time.Millisecond // between tries to record attempts alone
	maxBackoff = time.Second
	lastTries  = 4 // to record what is left when Run ends
)

// batch is a Batch and who waits for it.
type batch struct {
	Batch
	puts     []*request // of Entries, one by one
	refusals []*request // of Refused
	dones    []func(error)
}

func (b *batch) size() int { return len(b.Entries) + len(b.Attempts) + len(b.Refused) }

// split cuts a batch of two or more in two, the attempts in their order.
func (b *batch) split() (left, right *batch) {
	left, right = &batch{}, &batch{}
	left.KeepRefused, right.KeepRefused = b.KeepRefused, b.KeepRefused
	e, a, r := len(b.Entries), len(b.Attempts), len(b.Refused)
	switch { // different things are parted first
	case a > 0 && e+r > 0:
		e, r = 0, 0
	case e > 0 && r > 0:
		r = 0
	default:
		e, a, r = (e+1)/2, (a+1)/2, (r+1)/2
	}
	left.Entries, right.Entries = b.Entries[:e], b.Entries[e:]
	left.puts, right.puts = b.puts[:e], b.puts[e:]
	left.Attempts, right.Attempts = b.Attempts[:a], b.Attempts[a:]
	left.dones, right.dones = b.dones[:a], b.dones[a:]
	left.Refused, right.Refused = b.Refused[:r], b.Refused[r:]
	left.refusals, right.refusals = b.refusals[:r], b.refusals[r:]
	return left, right
}

// Run commits until ctx ends, then what is queued, and returns. Puts are
// refused from then on. The error says what could not be recorded: those
// deliveries will be made again. Run is called once.
func (w *Writer) Run(ctx context.Context) error {
	watch := time.AfterFunc(time.Hour, w.stall)
	watch.Stop()
	again := time.NewTimer(0) // to record what could not be, or waits for company
	defer again.Stop()
	backoff, armed := time.Duration(0), true
	for {
		select {
		case <-w.wake:
			if !w.hurried() {
				if !armed {
					again.Reset(company)
					armed = true
				}
				continue
			}
		case <-again.C:
		case <-ctx.Done():
			return w.drain(context.WithoutCancel(ctx), watch)
		}
		if w.rounds(ctx, watch) == nil {
			again.Stop()
			backoff, armed = 0, false
			continue
		}
		backoff = min(max(2*backoff, minBackoff), maxBackoff)
		again.Reset(backoff)
		armed = true
	}
}

// hurried reports whether something that is queued is to be committed at once.
func (w *Writer) hurried() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.soon || w.closed
}

// rounds commits what is queued, and batch after batch until nothing is in a
// hurry, or the store fails and only attempts are left: then it returns the
// failure.
func (w *Writer) rounds(ctx context.Context, watch *time.Timer) error {
	for {
		runtime.Gosched() // requests that have arrived get into this commit and not the next; nothing to run, nothing lost
		b := w.take()
		if b.size() == 0 {
			return nil
		}
		settled, err := w.write(context.WithoutCancel(ctx), b, watch)
		requests := w.settle(settled)
		w.report(err)
		if err != nil && requests == 0 {
			return err
		}
		if ctx.Err() != nil || !w.hurried() {
			return nil // Run drains, or waits
		}
	}
}

// drain commits what is left, and gives up what the store does not take.
func (w *Writer) drain(ctx context.Context, watch *time.Timer) error {
	w.mu.Lock()
	w.refusal, w.closed = errClosed, true
	w.mu.Unlock()

	var err error
	for try := range lastTries {
		if try > 0 {
			time.Sleep(minBackoff << try)
		}
		if err = w.rounds(ctx, watch); err == nil {
			return nil
		}
	}
	for _, done := range w.dones[w.head:] {
		if done != nil {
			done(errClosed)
		}
	}
	return fmt.Errorf("record %d ends of deliveries: %w", len(w.attempts)-w.head, err)
}

// take moves what is queued into the batch. The attempts stay where they are
// until they are settled: the batch only looks at them.
func (w *Writer) take() *batch {
	b := &w.batch
	b.Entries, b.puts = b.Entries[:0], b.puts[:0]
	b.Refused, b.refusals = b.Refused[:0], b.refusals[:0]
	b.KeepRefused = w.cfg.KeepRefused

	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for ; n < len(w.requests) && len(b.puts)+len(b.refusals) < maxRequests; n++ {
		switch r := w.requests[n]; {
		case !r.state.CompareAndSwap(queued, taken): // nobody waits for it any more
		case r.entry != nil:
			b.Entries, b.puts = append(b.Entries, r.entry), append(b.puts, r)
		default:
			b.Refused, b.refusals = append(b.Refused, r.refused), append(b.refusals, r)
		}
	}
	rest := copy(w.requests, w.requests[n:])
	clear(w.requests[rest:])
	w.requests = w.requests[:rest]

	end := min(len(w.attempts), w.head+maxAttempts)
	w.soon = rest > 0 || end < len(w.attempts)
	b.Attempts, b.dones = w.attempts[w.head:end:end], w.dones[w.head:end:end]
	return b
}

// settle lets go of the first n attempts, whose ends are known, and says how
// many requests wait.
func (w *Writer) settle(n int) (requests int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.attempts[w.head : w.head+n])
	clear(w.dones[w.head : w.head+n])
	w.head += n
	switch left := len(w.attempts) - w.head; {
	case left == 0 && cap(w.attempts) > 64*maxAttempts: // grown while the store failed
		w.attempts, w.dones, w.head = nil, nil, 0
	case w.head > maxAttempts && w.head > left, left == 0:
		copy(w.attempts, w.attempts[w.head:])
		copy(w.dones, w.dones[w.head:])
		clear(w.attempts[left:])
		clear(w.dones[left:])
		w.attempts, w.dones, w.head = w.attempts[:left], w.dones[:left], 0
	}
	return len(w.requests)
}

// write commits the batch and answers who waits for it. It returns how many of
// its attempts are settled, and the error when the store could not be written:
// then the other attempts are kept. When something in the batch is at fault,
// it is found by halving, so that the rest does not suffer.
func (w *Writer) write(ctx context.Context, b *batch, watch *time.Timer) (settled int, err error) {
	err = w.commit(ctx, &b.Batch, watch)
	switch {
	case err == nil:
		w.announce(b.Entries)
		answer(b, nil)
		return w.done(b, nil), nil
	case errors.Is(err, event.ErrUnavailable):
		answer(b, err)
		return 0, err
	case b.size() == 1:
		w.log.Error("refused by the store", "err", err)
		answer(b, unavailable(err))
		return w.done(b, err), nil
	}
	left, right := b.split()
	if settled, err = w.write(ctx, left, watch); err != nil {
		answer(right, err)
		return settled, err
	}
	more, err := w.write(ctx, right, watch)
	return settled + more, err
}

// commit is one Store.Write, watched and measured.
func (w *Writer) commit(ctx context.Context, b *Batch, watch *time.Timer) error {
	began := time.Now()
	w.mu.Lock()
	w.began = began
	w.mu.Unlock()
	watch.Reset(w.cfg.Patience)

	err := w.cfg.Store.Write(ctx, b)

	watch.Stop()
	w.mu.Lock()
	w.began = time.Time{}
	if errors.Is(w.refusal, errStalled) {
		w.refusal, w.stalled = nil, make(chan struct{})
		if w.closed {
			w.refusal = errClosed
		}
	}
	w.mu.Unlock()
	w.seconds.Observe(time.Since(began).Seconds())
	if err == nil && len(b.Entries) > 0 {
		w.events.Observe(float64(len(b.Entries)))
	}
	return err
}

// stall refuses all who wait and all who come, until the commit under way is
// over: better a sender who repeats than a queue that grows.
func (w *Writer) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.began.IsZero() || time.Since(w.began) < w.cfg.Patience || errors.Is(w.refusal, errStalled) {
		return // the commit ended just now
	}
	w.refusal = errStalled
	close(w.stalled)
	w.log.Error("a commit takes too long: events are refused until it ends", "patience", w.cfg.Patience)
}

// announce tells Committed what is new and has deliveries.
func (w *Writer) announce(entries []*Entry) {
	if w.cfg.Committed == nil {
		return
	}
	news := w.committed[:0]
	for _, e := range entries {
		if !e.Duplicate && len(e.To) > 0 {
			news = append(news, e)
		}
	}
	if len(news) > 0 {
		w.cfg.Committed(news)
	}
	clear(news)
	w.committed = news
}

// answer ends the waiting of the batch's requests. After it they are not ours.
func answer(b *batch, err error) {
	for _, r := range b.puts {
		r.done <- err
	}
	for _, r := range b.refusals {
		r.done <- err
	}
	clear(b.Entries)
	clear(b.puts)
	clear(b.Refused)
	clear(b.refusals)
}

// done tells who recorded the batch's attempts, and says how many those are.
func (w *Writer) done(b *batch, err error) int {
	for _, done := range b.dones {
		if done != nil {
			done(err)
		}
	}
	return len(b.dones)
}

// report logs when the store begins to fail and when it works again, not each
// failure: there may be thousands a second.
func (w *Writer) report(err error) {
	switch {
	case err != nil && w.failing.IsZero():
		w.failing = time.Now()
		w.log.Error("the store takes no writes: events are refused", "err", err)
	case err == nil && !w.failing.IsZero():
		w.log.Info("the store takes writes again", "after", time.Since(w.failing).Round(time.Millisecond))
		w.failing = time.Time{}
	}
}
