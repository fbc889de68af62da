package dispatch

import (
	"context"
	"hash/maphash"
	"math"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// reasonBehind is why a delivery that was due is put off: an operator sees it,
// and so does the next start, which need not wait for the time it was put off to.
const reasonBehind = "waits for an earlier delivery with the same key (ordered_by)"

// setOrder puts the order of a new spec in force. What is known of the old one
// stays when the key is the same; else everything that waits is looked at again.
func (l *lane) setOrder(old, to *spec, sameAddresses bool) {
	switch {
	case to == nil || to.Order == nil:
		if l.order != nil {
			l.dropQueue()
			l.lookAgain() // it knew of some that nothing else knows of
		}
		l.order = nil
		l.keyer.Store(nil)
		return
	case l.order != nil && old != nil && sameAddresses && to.OrderedBy != "" && old.OrderedBy == to.OrderedBy:
		l.order.key = &keyer{of: to.Order, seed: l.order.key.seed}
	default:
		l.dropQueue()
		l.lookAgain()
		l.order = newOrder(&keyer{of: to.Order, seed: maphash.MakeSeed()})
	}
	l.keyer.Store(l.order.key)
}

// hash is of a delivery that is offered, with the keyer it is by. Called without
// mu, for it takes a while.
func (l *lane) hash(ev *event.Event, a outbox.Address) (h uint64, by *keyer) {
	if by = l.keyer.Load(); by == nil {
		return 0, nil
	}
	if ev, err := decoded(ev, l.d.cfg.Decode); err == nil {
		h = by.hash(ev, a)
	}
	return h, by
}

// unordered reports whether the lane cannot tell yet what a delivery that was
// hashed by a keyer has to wait for.
func (l *lane) unordered(by *keyer) bool {
	return l.order != nil && (!l.order.ready || l.order.key != by)
}

// admit lets a delivery in and reports whether it may be tried now. If not, it
// stays on disk until its turn comes.
func (l *lane) admit(h uint64, p *outbox.Pending) bool {
	if l.order == nil {
		return true
	}
	r := refOf(p.Key)
	l.order.newest = max(l.order.newest, r.seq)
	l.order.join(h, r)
	if l.order.free(r) {
		return true
	}
	l.oldest = earlier(l.oldest, p.CreatedAt)
	return false
}

// mayStart reports whether nothing goes before a delivery. One that was queued
// may have been overtaken by an earlier event whose commit came later.
func (l *lane) mayStart(k outbox.Key) bool { return l.order == nil || l.order.free(refOf(k)) }

// started notes that a delivery is being tried.
func (l *lane) started(k outbox.Key) {
	if l.order != nil {
		l.order.begin(refOf(k))
	}
}

// park leaves a queued delivery on disk until its turn comes.
func (l *lane) park(it item) {
	l.release(it.Key)
	l.bytes -= it.size
	l.oldest = earlier(l.oldest, it.CreatedAt)
}

// putOff has the clerk record that a delivery which is due waits for another:
// claims would find it again and again.
func (l *lane) putOff(p *outbox.Pending) {
	now, retry := l.d.now(), l.spec.Retry
	until := now.Add(max(retry.Max, firstProbe))
	if deadline := l.d.deadline(p, retry.MaxAge, now); retry.MaxAge > 0 && until.After(deadline) {
		until = later(deadline, now.Add(firstProbe))
	}
	l.take(p)
	l.ending++
	l.off = append(l.off, &ending{l: l, created: p.CreatedAt.UnixNano(), kind: p.Event.Kind, a: outbox.Attempt{
		Key: p.Key, Number: p.Attempts, At: now, Reason: reasonBehind, Tries: 1, State: event.Pending, NextAt: until,
	}})
}

// recordPutOff records what putOff has gathered. Called without mu.
func (l *lane) recordPutOff() {
	l.mu.Lock()
	all := l.off
	l.off = nil
	l.mu.Unlock()
	for _, e := range all {
		l.d.record(e)
	}
}

// learn reads a page of what was tried before and is pending, so that the order
// knows it before anything starts.
func (l *lane) learn(ctx context.Context) error {
	q, now, ok := l.query()
	if !ok {
		return nil
	}
	o := l.order
	if o == nil {
		l.mu.Unlock()
		return nil
	}
	q.DueBy, q.Limit = whenever(now), claimBatch+len(q.Addresses)+len(l.keys)
	q.AfterSeq, q.TriedAfter, q.BeforeSeq = math.MaxInt64, o.learnt, math.MaxInt64-1
	doubts := o.doubts
	l.mu.Unlock()
	return l.claim(ctx, q, func(c claimed) {
		if !l.knows(&c) || o.doubts != doubts {
			return
		}
		for i := range c.rows {
			p := &c.rows[i]
			r := refOf(p.Key)
			o.join(c.hash(i), r)
			if p.Reason == reasonBehind {
				o.turn[r] = struct{}{}
			}
			o.learnt = max(o.learnt, r.seq-1) // the event may go on in the next page
		}
		if c.full {
			return
		}
		o.ready = true
		for r := range o.turn {
			if !o.free(r) {
				delete(o.turn, r)
			}
		}
		l.startWorkers()
	})
}

// claimTurn fetches a delivery that waits on disk for another that has ended.
func (l *lane) claimTurn(ctx context.Context) error {
	q, now, ok := l.query()
	if !ok {
		return nil
	}
	next, ok := l.nextTurn(&q)
	l.mu.Unlock()
	if !ok {
		return nil
	}
	q.DueBy = whenever(now)
	return l.claim(ctx, q, func(c claimed) {
		if !l.live || l.held() || !l.knows(&c) || !l.stillTurn(next, &c) {
			return
		}
		delete(l.order.turn, next)
		it := newItem(c.rows[0])
		it.turn = true
		l.push(it)
		l.startWorkers()
	})
}

// nextTurn asks for one of those whose turn has come.
func (l *lane) nextTurn(q *outbox.Query) (next ref, ok bool) {
	if l.order == nil {
		return next, false
	}
	for next = range l.order.turn {
		q.Addresses, q.Limit = []outbox.Address{next.address}, 1
		q.AfterSeq, q.TriedAfter, q.BeforeSeq = next.seq-1, next.seq-1, next.seq+1
		return next, true
	}
	return next, false
}

// stillTurn reports whether a claim has brought the delivery whose turn it is.
func (l *lane) stillTurn(next ref, c *claimed) bool {
	o := l.order
	if o == nil {
		return false // a reload has taken it away
	}
	if _, ok := o.turn[next]; !ok {
		return false
	}
	switch {
	case c.found == 0:
		// Its row is damaged, so it cannot be made, and is in no order.
		o.ended(next, false)
		return false
	case len(c.rows) == 0:
		if c.mine {
			delete(o.turn, next) // it is in memory, or what is being recorded of it brings its turn again
		}
		return false
	case !o.free(next):
		delete(o.turn, next) // an earlier one has come
		return false
	}
	return true
}

// knows reports whether what was claimed is keyed by the order in force.
func (l *lane) knows(c *claimed) bool { return l.order == nil || l.order.key == c.by }

// behind is how many deliveries wait on disk for their turn.
func (l *lane) behind() int {
	if l.order == nil {
		return 0
	}
	n := len(l.order.known)
	for k := range l.keys {
		if _, ok := l.order.known[refOf(k)]; ok {
			n--
		}
	}
	return n
}
