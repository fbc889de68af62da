package dispatch

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// store is an outbox in memory with its writer: what the dispatcher sees of
// both, without the disk.
type store struct {
	mu      sync.Mutex
	events  []*event.Event // by Seq
	rows    map[outbox.Key]*row
	waiting map[outbox.Address]map[outbox.Key]*row // pending and tried before
	holds   map[string]outbox.Hold
	counts  map[outbox.Address]outbox.Count

	// What tests look at or set.
	claims    []outbox.Query
	advances  int
	readErr   error                         // of Claim, Advance, Counts, Holds
	holdErr   error                         // of SetHold
	recordErr func(a *outbox.Attempt) error // asked before each attempt is stored
	onClaim   func()                        // called after a claim has read and before it returns
	onCounts  func()                        // the same for Counts

	queue   []queued
	wake    chan struct{}
	ended   chan struct{}
	offer   func([]*outbox.Entry)
	stalls  bool                  // the writer commits nothing
	damaged int                   // so many rows are left out of each claim
	hidden  func(outbox.Key) bool // by an index, from claims; nil: none
	hurried []bool                // of each Record, whether something waits for it
}

type row struct {
	state    event.State
	attempts int
	tried    bool
	nextAt   time.Time
	reason   string
	event    *event.Event
	history  []outbox.Attempt
}

// queued is one thing the writer has to commit.
type queued struct {
	entry   *outbox.Entry
	attempt outbox.Attempt
	done    func(error)
}

func newStore() *store {
	return &store{
		rows: map[outbox.Key]*row{}, waiting: map[outbox.Address]map[outbox.Key]*row{},
		holds: map[string]outbox.Hold{}, counts: map[outbox.Address]outbox.Count{},
		offer: func([]*outbox.Entry) {},
	}
}

// begin starts the writer, end commits what is queued and stops it.
func (s *store) begin() {
	s.wake, s.ended = make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(s.ended)
		for range s.wake {
			s.commit()
		}
		s.commit()
	}()
}

func (s *store) end() {
	close(s.wake)
	<-s.ended
}

func (s *store) stall(yes bool) {
	s.mu.Lock()
	s.stalls = yes
	s.mu.Unlock()
	s.notify()
}

func (s *store) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// put queues entries in the order in which they are to be committed.
func (s *store) put(entries ...*outbox.Entry) {
	s.mu.Lock()
	for _, e := range entries {
		s.queue = append(s.queue, queued{entry: e})
	}
	s.mu.Unlock()
	s.notify()
}

func (s *store) Record(a outbox.Attempt, soon bool, done func(error)) {
	s.mu.Lock()
	s.hurried = append(s.hurried, soon)
	s.queue = append(s.queue, queued{attempt: a, done: done})
	s.mu.Unlock()
	s.notify()
}

// commit is the writer's: one transaction, then Offer, then the answers.
func (s *store) commit() {
	s.mu.Lock()
	if s.stalls {
		s.mu.Unlock()
		return
	}
	batch := s.queue
	s.queue = nil
	var entries []*outbox.Entry
	errs := make([]error, len(batch))
	for i := range batch {
		if q := &batch[i]; q.entry != nil {
			s.insert(q.entry)
			entries = append(entries, q.entry)
		} else {
			errs[i] = s.finish(&q.attempt)
		}
	}
	offer := s.offer
	s.mu.Unlock()
	if len(entries) > 0 {
		offer(entries)
	}
	for i := range batch {
		if batch[i].done != nil {
			batch[i].done(errs[i])
		}
	}
}

func (s *store) insert(e *outbox.Entry) {
	i := sort.Search(len(s.events), func(i int) bool { return s.events[i].ID.Seq() > e.Event.ID.Seq() })
	s.events = slices.Insert(s.events, i, e.Event)
	for _, a := range e.To {
		s.rows[outbox.Key{Event: e.Event.ID, Address: a}] = &row{event: e.Event}
		s.tally(a, event.Pending, 1)
	}
}

func (s *store) finish(a *outbox.Attempt) error {
	if s.recordErr != nil {
		if err := s.recordErr(a); err != nil {
			return err
		}
	}
	r := s.rows[a.Key]
	if r == nil || r.state != event.Pending && a.Outcome != 0 {
		return nil
	}
	s.tally(a.Key.Address, r.state, -1)
	s.tally(a.Key.Address, a.State, 1)
	r.state, r.attempts, r.tried, r.nextAt = a.State, max(r.attempts, a.Number), true, a.NextAt
	if a.Outcome != 0 || a.Reason != "" {
		r.reason = a.Reason
	}
	r.history = append(r.history, *a)
	if s.waiting[a.Key.Address] == nil {
		s.waiting[a.Key.Address] = map[outbox.Key]*row{}
	}
	if a.State == event.Pending {
		s.waiting[a.Key.Address][a.Key] = r
	} else {
		delete(s.waiting[a.Key.Address], a.Key)
	}
	return nil
}

func (s *store) tally(a outbox.Address, st event.State, n int) {
	c := s.counts[a]
	switch st {
	case event.Pending:
		c.Pending += n
	case event.Done:
		c.Delivered += n
	case event.Dead:
		c.Dead += n
	case event.Discarded:
	}
	s.counts[a] = c
}

func (s *store) LastSeq() (last int64) {
	s.with(func() {
		if n := len(s.events); n > 0 {
			last = s.events[n-1].ID.Seq()
		}
	})
	return last
}

func (s *store) SetHold(_ context.Context, h outbox.Hold) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holdErr != nil {
		return s.holdErr
	}
	if h.Since.IsZero() {
		delete(s.holds, h.Target)
	} else {
		s.holds[h.Target] = h
	}
	return nil
}

func (s *store) Holds(context.Context) (all []outbox.Hold, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.holds {
		all = append(all, h)
	}
	return all, s.readErr
}

// with runs f while nothing else touches the store.
func (s *store) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// states counts the deliveries of an address by state.
func (s *store) states(a outbox.Address) (c outbox.Count) {
	s.with(func() { c = s.counts[a] })
	return c
}

// history is what was recorded of a delivery.
func (s *store) history(k outbox.Key) (h []outbox.Attempt) {
	s.with(func() { h = slices.Clone(s.rows[k].history) })
	return h
}

// asked is how many claims there were.
func (s *store) asked() (n int) {
	s.with(func() { n = len(s.claims) })
	return n
}

// advanced is how often waiting deliveries were brought forward.
func (s *store) advanced() (n int) {
	s.with(func() { n = s.advances })
	return n
}
