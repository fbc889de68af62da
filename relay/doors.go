package relay

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// dawdles is after how long a connection that has not sent a whole request may
// be closed to let another in.
const dawdles = time.Second

// atOnce is how many connections are let in before those that are served get the
// processor: while thousands come, nobody waits for all of them.
const atOnce = 8

// doors is a listener that has at most so many connections, so that whoever
// holds many of them open takes neither the descriptors that deliveries and the
// store need, nor memory without bound. When all are taken, a new one gets the
// place of the one that has owed its first request longest, or else of the one
// that has been idle longest; it waits while there is none such.
type doors struct {
	net.Listener
	most int
	came int // Accept's alone

	mu     sync.Mutex
	change *sync.Cond // a place, or somebody who may be shown out, or closed
	taken  int
	fresh  list.List // of *visitor: before their first request, the longest first
	idle   list.List // between two requests
	closed bool
}

// visitor is a connection of doors.
type visitor struct {
	net.Conn
	d     *doors
	left  bool       // closed
	in    *list.List // nil while it has a request in hand
	place *list.Element
	since time.Time // when it came into that list
}

func newDoors(l net.Listener, most int) *doors {
	d := &doors{Listener: l, most: most}
	d.change = sync.NewCond(&d.mu)
	return d
}

// Accept waits for a connection, and for a place for it. One goroutine calls it.
func (d *doors) Accept() (net.Conn, error) {
	if d.came++; d.came%atOnce == 0 {
		runtime.Gosched() // those who are inside first
	}
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.taken >= d.most && !d.closed {
		if v := d.dawdler(); v != nil {
			d.mu.Unlock()
			_ = v.Close() // gives its place back; who reads from it notices
			d.mu.Lock()
			continue
		}
		again := time.AfterFunc(dawdles/4, d.look) // somebody may have dawdled by then
		d.change.Wait()
		again.Stop()
	}
	if d.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	d.taken++
	v := &visitor{Conn: c, d: d}
	d.put(v, &d.fresh)
	return v, nil
}

// look wakes Accept. With the lock, so that it is not told before it waits.
func (d *doors) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.change.Broadcast()
}

// dawdler is who goes first.
func (d *doors) dawdler() *visitor {
	for _, l := range []*list.List{&d.fresh, &d.idle} {
		if first := l.Front(); first != nil {
			if v, _ := first.Value.(*visitor); time.Since(v.since) >= dawdles {
				return v
			}
		}
	}
	return nil
}

// put moves v to the end of a list, or out of all.
func (d *doors) put(v *visitor, l *list.List) {
	if v.in != nil {
		v.in.Remove(v.place)
	}
	if v.in = l; v.in != nil {
		v.place, v.since = l.PushBack(v), time.Now()
	}
}

// state is the server's ConnState: the whole head of a request makes a
// connection active, the end of its answer makes it idle.
func (d *doors) state(c net.Conn, s http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	v, ok := c.(*visitor)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case v.left:
	case s == http.StateActive:
		d.put(v, nil)
	case s == http.StateIdle:
		d.put(v, &d.idle)
	}
}

// Close closes the listener; connections stay.
func (d *doors) Close() error {
	d.mu.Lock()
	d.closed = true
	d.change.Broadcast()
	d.mu.Unlock()
	return d.Listener.Close()
}

// Close closes the connection and gives its place to another, once.
func (v *visitor) Close() error {
	v.d.mu.Lock()
	if !v.left {
		v.left = true
		v.d.put(v, nil)
		v.d.taken--
		v.d.change.Signal()
	}
	v.d.mu.Unlock()
	return v.Conn.Close()
}
