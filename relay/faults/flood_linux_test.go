package faults

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// usage is what a process holds.
type usage struct {
	rss, most, heap         int64 // bytes; most is of rss, ever
	descriptors, goroutines int
}

func (u usage) String() string {
	return fmt.Sprintf("memory %d MB, heap in use %d MB, %d descriptors, %d goroutines", u.rss>>20, u.heap>>20, u.descriptors, u.goroutines)
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
		name, value, _ := strings.Cut(lines.Text(), ":")
		into := map[string]*int64{"VmRSS": &u.rss, "VmHWM": &u.most}[name]
		if into == nil {
			continue
		}
		kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		*into = kb << 10
	}
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		t.Fatal(err)
	}
	u.descriptors = len(fds)
	u.goroutines, u.heap = int(r.metric(t, "go_goroutines")), int64(r.metric(t, "go_memstats_heap_inuse_bytes"))
	return u
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
		lacks(t, fmt.Sprintf("%d open files (%v)", n, err))
	}
}

// A million deliveries wait for a target that is down; then it comes back.
func TestABacklogFitsInMemoryOpensFastAndIsServed(t *testing.T) {
	backlog := times(t, 2000, 20000, 1000000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"down"}, conc: 64})
	r.start(t)
	empty := r.rate(t, s, times(t, 1000, 1000, 20000))
	l := newLoad(r.url)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 64, 0)
	until(t, "the backlog is there", func() bool { return within(15*time.Minute, func() bool { return l.accepted() >= backlog }) })
	stop()
	<-ended
	waiting := r.usage(t)
	full := r.rate(t, s, times(t, 1000, 1000, 20000))
	r.stop(t)
	begun := time.Now()
	r.start(t)
	ready := time.Since(begun)
	opened := r.usage(t)
	s.up.Store(true)
	resp, err := http.Post(r.admin+"/api/v1/targets/down/release", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // that it was not on hold is fine too
	until(t, "the backlog is served", func() bool { return within(15*time.Minute, func() bool { return r.pending() == 0 }) })
	settle(t, r, s, l, 0)
	r.stop(t)
	t.Logf("%d waiting: memory %d MB, %d MB after a restart, ready in %s, accepting %.2f x as fast as empty",
		backlog, waiting.rss>>20, opened.rss>>20, ready.Round(time.Millisecond), full/empty)
	if most := int64(200 << 20); waiting.rss > most || opened.rss > most {
		t.Errorf("memory is %d MB, and %d MB after a restart, want at most 200", waiting.rss>>20, opened.rss>>20)
	}
	// Minutes lie between the two rates, in which machines drift: what the ratio is, relay/bench tells.
	if asked(t) == long && (ready > 2*time.Second || full < 0.6*empty) {
		t.Errorf("ready in %s, accepting %.2f x as fast as empty, want within 2s, and at least 0.6 x", ready, full/empty)
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

// As many events as ten days at one a second, at full speed: nothing grows but
// the file and, by what deduplication remembers, memory.
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
		t.Logf("after %d: %s", l.accepted(), at[quarter])
	}
	stop()
	<-ended
	a := settle(t, r, s, l, 0)
	r.stop(t) // puts the write-ahead log into the file
	info, err := os.Stat(r.store)
	if err != nil {
		t.Fatal(err)
	}
	each := info.Size() / int64(max(1, a.accepted))
	t.Logf("%d accepted, %d lost; store %d bytes an event", a.accepted, a.lost, each)
	first, last := at[0], at[3]
	if last.descriptors > first.descriptors+100 || last.goroutines > first.goroutines+1000 {
		t.Errorf("descriptors grew from %d to %d, goroutines from %d to %d", first.descriptors, last.descriptors, first.goroutines, last.goroutines)
	}
	if most := first.heap + 64<<20 + 64*int64(events); last.heap > most {
		t.Errorf("the heap grew from %d to %d MB", first.heap>>20, last.heap>>20)
	}
	if asked(t) == long && each > 500 { // of few events the empty file is most
		t.Errorf("the store has %d bytes an event, want at most 500", each)
	}
}
