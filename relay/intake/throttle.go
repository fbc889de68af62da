package intake

import (
	"net/netip"
	"sync"
	"time"
)

// A guesser gets this many wrong answers a minute, and no more.
const (
	maxFailures   = 20
	failureWindow = time.Minute
	maxGuessers   = 4096 // addresses remembered at once, about 400 kB
)

// throttle counts failures by address. It is asked only about requests that have
// failed: the sender with right credentials is never delayed, also when it
// shares its address with a guesser.
//
// Its memory is bounded. While it is full, addresses it has not seen share one
// count: then the innocent among those who failed wait as well.
type throttle struct {
	mu    sync.Mutex
	seen  map[netip.Addr]*window
	rest  window
	swept time.Time
}

// window is a minute that begins with the first failure in it.
type window struct {
	begun time.Time
	n     int
}

// fail counts one failure, and says how long the sender of it must wait: zero
// while it has failures left.
func (t *throttle) fail(addr netip.Addr, now time.Time) time.Duration {
	addr = group(addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.seen[addr]
	if w == nil {
		w = t.add(addr, now)
	}
	if age := now.Sub(w.begun); age >= failureWindow || age < 0 { // a clock that went back begins anew
		*w = window{begun: now}
	}
	if w.n++; w.n <= maxFailures {
		return 0
	}
	return w.begun.Add(failureWindow).Sub(now)
}

func (t *throttle) add(addr netip.Addr, now time.Time) *window {
	if t.seen == nil {
		t.seen = make(map[netip.Addr]*window)
	}
	if len(t.seen) >= maxGuessers {
		if age := now.Sub(t.swept); age >= 0 && age < time.Second {
			return &t.rest // it was full a moment ago
		}
		t.swept = now
		for a, w := range t.seen {
			if age := now.Sub(w.begun); age >= failureWindow || age < 0 {
				delete(t.seen, a)
			}
		}
		if len(t.seen) >= maxGuessers {
			return &t.rest
		}
	}
	w := &window{begun: now}
	t.seen[addr] = w
	return w
}

// group is what counts as one address: of IPv6 the network of 64 bits, because
// one machine can have all the addresses in it.
func group(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return addr
}
