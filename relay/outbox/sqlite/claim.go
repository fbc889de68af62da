package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// claim is one Claim under way.
type claim struct {
	s             *Store
	tx            *sql.Tx
	bits          uint64
	beyond        []int64 // addresses without a bit
	all           []int64 // addresses
	after, before int64   // seqs, both excluded
	triedAfter    int64   // the same as after, for those tried before
	due           int64
	limit         int
	suspects      []string // indexes that list what their table does not have
}

// Claim implements outbox.Store. Deliveries that wait for other addresses are
// stepped over in the indexes, however many they are, and bodies are read of
// those events only that are returned.
func (s *Store) Claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error) {
	due, next, suspects, err := s.claim(ctx, q)
	if errors.Is(err, outbox.ErrCorrupt) && s.mendNow(ctx) ||
		len(suspects) > 0 && s.remakeNow(ctx, suspects) {
		due, next, _, err = s.claim(ctx, q)
	}
	return due, next, err
}

func (s *Store) claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, suspects []string, err error) {
	err = s.read(ctx, "claim", func(ctx context.Context, tx *sql.Tx) error {
		c := &claim{s: s, tx: tx, after: q.AfterSeq, before: q.BeforeSeq, triedAfter: q.TriedAfter, due: nanos(q.DueBy), limit: max(1, q.Limit)}
		if c.before == 0 {
			c.before = math.MaxInt64
		}
		c.bits, c.beyond = s.names.mask(q.Addresses)
		pendingBits(int64(c.bits), func(id int64) { c.all = append(c.all, id) }) //nolint:gosec // bits
		c.all = append(c.all, c.beyond...)

		if next, err = c.next(ctx); err != nil {
			return err
		}
		due, err = c.whole(ctx)
		suspects = c.suspects
		return err
	})
	return due, next, suspects, err
}

// suspect notes an index that is to be made anew.
func (c *claim) suspect(index string) {
	if !slices.Contains(c.suspects, index) {
		c.suspects = append(c.suspects, index)
	}
}

// whole returns limit deliveries of events that are whole. Damaged ones make it
// look further: by twice as many as there were, so that it soon has enough, and
// ends when there is nothing more to find.
func (c *claim) whole(ctx context.Context) ([]outbox.Pending, error) {
	l := c.s.loader(c.tx, true)
	events, wanted := map[int64]*readable{}, c.limit
	for {
		list, err := c.find(ctx)
		if err != nil {
			return nil, err
		}
		due, damaged, err := c.load(ctx, l, events, list, wanted)
		if err != nil || damaged == 0 || len(due) >= wanted || len(list) < c.limit {
			return due, err
		}
		c.limit = wanted + 2*damaged
	}
}

// load reads the events of the candidates, each once, until it has as many
// deliveries as wanted. Damaged ones are left out and counted, and so are those
// to an address that the event does not have: a flipped bit in the masks or in a
// row of deliveries, which change and have no checksum, sends nothing to a target
// it was not meant for.
func (c *claim) load(ctx context.Context, l *loader, events map[int64]*readable, list []candidate, wanted int) (due []outbox.Pending, damaged int, err error) {
	if err := c.several(ctx, l, events, list); err != nil {
		return nil, 0, err
	}
	due = make([]outbox.Pending, 0, min(wanted, len(list)))
	last := int64(-1) // its deliveries never tried stay together
	for i, d := range list {
		if i > 0 && d.sameAs(list[i-1]) {
			c.suspect(c.lister(d))
			d.damaged = true
		}
		if d.damaged {
			damaged++
			continue
		}
		if len(due) >= wanted && (d.nextAt > 0 || d.seq != last) {
			break
		}
		ev, ok := events[d.seq]
		if !ok {
			if ev, err = c.event(ctx, l, d.seq, d.waiting != 0); err != nil {
				return nil, 0, err
			}
			events[d.seq] = ev
		}
		if ev != nil && d.waiting != 0 && d.waiting != ev.row.waiting {
			ended, err := c.differs(ctx, ev.row, d.address)
			if err != nil {
				return nil, 0, err
			}
			if ended {
				damaged++
				continue
			}
		}
		address := outbox.Address(c.s.names.of(kindAddress, d.address))
		if ev == nil || address == "" || !ev.row.goesTo(d.address, c.s.unlistedTo.Load()) {
			c.elsewhere(ev)
			damaged++
			continue
		}
		last = d.seq
		due = append(due, outbox.Pending{
			Key:      outbox.Key{Event: ev.event.ID, Address: address},
			Attempts: int(d.attempts), CreatedAt: ev.event.ReceivedAt, Reason: d.reason, Event: &ev.event,
		})
	}
	return due, damaged, nil
}

// several reads the events of the candidates that are not there yet, as far as
// they can be read together: damage leaves the rest to be read one by one.
func (c *claim) several(ctx context.Context, l *loader, events map[int64]*readable, list []candidate) error {
	seqs := make([]int64, 0, len(list))
	for _, d := range list {
		if _, ok := events[d.seq]; !ok && !d.damaged {
			seqs = append(seqs, d.seq)
		}
	}
	if len(seqs) < 2 {
		return nil
	}
	err := l.several(ctx, seqs, func(r *row, damage error) {
		events[r.seq] = nil
		if damage == nil {
			events[r.seq] = c.readable(r)
		}
	})
	if code(err) == codeCorrupt {
		return nil
	}
	return err
}

func (c *claim) readable(r *row) *readable {
	return &readable{event: r.event(c.s.names), row: r}
}

// readable is an event that is whole, and its row, for the addresses its checksum
// covers.
type readable struct {
	event event.Event
	row   *row
}

// stored reports whether the journal has an event. All of it is looked through,
// so not again for one that is reported.
func (c *claim) stored(ctx context.Context, seq int64) bool {
	if _, reported := c.s.quarantine.Load(seq); reported {
		return true
	}
	n := int64(0)
	err := c.query(ctx, func(k, _, _ int64, _ string) { n = k }, "SELECT ("+journalHas+"), 0, 0, ''", seqBytes(seq))
	return n > 0 && err == nil
}

// event reads one event, nil when it is damaged: where its checksum does not
// match, where an index lists it and it is not there, or where its pages cannot
// be read. One such event must not keep the others from being sent.
func (c *claim) event(ctx context.Context, l *loader, seq int64, waiting bool) (*readable, error) {
	r, err := l.row(ctx, seq)
	switch {
	case err == nil:
		return c.readable(r), nil
	case errors.Is(err, outbox.ErrCorrupt): // reported
		return nil, nil //nolint:nilnil // as it says
	case errors.Is(err, event.ErrNotFound) && waiting && !c.stored(ctx, seq):
		c.suspect(waitingIndex)
		c.s.notThere(seq)
		return nil, nil //nolint:nilnil // as it says
	case errors.Is(err, event.ErrNotFound) || code(err) == codeCorrupt:
		c.s.report(&row{seq: seq}, fault("read the event", err))
		return nil, nil //nolint:nilnil // as it says
	}
	return nil, err
}

// Advance implements outbox.Store.
func (s *Store) Advance(ctx context.Context, to []outbox.Address, now time.Time, limit int) (changed int, err error) {
	at := nanos(now)
	err = s.transact(ctx, "advance", func(ctx context.Context, t *tx) error {
		changed = 0
		for _, a := range to {
			v := t.w.advance.args
			v[0].Value, v[1].Value, v[2].Value, v[3].Value = at, s.names.find(kindAddress, string(a)), at, int64(limit-changed)
			n, err := t.w.advance.changed(ctx)
			if err != nil {
				return err
			}
			if changed += int(n); changed >= limit {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return changed, nil
}
