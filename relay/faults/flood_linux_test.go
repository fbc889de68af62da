package faults

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// usage is what a process holds.
type usage struct {
	rss         int64 // bytes
	descriptors int
}

func (r *relay) usage(t *testing.T) (u usage) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/", r.cmd.Process.Pid)
	f, err := os.Open(dir + "status")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			u.rss = kb << 10
		}
	}
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		t.Fatal(err)
	}
	u.descriptors = len(fds)
	return u
}

// dawdlers are connections that begin a request and do not go on with it.
func dawdlers(t *testing.T, hook string, n int) (closeAll func()) {
	t.Helper()
	u, err := url.Parse(hook)
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	for range n {
		c, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(t.Context(), "tcp", u.Host)
		if err != nil {
			t.Fatalf("connection %d: %v", len(conns), err)
		}
		conns = append(conns, c)
		if _, err := c.Write([]byte("POST /hook HTTP/1.1\r\nHost: relay\r\nContent-Le")); err != nil {
			continue // its time was up already
		}
	}
	return func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}
}

func TestHalfOpenConnectionsDoNotKeepValidRequestsOut(t *testing.T) {
	n := times(t, 500, 4000, 10000)
	allowDescriptors(t, uint64(n)+1000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{})
	r.start(t)
	before := r.usage(t)
	l := newLoad(r.url)
	closeAll := dawdlers(t, r.url, n)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 8, 10*time.Millisecond)
	l.waitFor(t, 300)
	during := r.usage(t)
	stop()
	<-ended
	closeAll()
	settle(t, r, s, l, 0)
	if refused := len(l.sent) - l.accepted(); refused > 0 {
		t.Errorf("%d of %d valid requests were not accepted", refused, len(l.sent))
	}
	until(t, "the connections are closed", func() bool { return r.usage(t).descriptors < before.descriptors+100 })
	r.stop(t)
	t.Logf("%d half-open connections (%d descriptors in use), %d accepted, p99 %s, memory %d MB to %d MB",
		n, during.descriptors, l.accepted(), l.p99(), before.rss>>20, during.rss>>20)
}

func allowDescriptors(t *testing.T, n uint64) {
	t.Helper()
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	if lim.Cur >= n {
		return
	}
	lim.Cur, lim.Max = n, max(n, lim.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		t.Skipf("this needs %d open files: %v", n, err)
	}
}

func TestARelayOutOfDescriptorsAcceptsAgainWhenThereAreSome(t *testing.T) {
	s := newSink(t)
	r := newRelay(t, s.url, settings{before: []string{"prlimit", "--nofile=96"}})
	r.start(t)
	l := newLoad(r.url)
	closeAll := dawdlers(t, r.url, 200) // more than it may have; the kernel queues the rest
	pause(t.Context(), 300*time.Millisecond)
	if !r.alive() {
		t.Fatalf("the relay died of a lack of descriptors: %v", r.err)
	}
	closeAll()
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 4, 0)
	l.waitFor(t, 100)
	stop()
	<-ended
	settle(t, r, s, l, 0)
	r.stop(t)
}

// More senders than it can serve: the excess gets 503 with Retry-After, or
// waits its turn, and memory does not grow with the flood.
func TestAFloodIsServedOrRefusedAndMemoryStaysFlat(t *testing.T) {
	senders := times(t, 100, 500, 2000)
	allowDescriptors(t, uint64(senders)+1000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{conc: 32})
	r.start(t)
	rate := func(connections, events int) float64 {
		l := newLoad(r.url)
		ctx, stop := context.WithCancel(t.Context())
		begun := time.Now()
		ended := l.run(ctx, connections, 0)
		l.waitFor(t, events)
		took := time.Since(begun)
		stop()
		<-ended
		a := settle(t, r, s, l, 0)
		return float64(a.accepted) / took.Seconds()
	}
	events := times(t, 1000, 5000, 100000)
	usual := rate(32, events)
	before := r.usage(t)
	flooded := rate(senders, events)
	after := r.usage(t)
	r.stop(t)
	t.Logf("32 senders: %.0f/s, %d senders: %.0f/s (%.2f of it), memory %d MB to %d MB", usual, senders, flooded, flooded/usual, before.rss>>20, after.rss>>20)
	if after.rss > 200<<20 {
		t.Errorf("memory is %d MB after the flood, want at most 200", after.rss>>20)
	}
}

// A million deliveries wait for a target that is down; then it comes back.
func TestABacklogFitsInMemoryOpensFastAndIsServed(t *testing.T) {
	backlog := times(t, 2000, 20000, 1000000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"down"}, conc: 64})
	r.start(t)
	empty := r.rate(t, s, 1000)
	l := newLoad(r.url)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 64, 0)
	until(t, "the backlog is there", func() bool { return within(15*time.Minute, func() bool { return l.accepted() >= backlog }) })
	stop()
	<-ended
	waiting := r.usage(t)
	full := r.rate(t, s, 1000)
	r.stop(t)
	begun := time.Now()
	r.start(t)
	ready := time.Since(begun)
	opened := r.usage(t)
	s.up.Store(true)
	resp, err := http.Post(r.admin+"/api/v1/targets/down/release", "", nil)
	if err == nil {
		_ = resp.Body.Close() // where there is no such call yet, the next probe does it
	}
	until(t, "the backlog is served", func() bool { return within(15*time.Minute, func() bool { return r.pending() == 0 }) })
	settle(t, r, s, l, 0)
	r.stop(t)
	t.Logf("%d waiting: memory %d MB, %d MB after a restart, ready in %s, accepting %.2f x as fast as empty",
		backlog, waiting.rss>>20, opened.rss>>20, ready.Round(time.Millisecond), full/empty)
	if most := int64(200 << 20); waiting.rss > most || opened.rss > most {
		t.Errorf("memory is %d MB, and %d MB after a restart, want at most 200", waiting.rss>>20, opened.rss>>20)
	}
}

// rate is how many events a second are accepted now.
func (r *relay) rate(t *testing.T, s *sink, events int) float64 {
	t.Helper()
	l := newLoad(r.url)
	l.next.Store(time.Now().UnixNano()) // ids of its own
	ctx, stop := context.WithCancel(t.Context())
	begun := time.Now()
	ended := l.run(ctx, 32, 0)
	l.waitFor(t, events)
	took := time.Since(begun)
	stop()
	<-ended
	s.mu.Lock()
	s.extra = append(s.extra, l)
	s.mu.Unlock()
	return float64(events) / took.Seconds()
}

// As many events as ten days at one a second, at full speed: nothing grows.
func TestASoakLeavesNothingBehind(t *testing.T) {
	events := times(t, 2000, 20000, 864000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"steady", "flaky"}, conc: 32})
	r.start(t)
	l := newLoad(r.url)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 32, 0)
	var at [4]usage
	for quarter := range at {
		until(t, "a quarter is done", func() bool {
			return within(15*time.Minute, func() bool { return l.accepted() >= events*(quarter+1)/4 })
		})
		at[quarter] = r.usage(t)
	}
	stop()
	<-ended
	a := settle(t, r, s, l, 0)
	r.stop(t) // puts the write-ahead log into the file
	info, err := os.Stat(r.store)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d accepted, %d lost; memory %d, %d, %d, %d MB; descriptors %d, %d, %d, %d; store %d bytes an event", a.accepted, a.lost,
		at[0].rss>>20, at[1].rss>>20, at[2].rss>>20, at[3].rss>>20, at[0].descriptors, at[1].descriptors, at[2].descriptors, at[3].descriptors,
		info.Size()/int64(max(1, a.accepted)))
	if at[3].descriptors > at[0].descriptors+100 {
		t.Errorf("descriptors grew from %d to %d", at[0].descriptors, at[3].descriptors)
	}
}
