package dispatch

import (
	"context"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// findProbe picks a delivery of a target on hold and tries it: the oldest, and
// every other time the next in the order of claims. Were it always the oldest,
// one message that the target cannot take would keep all others waiting until
// its time is up.
func (l *lane) findProbe(ctx context.Context) error {
	q, now, ok := l.query()
	if !ok {
		return nil
	}
	s := l.spec
	q.DueBy, q.Limit = whenever(now), 1+len(l.keys)
	oldest, turn := false, ref{}
	if l.probes++; l.probes%2 == 1 && !l.oldest.IsZero() {
		q.BeforeSeq, oldest = event.SeqAt(l.oldest.Add(time.Millisecond)), true
	} else if l.order != nil {
		var ok bool
		if turn, ok = l.nextTurn(&q); !ok {
			q.AfterSeq, q.Limit = max(0, l.after), q.Limit+probeSearch
		}
	}
	l.mu.Unlock()

	done := false
	use := func(c claimed) {
		done = l.overtaken(s) || (turn.seq == 0 || l.stillTurn(turn, &c)) && l.probeFirst(&c, q.AfterSeq)
	}
	err := l.claim(ctx, q, use)
	if err == nil && !done && oldest { // it is gone, or the clock went back
		q.BeforeSeq = 0
		err = l.claim(ctx, q, use)
	}
	if err == nil && !done {
		done, err = l.probeHead(ctx, s)
	}
	if err == nil && !done {
		l.notFound(s)
	}
	return err
}

// overtaken reports whether a search for a probe that began under s is out of date:
// a reload came in between, or the order is to be learnt again. The next search
// follows at once.
func (l *lane) overtaken(s *spec) bool {
	return l.spec != s || l.order != nil && !l.order.ready
}

// probeHead tries one of those that all others with their key wait for. In the
// order of claims it may come after any number of these.
func (l *lane) probeHead(ctx context.Context, s *spec) (done bool, err error) {
	q, now, ok := l.query()
	if !ok {
		return true, nil
	}
	done = l.overtaken(s)
	if l.order != nil {
		l.order.takeTurn()
	}
	turn, ok := l.nextTurn(&q)
	l.mu.Unlock()
	if done || !ok {
		return done, nil
	}
	q.DueBy = whenever(now)
	err = l.claim(ctx, q, func(c claimed) {
		done = l.overtaken(s) || l.stillTurn(turn, &c) && l.probeFirst(&c, q.AfterSeq)
	})
	return done, err
}

// notFound has a target on hold for which something waits, but nothing that can
// be tried, looked at again: soon, for it costs the target nothing, and less often
// the longer it lasts. What waits is damaged, say, or hidden by an index that is;
// or it waits for what is in flight, which is nothing to warn of.
func (l *lane) notFound(s *spec) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.d.now()
	switch {
	case !l.held() || l.overtaken(s):
		return
	case l.busy+l.ending > 0:
		l.probeAt = now.Add(againProbe)
		return
	case l.seekWait == 0:
		l.d.log.Warn("target on hold cannot be probed: nothing that waits can be tried", "target", l.name, "count", l.onDisk())
	}
	l.seekWait = min(max(2*l.seekWait, againProbe), l.d.cfg.Probe)
	l.probeAt, l.stale = now.Add(l.seekWait), true
}

// probeSearch is how many deliveries are looked at, for one that need not wait
// for another.
const probeSearch = 32

// probeFirst tries the first of those claimed that need not wait for another.
// When all must, the next probe looks further.
func (l *lane) probeFirst(c *claimed, after int64) (found bool) {
	if !l.knows(c) {
		return false
	}
	for i := range c.rows {
		if l.admit(c.hash(i), &c.rows[i]) {
			l.startProbe(c.rows[i])
			return true
		}
	}
	if l.order != nil && l.after == after {
		l.after = max(l.after, c.last)
	}
	return false
}

func (l *lane) startProbe(p outbox.Pending) {
	now := l.d.now()
	switch {
	case !l.live || l.spec == nil || !l.held() || l.hold.ByHand || now.Before(l.waitUntil):
		return
	case l.expired(&p, now):
		l.sweepAt, l.probeAt = now, now.Add(time.Second) // let it die first
		l.wide.on = l.wide.on || p.Key.Event.Seq() >= l.spec.sweepBefore(now)
		return
	case !l.token(now):
		l.throttled, l.probeAt = false, l.tokenAt
		return
	}
	it, s := newItem(p), l.spec
	l.take(&p)
	l.started(p.Key)
	l.bytes += it.size
	l.running++
	l.busy++
	s.begin()
	l.probing, l.seekWait = true, 0
	l.d.wg.Go(func() { l.probe(s, it) })
}
