package dispatch

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sort"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func (s *store) Claim(_ context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error) {
	s.mu.Lock()
	due, next, err = s.claim(q)
	due = due[min(len(due), s.damaged):]
	on := s.onClaim
	s.mu.Unlock()
	if on != nil {
		on()
	}
	return due, next, err
}

func (s *store) claim(q outbox.Query) (due []outbox.Pending, next time.Time, err error) {
	s.claims = append(s.claims, q)
	if s.readErr != nil {
		return nil, time.Time{}, s.readErr
	}
	pending := func(k outbox.Key, r *row) outbox.Pending {
		ev := *r.event
		ev.Fields = nil
		return outbox.Pending{Key: k, Attempts: r.attempts, CreatedAt: r.event.ReceivedAt, Reason: r.reason, Event: &ev}
	}
	in := func(seq int64) bool { return q.BeforeSeq == 0 || seq < q.BeforeSeq }
	first := sort.Search(len(s.events), func(i int) bool { return s.events[i].ID.Seq() > q.AfterSeq })
	for _, ev := range s.events[first:] {
		if len(due) >= q.Limit || !in(ev.ID.Seq()) {
			break
		}
		for _, a := range q.Addresses {
			k := outbox.Key{Event: ev.ID, Address: a}
			if r := s.rows[k]; r != nil && r.state == event.Pending && !r.tried && (s.hidden == nil || !s.hidden(k)) {
				due = append(due, pending(k, r))
			}
		}
	}
	var tried []outbox.Key
	for _, a := range q.Addresses {
		for k, r := range s.waiting[a] {
			switch {
			case s.hidden != nil && s.hidden(k):
			case r.nextAt.After(q.DueBy):
				next = earlier(next, r.nextAt)
			case in(k.Event.Seq()) && k.Event.Seq() > q.TriedAfter:
				tried = append(tried, k)
			}
		}
	}
	slices.SortFunc(tried, func(a, b outbox.Key) int {
		if q.BeforeSeq != 0 {
			return cmp.Compare(a.Event.Seq(), b.Event.Seq())
		}
		return cmp.Or(s.rows[a].nextAt.Compare(s.rows[b].nextAt), cmp.Compare(a.Event.Seq(), b.Event.Seq()))
	})
	for _, k := range tried[:min(len(tried), max(0, q.Limit-len(due)))] {
		due = append(due, pending(k, s.rows[k]))
	}
	return due, next, nil
}

func (s *store) Advance(_ context.Context, to []outbox.Address, now time.Time, limit int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr != nil {
		return 0, s.readErr
	}
	defer func() { s.advances += min(n, 1) }()
	for _, a := range to {
		for _, r := range s.waiting[a] {
			if n < limit && r.nextAt.After(now) {
				r.nextAt = now
				n++
			}
		}
	}
	return n, nil
}

func (s *store) Counts(context.Context) (map[outbox.Address]outbox.Count, error) {
	if s.onCounts != nil {
		defer s.onCounts()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readErr != nil {
		return nil, s.readErr
	}
	all := maps.Clone(s.counts)
	for k, r := range s.rows {
		if r.state == event.Pending {
			c := all[k.Address]
			c.Oldest = earlier(c.Oldest, r.event.ReceivedAt)
			all[k.Address] = c
		}
	}
	return all, nil
}
