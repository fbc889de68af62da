package faults

import (
	"context"
	"net"
	"net/url"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// dawdlers are connections that begin a request and do not go on with it.
type dawdlers struct {
	host string

	mu    sync.Mutex
	conns []net.Conn
}

func newDawdlers(t *testing.T, hook string) *dawdlers {
	t.Helper()
	u, err := url.Parse(hook)
	if err != nil {
		t.Fatal(err)
	}
	d := &dawdlers{host: u.Host}
	t.Cleanup(d.close)
	return d
}

// open opens n of them.
func (d *dawdlers) open(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", d.host)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		d.begin(c)
		d.mu.Lock()
		d.conns = append(d.conns, c)
		d.mu.Unlock()
	}
}

func (d *dawdlers) begin(c net.Conn) {
	_, _ = c.Write([]byte("POST /hook HTTP/1.1\r\nHost: relay\r\nContent-Le")) // its time may be up already
}

// persist opens each of them again, as soon as it is closed, until ctx ends.
func (d *dawdlers) persist(ctx context.Context) (ended <-chan struct{}) {
	var wg sync.WaitGroup
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, c := range d.conns {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = c.Read(make([]byte, 1)) // until the relay closes it
				_ = c.Close()
				var err error
				if c, err = (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", d.host); err != nil {
					return
				}
				d.begin(c)
				d.mu.Lock()
				d.conns[i] = c
				d.mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

func (d *dawdlers) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		_ = c.Close()
	}
}

// While thousands of half-open connections come and are there, valid requests are
// answered fast. What closing so many costs is the kernel's work and ours.
func TestHalfOpenConnectionsDoNotKeepValidRequestsOut(t *testing.T) {
	n := times(t, 500, 4000, 10000)
	allowDescriptors(t, uint64(n)+1000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{})
	r.start(t)
	before := r.usage(t)
	l := newLoad(r.url)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 8, 16*time.Millisecond) // 500 a second
	l.waitFor(t, 200)
	l.phase("before")
	d := newDawdlers(t, r.url)
	d.open(t, n)
	l.phase("while they open")
	pause(ctx, 3*time.Second) // the first are closed after five
	during := r.usage(t)
	l.phase("while they are there")
	persistent, enough := context.WithCancel(t.Context())
	gone := d.persist(persistent)
	pause(ctx, time.Duration(times(t, 0, 6, 30))*time.Second)
	l.phase("while they are closed and come again")
	enough()
	d.close()
	<-gone
	stop()
	<-ended
	settle(t, r, s, l, 0)
	if refused := len(l.sent) - l.accepted(); refused > 0 {
		t.Errorf("%d of %d valid requests were not accepted", refused, len(l.sent))
	}
	until(t, "the connections are closed", func() bool { return r.usage(t).descriptors < before.descriptors+100 })
	r.stop(t)
	t.Logf("%d half-open connections (%d descriptors in use), %d accepted, memory %d MB to %d MB; p99 %s",
		n, during.descriptors, l.accepted(), before.rss>>20, during.rss>>20, l.phases)
	for _, p := range l.phases[1:3] {
		if asked(t) == long && p.p99 > 50*time.Millisecond {
			t.Errorf("p99 is %s, want at most 50ms", p)
		}
	}
	if most := before.rss + int64(n)*32<<10 + 64<<20; during.rss > most {
		t.Errorf("memory is %d MB, want at most %d: 32 kB a connection", during.rss>>20, most>>20)
	}
}

// While strangers hold every connection the relay may have, a sender gets in and
// what it sends is delivered: not one attempt lacks a descriptor.
func TestStrangersWhoHoldAllConnectionsKeepNeitherSendersNorDeliveriesOut(t *testing.T) {
	if _, err := exec.LookPath("prlimit"); err != nil {
		lacks(t, "prlimit (apt-get install util-linux)")
	}
	s := newSink(t)
	r := newRelay(t, s.url, settings{before: []string{"prlimit", "--nofile=128"}})
	r.start(t)
	d := newDawdlers(t, r.url)
	d.open(t, 300) // the kernel queues those who find no place
	ctx, stop := context.WithCancel(t.Context())
	gone := d.persist(ctx)
	l := newLoad(r.url)
	ended := l.run(ctx, 4, 0)
	l.waitFor(t, times(t, 50, 200, 2000))
	if !r.alive() {
		t.Fatalf("the relay died of a lack of descriptors: %v", r.err)
	}
	d.close()
	stop()
	<-ended
	<-gone
	settle(t, r, s, l, 0)
	if refused := len(l.sent) - l.accepted(); refused > 0 {
		t.Errorf("%d of %d valid requests were not accepted", refused, len(l.sent))
	}
	if n := r.metric(t, `relay_attempts_total{outcome="retry",target="steady"}`); n > 0 {
		t.Errorf("%v attempts failed, want none", n)
	}
	r.stop(t)
}
