package dispatch

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const (
	caughtUp = math.MaxInt64 // lane.after when all that was never tried is in memory
)

// lane serves one target. It lives as long as the Dispatcher, also while the
// target is gone from the config, because deliveries and a hold may outlive it.
//
// A pending delivery is in exactly one of two places. In memory: its key is in
// keys from the moment it is queued until the end of its attempt is committed,
// so nothing that reads the store can bring it in a second time. Or on disk
// only: never tried with a Seq greater than after, or a row with a time for its
// next attempt, the earliest of which is at or after nextRetry. The clerk
// brings those in as room appears.
type lane struct {
	d    *Dispatcher
	name string
	work func() // worker, bound once

	mu   sync.Mutex
	live bool    // Run is running
	spec *spec   // the target in force; nil: not in the config
	old  []*spec // replaced or gone, with attempts still in flight

	queue   queue
	digests map[outbox.Address]*collection // none of them empty
	keys    map[outbox.Key]hand
	tried   int                     // of keys, those tried before
	left    map[outbox.Key]struct{} // what left keys while the clerk reads; nil when it does not
	alone   map[outbox.Key]struct{} // get one attempt by themselves, whatever their age: an operator asked for it, or a digest with them was rejected
	bytes   int64
	average int64 // size of an item
	running int   // workers
	busy    int   // of these, in an attempt
	ending  int   // ends of attempts on their way into the store

	order *order // nil: the lane has none
	keyer atomic.Pointer[keyer]
	off   []*ending // put off, to be recorded

	after      int64
	filling    bool // the clerk is claiming what was never tried
	nextRetry  time.Time
	notAfter   time.Time // next attempts later than this are to be brought forward to it; zero: none
	retryGate  time.Time // claims of retries are batched: none before this
	clerking   bool
	storeAt    time.Time // the store failed: not before this
	storeWait  time.Duration
	sweepAt    time.Time // zero: nothing can be past its max_age
	wide       wideSweep
	pull       int       // waiting deliveries still to be made due after a hold
	oldest     time.Time // at or before the receipt of the oldest delivery on disk only; zero: none
	stale      bool      // oldest has ended: ask the store
	counted    bool      // the store has been asked since a sweep found nothing
	pending    int
	delivered  int
	dead       int
	unsaved    []*ending // attempts whose end could not be committed
	unsavedAt  time.Time // when to record them again
	unsavedFor time.Duration

	tokenAt    time.Time // the next attempt's token, reserved already; zero: none reserved
	throttled  bool
	waitUntil  time.Time // Retry-After; zero: none
	waitOf     any       // while it lasts: Settings of the target that asked
	waitSet    time.Time // when a target asked last
	failures   int       // retry in a row
	lastReason string    // of the last failure, so that a repeated one is not logged again
	hold       outbox.Hold
	holdDirty  bool       // not yet as the store has it
	saving     sync.Mutex // one SetHold at a time; taken before mu
	telling    sync.Mutex // of told, and of telling it; taken before mu
	told       outbox.Hold
	probeAt    time.Time // see nextProbe
	probeWait  time.Duration
	seekWait   time.Duration // since nothing was found to probe with; 0: something was
	probing    bool
	probes     int // since the hold began

	timer  *time.Timer
	armed  bool
	wakeAt time.Time
}

// hand is what a lane knows of a delivery it has in memory.
type hand struct {
	created int64 // receipt, Unix nanoseconds
	tried   bool  // before it came in, so that a claim returns it again
}

func newHand(p *outbox.Pending) hand { return hand{p.CreatedAt.UnixNano(), p.Attempts > 0} }

func newLane(d *Dispatcher, name string) *lane {
	l := &lane{d: d, name: name, keys: map[outbox.Key]hand{}, after: caughtUp, average: 2 << 10}
	l.work = l.worker
	return l
}

// offer takes over a delivery that has just been committed, or leaves it on disk.
func (l *lane) offer(ev *event.Event, a outbox.Address) {
	it := newItem(outbox.Pending{Key: outbox.Key{Event: ev.ID, Address: a}, CreatedAt: ev.ReceivedAt, Event: ev})
	h, by := l.hash(ev, a)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending++
	if l.after != caughtUp || l.filling || l.held() || l.spec == nil || !l.spec.has(a) || !l.fits(it) || l.unordered(by) {
		if l.order != nil && l.order.key == by && ev.ID.Seq() < l.order.newest {
			l.order.join(h, refOf(it.Key)) // later ones are in already
		}
		l.missed(ev)
		return
	}
	if !l.admit(h, &it.Pending) {
		return
	}
	l.push(it)
	l.startWorkers()
}

// missed notes a delivery that stays on disk. Ids are given before the commit,
// so it may well be older than what has been claimed since: after goes back.
func (l *lane) missed(ev *event.Event) {
	l.after = min(l.after, ev.ID.Seq()-1)
	l.oldest = earlier(l.oldest, ev.ReceivedAt)
	if l.held() {
		l.kick() // a probe may have been waiting for it
	}
}

func (l *lane) fits(it item) bool {
	return len(l.keys) < l.d.cfg.Queue && (l.bytes+it.size <= l.spec.memory || len(l.keys) == 0)
}

// push queues a delivery, unless the lane has it already.
func (l *lane) push(it item) bool {
	if _, ok := l.keys[it.Key]; ok {
		return false
	}
	l.take(&it.Pending)
	l.bytes += it.size
	l.average += (it.size - l.average) / 8
	switch {
	case l.collects(&it):
		l.collect(it)
	case it.turn:
		l.queue.pushFront(it)
	default:
		l.queue.push(it)
	}
	return true
}

// take notes that the lane has the delivery in memory.
func (l *lane) take(p *outbox.Pending) {
	h := newHand(p)
	l.keys[p.Key] = h
	if h.tried {
		l.tried++
	}
}

// release lets go of a delivery that the lane had in memory.
func (l *lane) release(k outbox.Key) {
	if l.keys[k].tried {
		l.tried--
	}
	delete(l.keys, k)
	if l.left != nil {
		l.left[k] = struct{}{}
	}
}

// dropQueue leaves what is queued on disk, where it is anyway.
func (l *lane) dropQueue() {
	l.drop(&l.queue)
	for _, c := range l.digests {
		l.drop(&c.queue)
	}
	clear(l.digests)
}

func (l *lane) drop(q *queue) {
	for q.n > 0 {
		it := q.pop()
		l.release(it.Key)
		l.bytes -= it.size
		if it.turn && l.order != nil {
			l.order.turn[refOf(it.Key)] = struct{}{} // behind after, so that nothing else would find it
			l.oldest = earlier(l.oldest, it.CreatedAt)
			continue
		}
		l.toDisk(it.Key, it.CreatedAt)
	}
}

// toDisk notes that a pending delivery is only on disk now.
func (l *lane) toDisk(k outbox.Key, created time.Time) {
	l.after = min(l.after, k.Event.Seq()-1)
	l.nextRetry = l.d.now()
	l.oldest = earlier(l.oldest, created)
}

// room is how many deliveries the clerk may bring in now: none until half the
// memory is free, so that claims come in batches.
func (l *lane) room() int {
	if len(l.keys) > l.d.cfg.Queue/2 || l.bytes > l.spec.memory/2 {
		return 0
	}
	byMemory := (l.spec.memory - l.bytes) / max(1, l.average)
	batch := int64(claimBatch)
	if l.spec.digester != nil {
		batch = max(batch, int64(l.spec.Digest.Max))
	}
	return int(min(batch, int64(l.d.cfg.Queue-len(l.keys)), max(1, byMemory)))
}

// onDisk is how many deliveries wait on disk only.
func (l *lane) onDisk() int { return l.pending - len(l.keys) }

func (l *lane) held() bool { return !l.hold.Since.IsZero() }

// earlier is the earlier of two times, where zero means none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
