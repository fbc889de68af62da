package intake

import (
	"container/list"
	"runtime"
	"sync"
	"time"
)

// mostInHand is how many requests are decoded, decided and stored at once. So
// many keep the processors and an ordinary disk busy; each further one would
// make commits longer, for which the ends of deliveries wait too.
var mostInHand = 64 * runtime.GOMAXPROCS(0)

const (
	// mostWaiting is how many more may wait for that, and mostBytes how much all of
	// them may have sent; what is decoded of it is a few times that.
	mostWaiting = 4096
	mostBytes   = 64 << 20
	// slight is what each body may have sent before it is counted among those that
	// are still arriving, which may have sent mostBytes too: senders that dawdle
	// take no memory without bound, and none from bodies of the usual size.
	slight = 16 << 10
	// roomPatience is how long one waits before it is refused: a burst, or a disk
	// that hesitates, is over by then, and hardly a sender has given up.
	roomPatience = 500 * time.Millisecond
	// crowdedFor is how long nobody waits any more after somebody was refused.
	crowdedFor = time.Second
)

// Room is how much an intake takes in hand. A burst waits its turn, in the order
// it came. When somebody has waited in vain it is no burst but a rate that
// cannot be kept: then whoever finds no room is refused at once, until nobody
// was for a second, because waiting would only make all of them late.
//
// It outlives the handler, so that a reload does not double the room. The zero
// value is ready; all methods are safe for concurrent use.
type Room struct {
	mu       sync.Mutex
	inside   int
	bytes    int64     // of those inside and waiting
	arriving int64     // of bodies that have not come to their end, beyond slight of each
	waiting  list.List // of chan struct{}, closed when it is one's turn
	refused  time.Time // when somebody last was
}

// crowded reports whether the next request is refused, so that its body need not
// be read.
func (r *Room) crowded() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.free() && r.refuses(0)
}

// arrive counts n bytes more of a body that is arriving, beside those that were
// counted of it, or says no. Beside no other any body may arrive.
func (r *Room) arrive(n, counted int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.arriving+int64(n) > mostBytes && r.arriving > int64(counted) {
		return false
	}
	r.arriving += int64(n)
	return true
}

// arrived takes back what was counted of a body that has come, or will not.
func (r *Room) arrived(counted int) {
	if counted == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.arriving -= int64(counted)
}

// enter takes a request of size bytes in hand, now or within roomPatience, or
// says no. Whoever has entered leaves.
func (r *Room) enter(size int) bool {
	r.mu.Lock()
	if r.free() && r.fits(size) {
		r.inside++
		r.bytes += int64(size)
		r.mu.Unlock()
		return true
	}
	if r.refuses(size) {
		r.mu.Unlock()
		return false
	}
	turn := make(chan struct{})
	place := r.waiting.PushBack(turn)
	r.bytes += int64(size)
	r.mu.Unlock()
	return r.wait(turn, place, size)
}

// leave makes room for whoever has waited longest.
func (r *Room) leave(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes -= int64(size)
	next := r.waiting.Front()
	if next == nil {
		r.inside--
		return
	}
	turn, _ := r.waiting.Remove(next).(chan struct{})
	close(turn)
}

func (r *Room) free() bool { return r.inside < mostInHand && r.waiting.Len() == 0 }

// fits: into an empty room fits any body, whatever a source's max_body is.
func (r *Room) fits(size int) bool { return r.bytes == 0 || r.bytes+int64(size) <= mostBytes }

// refuses says whether a request that finds no room may not even wait, and
// remembers that.
func (r *Room) refuses(size int) bool {
	now := time.Now()
	if now.Sub(r.refused) >= crowdedFor && r.waiting.Len() < mostWaiting && r.fits(size) {
		return false
	}
	r.refused = now
	return true
}

func (r *Room) wait(turn chan struct{}, place *list.Element, size int) bool {
	patience := time.NewTimer(roomPatience)
	defer patience.Stop()
	select {
	case <-turn:
		return true
	case <-patience.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-turn: // came meanwhile
		return true
	default:
	}
	r.waiting.Remove(place)
	r.bytes -= int64(size)
	r.refused = time.Now()
	return false
}
