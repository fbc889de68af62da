package dispatch

import (
	"context"
	"math"
	"time"

	"invitation-relay/relay/outbox"
)

// claimed is what a claim brought that the lane does not have in memory.
type claimed struct {
	rows   []outbox.Pending
	hashes []uint64 // of their keys, when the lane has an order
	by     *keyer   // whose hashes they are
	found  int      // rows, also those left out
	mine   bool     // some were left out because the lane has them
	tried  bool     // all were tried before
	last   int64    // greatest Seq of those never tried, also of those left out
	full   bool     // there may be more
	next   time.Time
}

// hash is that of the row's key, 0 for none.
func (c *claimed) hash(i int) uint64 {
	if c.hashes == nil {
		return 0
	}
	return c.hashes[i]
}

// claim reads from the store. Rows that the lane has in memory, and rows that
// left memory while the store was being read, are left out: what was read of
// them is out of date. use is called with mu held.
func (l *lane) claim(ctx context.Context, q outbox.Query, use func(c claimed)) error {
	l.mu.Lock()
	l.left = map[outbox.Key]struct{}{}
	l.mu.Unlock()
	due, next, err := l.d.cfg.Store.Claim(ctx, q)
	by := l.keyer.Load()
	hashes := by.hashes(due, l.d.cfg.Decode)

	l.mu.Lock()
	defer l.mu.Unlock()
	c := claimed{
		rows: due[:0], hashes: hashes[:0], by: by,
		found: len(due), tried: q.AfterSeq == math.MaxInt64, full: len(due) >= q.Limit, next: next,
	}
	for i, p := range due {
		if p.Attempts == 0 {
			c.last = max(c.last, p.Key.Event.Seq())
		}
		_, mine := l.keys[p.Key]
		_, left := l.left[p.Key]
		c.mine = c.mine || mine
		if mine || left {
			continue
		}
		c.rows = append(c.rows, p)
		if by != nil {
			c.hashes = append(c.hashes, hashes[i])
		}
	}
	l.left = nil
	if err == nil {
		use(c)
	}
	return err
}

// query begins a job with the store: what to ask it, or false when a reload
// came in between. It returns with mu held when true.
func (l *lane) query() (q outbox.Query, now time.Time, ok bool) {
	l.mu.Lock()
	if l.spec == nil {
		l.mu.Unlock()
		return q, now, false
	}
	now = l.d.now()
	return outbox.Query{Addresses: l.spec.addresses, DueBy: now}, now, true
}

// enqueue queues claimed deliveries as far as there is room, but at least one,
// and says how many it has seen to: those that must wait for others stay on
// disk. A hold or a reload may have come in between: then none.
func (l *lane) enqueue(c *claimed) (n int) {
	if !l.live || l.spec == nil || l.held() || !l.knows(c) {
		return 0
	}
	for ; n < len(c.rows); n++ {
		p := &c.rows[n]
		it := newItem(*p)
		if n > 0 && !l.fits(it) || !l.spec.has(p.Key.Address) {
			break
		}
		tried := c.tried || p.Attempts > 0
		if l.order != nil && !tried && p.Key.Event.Seq() > l.after {
			break // an earlier one was committed meanwhile
		}
		switch {
		case l.admit(c.hash(n), p):
			l.push(it)
		case tried:
			l.putOff(p)
		}
	}
	l.startWorkers()
	return n
}

// claimRetries fetches deliveries whose next attempt is due, in batches: not
// before a fraction of the schedule's first delay has passed since the last time.
func (l *lane) claimRetries(ctx context.Context) error {
	q, _, ok := l.query()
	if !ok {
		return nil
	}
	q.Limit = l.room() + l.tried + 1
	q.AfterSeq = math.MaxInt64 // none of those never tried
	gap := min(max(l.spec.Retry.Initial/4, 10*time.Millisecond), time.Second)
	l.nextRetry = time.Time{} // commits during the claim set it
	l.mu.Unlock()

	err := l.claim(ctx, q, func(c claimed) {
		now := l.d.now() // the clock may have been set back meanwhile
		if n := l.enqueue(&c); c.full || n < len(c.rows) {
			l.nextRetry = now
			return
		}
		l.nextRetry = earlier(l.nextRetry, c.next)
		l.retryGate = now.Add(gap)
	})
	if err != nil {
		l.mu.Lock()
		l.nextRetry = earlier(l.nextRetry, l.d.now())
		l.mu.Unlock()
	}
	return err
}

// claimFresh fetches deliveries never tried, in the order of their events, and
// after them retries that are due. Offers that come meanwhile move after back.
func (l *lane) claimFresh(ctx context.Context) error {
	q, _, ok := l.query()
	if !ok {
		return nil
	}
	q.Limit = l.room() + l.tried + 1
	q.AfterSeq = max(0, l.after)
	before := l.after
	l.after, l.filling = caughtUp, true
	l.mu.Unlock()

	err := l.claim(ctx, q, func(c claimed) {
		n := l.enqueue(&c)
		switch {
		case n < len(c.rows):
			l.nextRetry = l.d.now()
			if p := &c.rows[n]; p.Attempts == 0 {
				l.after = min(l.after, p.Key.Event.Seq()-1)
			}
		case c.full || c.last > q.AfterSeq: // caught up when there is nothing more: damaged rows may be missing
			l.after = min(l.after, max(q.AfterSeq, c.last))
		default:
			l.nextRetry = earlier(l.nextRetry, c.next)
		}
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.filling = false
	if err != nil {
		l.after = min(l.after, before)
	}
	return err
}

// pullForward makes the next batch of waiting deliveries due at once.
func (l *lane) pullForward(ctx context.Context) error {
	q, now, ok := l.query()
	if !ok {
		return nil
	}
	limit := min(l.pull, advanceBatch)
	l.mu.Unlock()
	n, err := l.d.cfg.Store.Advance(ctx, q.Addresses, now, limit)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pull -= n; n < limit {
		l.pull = 0
	}
	if n > 0 {
		l.nextRetry, l.retryGate = l.d.now(), time.Time{}
	}
	return nil
}

// whenever is a DueBy that every next attempt is before, and that is still a
// date in nanoseconds.
func whenever(now time.Time) time.Time { return now.AddDate(100, 0, 0) }
