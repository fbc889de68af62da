package dispatch

import (
	"slices"
	"time"

	"invitation-relay/relay/outbox"
)

// firstHour is what deliveries that were received before the start have at least
// until their time is up: how long the relay was stopped, and whether the clock
// was set meanwhile, nobody knows, and each of them is to have its attempts.
const firstHour = time.Hour

// past is what has happened to the clock since the start. It is not changed.
type past struct {
	begun time.Time // with a monotonic reading
	start time.Time // the same by the clock
	right time.Time // by the clock, when it was last set back; else start
	leaps []leap    // in order
}

// leap is that the clock was set ahead, by so much, when it was at.
type leap struct {
	at time.Time
	by time.Duration
}

// mostLeaps are remembered; beyond them the oldest become one.
const mostLeaps = 32

func (p *past) ahead(now time.Time, by time.Duration) *past {
	q := *p
	q.leaps = append(slices.Clip(p.leaps), leap{now.Add(-by), by})
	if len(q.leaps) > mostLeaps {
		q.leaps = q.leaps[1:]
		q.leaps[0].by += p.leaps[0].by
	}
	return &q
}

func (p *past) back(now time.Time, by time.Duration) *past {
	q := *p
	q.right = now
	q.leaps = append([]leap(nil), p.leaps...)
	for n := len(q.leaps); n > 0 && by > 0; n-- {
		last := &q.leaps[n-1]
		if by < last.by-clockSlack {
			last.by -= by
			break
		}
		by -= last.by
		q.leaps = q.leaps[:n-1]
	}
	return &q
}

// deadline is when, by the clock of now, the time of a delivery is up that was
// received at a time, and may take maxAge. What the clock was set ahead since
// does not count. What was received by a clock that was ahead counts from when
// that was set right.
func (p *past) deadline(received time.Time, maxAge time.Duration, now time.Time) time.Time {
	at := received
	if at.After(now.Add(clockSlack)) {
		at = p.right
	}
	for _, l := range p.leaps {
		if !at.After(l.at) {
			at = at.Add(l.by)
		}
	}
	at = at.Add(maxAge)
	if received.Before(p.start) {
		at = later(at, now.Add(min(maxAge, firstHour)-time.Since(p.begun)))
	}
	return at
}

// deadline is when, by the clock, the time of a delivery is up.
func (d *Dispatcher) deadline(p *outbox.Pending, maxAge time.Duration, now time.Time) time.Time {
	received := p.CreatedAt.Round(0)
	if at := received.Add(maxAge); now.Before(at) && !received.After(now.Add(clockSlack)) {
		return at // nearly always
	}
	// An id is never earlier than those before it, whatever the clock says.
	if id := time.UnixMilli(p.Key.Event.Seq() >> 12); id.After(received) && !id.After(now.Add(clockSlack)) {
		received = id
	}
	return d.clock.past.Load().deadline(received, maxAge, now)
}
