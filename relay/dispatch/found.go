package dispatch

import "invitation-relay/relay/outbox"

// Found is told by how many more deliveries of each address the store knows to be
// pending than it had said, since an index that hid them is whole again; the
// number may be negative, and be none. All lanes look again for what they do not
// know of. It does not block, and may be called at any time.
func (d *Dispatcher) Found(more map[outbox.Address]int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.loaded.Load() {
		d.early++ // what Load may just be reading is out of date
		return
	}
	for a, n := range more {
		l := d.laneLocked(a.Target())
		l.mu.Lock()
		l.pending += n
		l.mu.Unlock()
		d.pending.Add(int64(n))
	}
	for _, l := range *d.lanes.Load() {
		l.mu.Lock()
		if l.onDisk() > 0 {
			l.lookAgain()
			l.stale = true // the oldest may be among them
		}
		l.kick()
		l.mu.Unlock()
	}
}
