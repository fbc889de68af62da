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
	company    = 5 * time.Millisecond  // how long an end may wait for a commit it can share
	minBackoff = 50 * time.Millisecond // between tries to record attempts alone
	maxBackoff = time.Second
	lastTries  = 4 // to record what is left when Run ends
)

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
