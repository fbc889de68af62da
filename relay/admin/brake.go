package admin

import (
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	maxFailures  = 10          // wrong passwords from one address
	brakeFor     = time.Minute // in this time
	maxAddresses = 10_000      // beyond it, every new address waits
)

// brake slows down guessing: after maxFailures wrong passwords within a minute
// an address has to wait for the next one. The zero value is ready and safe for
// concurrent use; its memory is bounded.
type brake struct {
	mu       sync.Mutex
	until    time.Time // end of the minute that is counted
	failures map[netip.Prefix]int
}

// wait is how long an address has to; 0 or less when it may try.
func (b *brake) wait(from netip.Prefix, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, seen := b.failures[from]
	if n >= maxFailures || !seen && len(b.failures) >= maxAddresses {
		return b.until.Sub(now)
	}
	return 0
}

// failed counts a wrong password, and reports whether it was the last one allowed.
func (b *brake) failed(from netip.Prefix, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures == nil || !now.Before(b.until) {
		b.failures, b.until = map[netip.Prefix]int{}, now.Add(brakeFor)
	}
	b.failures[from]++
	return b.failures[from] == maxFailures
}

// addressOf is where a request comes from: an IPv4 address, or the /64 of an
// IPv6 one, since whoever has one address of it has them all.
func addressOf(r *http.Request) netip.Prefix {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Prefix{}
	}
	ip := ap.Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // never fails: the address is valid and bits fit it
	return p
}
