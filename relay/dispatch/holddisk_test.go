package dispatch

import (
	"context"
	"sync"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// disk is a store that takes its time, by chance, and fails while it is told to.
type disk struct {
	outbox.Store
	c     *chaos
	gate  chan struct{} // one writes at a time
	reads time.Duration // how long one takes at most, before it reads and after
	write time.Duration // the same for a commit

	mu       sync.Mutex
	down     bool
	operated bool // holds are set and released by hand
}

func newDisk(s outbox.Store, c *chaos) *disk {
	return &disk{
		Store: s, c: c, gate: make(chan struct{}, 1),
		reads: time.Duration(c.n(40)) * time.Millisecond, write: time.Duration(c.n(40)) * time.Millisecond,
	}
}

func (d *disk) fail(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = yes
}

// takes returns after a while, with the error of a disk that is down.
func (d *disk) takes(most time.Duration) error {
	time.Sleep(time.Duration(d.c.n(1 + int(most))))
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down {
		return event.ErrUnavailable
	}
	return nil
}

// commits runs a transaction of which nobody hears before it has taken its time.
func (d *disk) commits(transaction func() error) error {
	d.gate <- struct{}{}
	defer func() { <-d.gate }()
	err := d.takes(d.write)
	if err == nil {
		if err = transaction(); err == nil {
			_ = d.takes(d.write) // it is stored by now
		}
	}
	return err
}

func (d *disk) Claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error) {
	if err := d.takes(d.reads); err != nil {
		return nil, time.Time{}, err
	}
	if due, next, err = d.Store.Claim(ctx, q); err == nil {
		err = d.takes(d.reads)
	}
	return due, next, err
}

func (d *disk) Advance(ctx context.Context, to []outbox.Address, now time.Time, limit int) (n int, err error) {
	err = d.commits(func() error { n, err = d.Store.Advance(ctx, to, now, limit); return err })
	return n, err
}

// SetHold takes no time where an operator may wait for another one: with a mutex,
// which holds the clock of the bubble.
func (d *disk) SetHold(ctx context.Context, h outbox.Hold) error {
	d.mu.Lock()
	operated, down := d.operated, d.down
	d.mu.Unlock()
	switch {
	case !operated:
		return d.commits(func() error { return d.Store.SetHold(ctx, h) })
	case down:
		return event.ErrUnavailable
	}
	return d.Store.SetHold(ctx, h)
}

func (d *disk) Write(ctx context.Context, b *outbox.Batch) error {
	return d.commits(func() error { return d.Store.Write(ctx, b) })
}

// inMemory is the store of this package's tests for a Writer.
type inMemory struct {
	outbox.Store // what is not below is not asked for
	s            *store
}

func (m inMemory) Write(_ context.Context, b *outbox.Batch) error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	for _, e := range b.Entries {
		m.s.insert(e)
	}
	for i := range b.Attempts {
		if err := m.s.finish(&b.Attempts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m inMemory) Claim(ctx context.Context, q outbox.Query) ([]outbox.Pending, time.Time, error) {
	return m.s.Claim(ctx, q)
}

func (m inMemory) Advance(ctx context.Context, to []outbox.Address, now time.Time, limit int) (int, error) {
	return m.s.Advance(ctx, to, now, limit)
}

func (m inMemory) Counts(ctx context.Context) (map[outbox.Address]outbox.Count, error) {
	return m.s.Counts(ctx)
}

func (m inMemory) Delivery(ctx context.Context, k outbox.Key) (*outbox.StoredDelivery, error) {
	return m.s.Delivery(ctx, k)
}

func (m inMemory) SetHold(ctx context.Context, h outbox.Hold) error { return m.s.SetHold(ctx, h) }

func (m inMemory) Holds(ctx context.Context) ([]outbox.Hold, error) { return m.s.Holds(ctx) }

func (m inMemory) LastSeq() int64 { return m.s.LastSeq() }

func (m inMemory) Close() error { return nil }
