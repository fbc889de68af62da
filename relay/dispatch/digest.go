package dispatch

import (
	"cmp"
	"slices"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// reasonApart follows the reason of a digest that was rejected.
const reasonApart = "; it was sent in one message with others, and is now tried by itself"

// collection is the deliveries to one address that will leave together.
type collection struct {
	queue
	due time.Time // they leave now, if they have not been Max before
}

// digester is the target of a lane that puts deliveries together; nil: it does
// not, or there is nothing to put together.
func digester(ln *Lane) target.Digester {
	to, ok := ln.Target.(target.Digester)
	if !ok || ln.Digest.Every <= 0 || ln.Digest.Max < 2 {
		return nil
	}
	return to
}

// collects reports whether a delivery is to leave together with others.
func (l *lane) collects(it *item) bool {
	if l.spec == nil || l.spec.digester == nil || it.Event.Kind == event.Alarm || it.Event.Kind == event.Test {
		return false
	}
	_, alone := l.alone[it.Key]
	return !alone
}

// collect puts a delivery beside the others to its address. One that was tried
// before has waited already.
func (l *lane) collect(it item) {
	c := l.digests[it.Key.Address]
	if c == nil {
		c = &collection{}
		if l.digests == nil {
			l.digests = map[outbox.Address]*collection{}
		}
		l.digests[it.Key.Address] = c
	}
	c.push(it)
	now := l.d.now()
	c.due = earlier(c.due, l.leaves(&it, now))
	l.rearm(now)
}

// leaves is when a message must leave because of a delivery in it. Every counts
// from its receipt, so that a restart changes nothing, and at the latest from
// now, should the clock have been ahead then.
func (l *lane) leaves(it *item, now time.Time) time.Time {
	every := l.spec.Digest.Every
	at := it.CreatedAt.Add(every)
	switch {
	case it.Attempts > 0:
		return now
	case at.After(now.Add(every)):
		return now.Add(every)
	}
	return at
}

// ripe reports whether the collection leaves now: also when half the lane's
// memory is taken, since none is claimed then.
func (l *lane) ripe(c *collection, now time.Time) bool {
	return c.n >= l.spec.Digest.Max || !now.Before(c.due) || l.room() == 0
}

// works is how many attempts could be made of what is in memory.
func (l *lane) works() int {
	n := l.queue.n
	if len(l.digests) > 0 && l.spec != nil {
		now := l.d.now()
		for _, c := range l.digests {
			if l.ripe(c, now) {
				n++
			}
		}
	}
	return n
}

// source is where the next delivery comes from: what goes by itself, and then
// the collection that is due first; nil when there is none. c is nil for the
// queue.
func (l *lane) source(now time.Time) (q *queue, c *collection) {
	if l.queue.n > 0 {
		return &l.queue, nil
	}
	for _, other := range l.digests {
		if l.ripe(other, now) && (c == nil || other.due.Before(c.due)) {
			c = other
		}
	}
	if c == nil {
		return nil, nil
	}
	return &c.queue, c
}

// gather takes what leaves together with the first of a collection, which has
// been taken already.
func (l *lane) gather(c *collection, now time.Time) (more []item) {
	for c.n > 0 && len(more) < l.spec.Digest.Max-1 {
		first := c.at(0)
		if !l.mayStart(first.Key) {
			l.park(c.pop())
			continue
		}
		if l.expired(&first.Pending, now) {
			break // it dies by itself
		}
		it := c.pop()
		l.started(it.Key)
		more = append(more, it)
	}
	return more
}

// thinned sees to a collection from which some were taken.
func (l *lane) thinned(a outbox.Address, c *collection, now time.Time) {
	if c.n == 0 {
		delete(l.digests, a)
		return
	}
	c.due = time.Time{}
	for i := range c.n {
		c.due = earlier(c.due, l.leaves(c.at(i), now))
	}
	l.rearm(now)
}

// dequeue takes one delivery out, wherever it is queued.
func (l *lane) dequeue(k outbox.Key) (it item, ok bool) {
	if it, ok = l.queue.remove(k); ok {
		return it, true
	}
	if c := l.digests[k.Address]; c != nil {
		if it, ok = c.remove(k); ok {
			l.thinned(k.Address, c, l.d.now())
		}
	}
	return it, ok
}

// tryTogether makes one attempt for several deliveries to one address.
func (l *lane) tryTogether(s *spec, items []item) {
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.Key.Event.Seq(), b.Key.Event.Seq()) })
	t := attempt{s: s, begun: l.d.now()}
	var good, bad []item
	var messages []*target.Message
	for _, it := range items {
		ev, err := decoded(it.Event, l.d.cfg.Decode)
		if err != nil {
			bad = append(bad, it)
			continue
		}
		good = append(good, it)
		messages = append(messages, message(&it, ev, t.begun))
	}
	if len(bad) > 0 {
		l.partWith(s, bad, good)
		return
	}
	t.item, t.more = good[0], good[1:]
	t.span = l.d.cfg.Tracer.Attempt(t.Event, t.begun) // in the trace of its first event
	start := time.Now()
	t.res, t.panicked = send(func() target.Result { return s.digester.SendDigest(l.d.sendCtx, messages) })
	l.answered(&t, start)
}

// partWith goes on without deliveries whose events cannot be read. Each is an
// end of its own; the worker counts once.
func (l *lane) partWith(s *spec, bad, good []item) {
	for i, it := range bad {
		if i > 0 || len(good) > 0 {
			l.mu.Lock()
			l.busy++
			s.begin()
			l.mu.Unlock()
		}
		l.unreadable(s, it, false)
	}
	switch len(good) {
	case 0:
	case 1:
		l.try(s, good[0], false)
	default:
		l.tryTogether(s, good)
	}
}

// message is a delivery as the target sees it.
func message(it *item, ev *event.Event, now time.Time) *target.Message {
	return &target.Message{
		DeliveryID: it.Key.String(), Recipient: it.Key.Address.Recipient(), Attempt: it.Attempts + 1, Event: ev, Now: now,
	}
}

// place is what an attempt for several deliveries counts for the concurrency:
// one, until the last of its ends is committed.
type place struct{ left int }

// leave gives back the place that an ending had. Called with mu held.
func (e *ending) leave() {
	if e.place != nil {
		if e.place.left--; e.place.left > 0 {
			return
		}
	}
	e.l.ending--
}
