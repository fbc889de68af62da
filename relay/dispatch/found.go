package dispatch

import "invitation-relay/relay/outbox"

// Found is told that the store may know of deliveries that it did not, since an
// index that hid them is whole again, a row was given back to its address, or the
// file was opened anew: by how many more of each address are pending than it had
// said. An address without a change need not be there, more may be nil, and there
// may be fewer. All lanes look again for what they do not know of, and order it
// before what is tried next. Found does not block, and may be called at any time.
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
		if l.onDisk() > 0 || l.order != nil {
			l.lookAgain()
			l.stale = true // the oldest may be among them
		}
		l.kick()
		l.mu.Unlock()
	}
}
