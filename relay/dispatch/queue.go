package dispatch

import (
	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// item is one delivery waiting in memory.
type item struct {
	outbox.Pending
	size int64
	turn bool // it waited on disk for an earlier one
}

// newItem estimates what the delivery takes in memory. An event that goes to
// several targets is counted for each, which errs on the safe side.
func newItem(p outbox.Pending) item {
	const bookkeeping = 512
	size := int64(bookkeeping)
	if p.Event != nil {
		size += int64(len(p.Event.Body))
		if p.Event.Fields != nil {
			size += int64(2*len(p.Event.Body) + 64*len(p.Event.Fields))
		}
	}
	return item{Pending: p, size: size}
}

// queue is a first-in first-out ring that grows as needed. The zero value is
// empty.
type queue struct {
	ring []item // its length is a power of two
	head int
	n    int
}

func (q *queue) at(i int) *item { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) push(it item) {
	q.grow()
	q.n++
	*q.at(q.n - 1) = it
}

func (q *queue) pushFront(it item) {
	q.grow()
	q.n++
	q.head = (q.head - 1) & (len(q.ring) - 1)
	*q.at(0) = it
}

// grow makes room for one more.
func (q *queue) grow() {
	if q.n < len(q.ring) {
		return
	}
	grown := make([]item, max(8, 2*q.n))
	for i := range q.n {
		grown[i] = *q.at(i)
	}
	q.ring, q.head = grown, 0
}

func (q *queue) pop() item {
	it := *q.at(0)
	*q.at(0) = item{} // lets go of the event
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return it
}

// remove takes out the delivery k, wherever it stands.
func (q *queue) remove(k outbox.Key) (it item, ok bool) {
	for i := range q.n {
		if q.at(i).Key != k {
			continue
		}
		it = *q.at(i)
		for ; i < q.n-1; i++ {
			*q.at(i) = *q.at(i + 1)
		}
		*q.at(q.n - 1) = item{}
		q.n--
		return it, true
	}
	return item{}, false
}

// decoded returns the event with its Fields. One that came from the store is
// copied first: events are shared, and shared ones do not change.
func decoded(ev *event.Event, decode func(*event.Event) error) (*event.Event, error) {
	if ev.Fields != nil {
		return ev, nil
	}
	own := *ev
	if err := decode(&own); err != nil {
		return nil, err
	}
	return &own, nil
}
