package dispatch

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// minShare is the memory that even one of very many lanes may use.
const minShare = 128 << 10

// TargetStatus is one target as an operator sees it.
type TargetStatus struct {
	Name       string
	Kind       string // "" for a target that is no longer in the config
	Held       bool
	ByHand     bool // held by an operator: only a release by hand ends it
	HeldSince  time.Time
	HeldReason string
	NextProbe  time.Time // when a delivery may be tried to see whether the target works again; zero: none, or one is under way
	Waiting    time.Time // until when the target has asked to be left alone (Retry-After); zero: it has not
	Pending    int
	Oldest     time.Time // at or before the receipt of the oldest pending delivery, exact within minutes; zero when none
	Delivered  int
	Dead       int
}

// lane returns the lane of a target, also of one nobody has heard of.
func (d *Dispatcher) lane(name string) *lane {
	if l := (*d.lanes.Load())[name]; l != nil {
		return l
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.laneLocked(name)
}

func (d *Dispatcher) laneLocked(name string) *lane {
	old := *d.lanes.Load()
	if l := old[name]; l != nil {
		return l
	}
	l := newLane(d, name)
	l.live = d.running && !d.ended
	lanes := maps.Clone(old)
	lanes[name] = l
	d.lanes.Store(&lanes)
	return l
}

// Load reads counts and holds from the store. Call it before the first Offer;
// Run does it when nobody has. Whatever is offered before stays on disk until
// then.
func (d *Dispatcher) Load(ctx context.Context) error {
	if d.loaded.Load() {
		return nil
	}
	holds, err := d.cfg.Store.Holds(ctx)
	if err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	for try := 1; ; try++ {
		d.mu.Lock()
		early := d.early
		d.mu.Unlock()
		counts, err := d.cfg.Store.Counts(ctx)
		if err != nil {
			return fmt.Errorf("count deliveries: %w", err)
		}
		if d.takeOver(counts, holds, early, try >= 10) {
			return nil
		}
	}
}

// takeOver makes the store's counts the lanes' own, unless something was
// offered while they were read: then it is not known whether they include it.
func (d *Dispatcher) takeOver(counts map[outbox.Address]outbox.Count, holds []outbox.Hold, early int, anyway bool) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loaded.Load() || d.early != early && !anyway {
		return d.loaded.Load()
	}
	for _, h := range holds {
		l := d.laneLocked(h.Target)
		l.mu.Lock()
		if !l.holdDirty {
			l.hold, l.told = h, h
		}
		l.mu.Unlock()
	}
	for a, c := range counts {
		d.laneLocked(a.Target()).load(c)
		d.pending.Add(int64(c.Pending))
	}
	d.loaded.Store(true)
	return true
}

func (l *lane) load(c outbox.Count) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending += c.Pending
	l.delivered += c.Delivered
	l.dead += c.Dead
	if c.Pending > 0 {
		l.oldest = earlier(l.oldest, c.Oldest)
		l.lookAgain()
		l.distrustStored()
	}
}

// Offer hands over deliveries straight from their commit. The writer calls it
// after each commit and before the next; it never blocks. What does not fit in
// memory stays on disk and is claimed as room appears.
func (d *Dispatcher) Offer(entries []*outbox.Entry) {
	if !d.loaded.Load() && d.tooEarly(entries) {
		return
	}
	lanes := *d.lanes.Load()
	if d.ordered.Load() {
		entries = bySeq(entries)
	}
	for _, e := range entries {
		if e.Duplicate {
			continue
		}
		d.pending.Add(int64(len(e.To)))
		for _, a := range e.To {
			l := lanes[a.Target()]
			if l == nil {
				l = d.lane(a.Target())
			}
			l.offer(e.Event, a)
		}
	}
}

// bySeq is the entries of a commit in the order of their events.
func bySeq(entries []*outbox.Entry) []*outbox.Entry {
	less := func(a, b *outbox.Entry) int { return cmp.Compare(a.Event.ID.Seq(), b.Event.ID.Seq()) }
	if slices.IsSortedFunc(entries, less) {
		return entries
	}
	entries = slices.Clone(entries)
	slices.SortFunc(entries, less)
	return entries
}

// tooEarly leaves entries on disk that are offered before Load has counted.
func (d *Dispatcher) tooEarly(entries []*outbox.Entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.loaded.Load() {
		return false
	}
	d.early++
	for _, e := range entries {
		for _, a := range e.To {
			l := d.laneLocked(a.Target())
			l.mu.Lock()
			l.after = min(l.after, e.Event.ID.Seq()-1)
			l.mu.Unlock()
		}
	}
	return true
}

// SetLanes puts the lanes of a config in force, at the start and on reload. It
// does not wait: attempts in flight end through the target they began with.
// Deliveries of a target that is gone wait in the store. The Dispatcher owns the
// targets, which it tells apart by identity, and closes each after its last
// Send; one that was closed is not to be given again.
func (d *Dispatcher) SetLanes(lanes []Lane) {
	share := min(max(d.cfg.Memory/int64(max(1, len(lanes))), minShare), d.cfg.Memory)
	var closing []target.Target
	d.mu.Lock()
	d.ordered.Store(slices.ContainsFunc(lanes, func(ln Lane) bool { return ln.Order != nil }))
	named := make(map[string]bool, len(lanes))
	for _, ln := range lanes {
		named[ln.Name] = true
		if d.ended {
			closing = append(closing, ln.Target)
			continue
		}
		if old := d.laneLocked(ln.Name).set(newSpec(ln, share)); old != nil {
			closing = append(closing, old)
		}
	}
	for name, l := range *d.lanes.Load() {
		if !named[name] && !d.ended {
			if old := l.set(nil); old != nil {
				closing = append(closing, old)
			}
		}
	}
	d.mu.Unlock()
	for _, t := range closing {
		t.Close()
	}
}

// Pending is the number of deliveries that wait or are being tried, over all
// addresses, also those that are gone from the config.
func (d *Dispatcher) Pending() int { return int(max(0, d.pending.Load())) }

// Status lists the targets by name, also those that are gone and still have
// deliveries waiting.
func (d *Dispatcher) Status() []TargetStatus {
	var all []TargetStatus
	for _, l := range *d.lanes.Load() {
		if s := l.status(); s.Kind != "" || s.Pending > 0 {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b TargetStatus) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (l *lane) status() TargetStatus {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := TargetStatus{
		Name: l.name, Held: l.held(), ByHand: l.hold.ByHand, HeldSince: l.hold.Since, HeldReason: l.hold.Reason,
		Pending: max(0, l.pending), Delivered: l.delivered, Dead: l.dead,
	}
	if l.spec != nil {
		s.Kind = l.spec.Target.Kind()
	}
	if l.spec != nil && s.Held && !s.ByHand && s.Pending > 0 && !l.probing {
		s.NextProbe = l.nextProbe()
	}
	if l.waitUntil.After(l.d.now()) {
		s.Waiting = l.waitUntil
	}
	if l.onDisk() > 0 {
		s.Oldest = l.oldest
	}
	for _, h := range l.keys {
		s.Oldest = earlier(s.Oldest, time.Unix(0, h.created).UTC())
	}
	return s
}

// refreshOldest asks the store for the oldest pending deliveries, where those
// known have ended.
func (d *Dispatcher) refreshOldest(ctx context.Context) {
	counts, err := d.cfg.Store.Counts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.storeFailed(ctx, "", fmt.Errorf("count deliveries: %w", err))
		}
		return
	}
	oldest := make(map[string]time.Time)
	for a, c := range counts {
		if c.Pending > 0 {
			oldest[a.Target()] = earlier(oldest[a.Target()], c.Oldest)
		}
	}
	for name, l := range *d.lanes.Load() {
		if at := oldest[name]; !at.IsZero() {
			l.mu.Lock()
			if l.stale {
				l.oldest, l.stale, l.counted = at, false, true
			}
			l.mu.Unlock()
		}
	}
}
