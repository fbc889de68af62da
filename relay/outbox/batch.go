package outbox

const (
	maxRequests = 512  // in one commit: enough for the cost of the fsync to vanish
	maxAttempts = 1024 // in one commit
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
