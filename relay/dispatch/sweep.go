package dispatch

import (
	"context"
	"math"
	"time"

	"invitation-relay/relay/event"
)

const (
	sweepBatch = 500
	sweepPause = 100 * time.Millisecond // between batches, for their commit
	sweepGrow  = 3                      // a batch of deliveries tried before may double so often
	wideEvery  = time.Hour              // between wide sweeps that find nothing
)

// wideSweep is a sweep by the time of receipt alone, over all that waits. The
// usual one trusts that an id says when its event was received. Ids run ahead of
// the clock once one event was received by a clock that was ahead.
type wideSweep struct {
	on      bool
	after   int64 // of those never tried, on to this Seq done
	doubled int
	found   bool
	gate    time.Time // not before this
}

// sweeps reports whether a sweep is wanted and may begin: not while the ends of
// the last one wait for a store that takes nothing, for each is one in memory.
func (l *lane) sweeps() bool { return !l.sweepAt.IsZero() && l.ending < sweepBatch }

// sweepBefore is a Seq that every event whose time is up is below, unless ids
// run ahead of the clock.
func (s *spec) sweepBefore(now time.Time) int64 {
	if s.Retry.MaxAge == 0 {
		return math.MaxInt64
	}
	return event.SeqAt(now.Add(time.Millisecond - s.Retry.MaxAge))
}

// sweep lets deliveries die whose time is up while they wait on disk, in
// batches.
func (l *lane) sweep(ctx context.Context) error {
	q, now, ok := l.query()
	if !ok {
		return nil
	}
	s := l.spec
	l.wide.on = l.wide.on && s.Retry.MaxAge > 0
	q.DueBy, q.Limit = whenever(now), sweepBatch+len(l.keys)
	switch {
	case l.wide.on:
		q.Limit = sweepBatch<<l.wide.doubled + len(l.keys)
		q.AfterSeq, q.BeforeSeq = l.wide.after, math.MaxInt64-1 // a BeforeSeq asks for the order of events
	case s.Retry.MaxAge == 0:
		q.AfterSeq = math.MaxInt64 // those never tried have their one attempt before them
	default:
		q.BeforeSeq = s.sweepBefore(now)
	}
	l.sweepAt = time.Time{}
	l.mu.Unlock()

	var ends []*ending
	err := l.claim(ctx, q, func(c claimed) {
		now := l.d.now() // the clock may have been set back meanwhile
		if l.spec != s { // a reload came in between
			l.sweepAt = now
			return
		}
		for i := range c.rows {
			p := &c.rows[i]
			if !l.expired(p, now) {
				continue
			}
			l.take(p)
			l.ending++
			ends = append(ends, l.death(s, p, s.Retry.tooLate(p.Reason)))
		}
		l.swept(&c, len(ends), now)
	})
	if len(ends) > 0 {
		first := ends[0].a.Key
		l.d.log.Error("deliveries are dead", "delivery_id", first.String(), "event_id", first.Event.String(),
			"target", l.name, "count", len(ends), "err", ends[0].a.Reason)
	}
	for _, e := range ends {
		l.d.record(e)
	}
	return err
}

// swept decides how a sweep goes on after a batch in which so many died.
func (l *lane) swept(c *claimed, died int, now time.Time) {
	w := &l.wide
	switch {
	case w.on:
		w.found = w.found || died > 0
		switch {
		case c.full && c.last > w.after:
			w.after = c.last
		case c.full && died > 0:
		case c.full && w.doubled < sweepGrow:
			w.doubled++ // those tried before always come from the first one on
		default:
			gate := time.Time{}
			if !w.found {
				gate = now.Add(wideEvery)
			}
			*w, l.stale = wideSweep{gate: gate}, true
			return
		}
		l.sweepAt = now.Add(sweepPause)
	case !c.full && died == 0 && l.counted && !now.Before(w.gate):
		// The store says there is one whose time is up.
		w.on, l.counted, l.sweepAt = true, false, now
	case !c.full:
		l.stale = true // the oldest is among those that died, or it was not as old as noted
	case died > 0:
		l.sweepAt = now.Add(sweepPause)
	}
}
