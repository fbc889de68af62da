package relay

import (
	"sync"
	"time"
)

// brakeFor is how long a line about one thing holds back others about it: what
// a sender causes once an event must not fill the disk with log.
const brakeFor = time.Minute

// brake lets one line a minute through for each key. The zero value is ready
// and safe for concurrent use. Keys come from the config, so there are few.
type brake struct {
	mu   sync.Mutex
	keys map[string]*braked
}

type braked struct {
	since time.Time
	held  int
}

// pass says whether a line about key may be written at now, and how many were
// held back before it.
func (b *brake) pass(key string, now time.Time) (held int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.keys[key]
	if k == nil {
		if b.keys == nil {
			b.keys = map[string]*braked{}
		}
		b.keys[key] = &braked{since: now}
		return 0, true
	}
	if now.Sub(k.since).Abs() < brakeFor { // of two events at once the later may come first
		k.held++
		return 0, false
	}
	held = k.held
	*k = braked{since: now}
	return held, true
}
