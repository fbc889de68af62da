package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// backWithin is how soon a relay accepts again once its disk is well.
const backWithin = 5 * time.Second

// While the disk is full each target gets at most as many deliveries as it has
// places (concurrency): an attempt keeps its place until its end is recorded, so
// that a crash repeats no more than that.
func TestAFullDiskIsAnswered503AndForgottenWhenThereIsSpace(t *testing.T) {
	d := newDisk(t, 96<<20)
	s := newSink(t)
	s.up.Store(true)
	r := newRelay(t, s.url, settings{store: filepath.Join(d.mount, "relay.db"), targets: []string{"steady", "slow"}})
	l := newLoad(r.url)
	r.start(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := l.run(ctx, 8, 2*time.Millisecond)
	for range times(t, 0, 2, 10) {
		l.waitFor(t, 200)
		refused := l.count(http.StatusServiceUnavailable)
		ballast := fill(t, d.mount)
		until(t, "events are refused", func() bool { return l.count(http.StatusServiceUnavailable) > refused && r.status("/readyz") == 503 })
		if got := r.status("/livez"); got != http.StatusOK {
			t.Errorf("/livez answers %d while the disk is full, want 200", got)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		back := time.Now()
		l.forget()
		l.waitFor(t, 1)
		if took := time.Since(back); took > backWithin {
			t.Errorf("accepting again after %s, want within %s", took, backWithin)
		}
		until(t, "it is ready again", func() bool { return r.status("/readyz") == 200 })
	}
	stop()
	<-ended
	a := settle(t, r, s, l, -1) // ends of attempts that could not be recorded may be made again only after a crash
	if a.repeated > 0 {
		t.Errorf("%d deliveries were repeated without a crash", a.repeated)
	}
	r.stop(t)
	t.Logf("%d accepted, %d refused with 503, %d lost", a.accepted, l.count(http.StatusServiceUnavailable), a.lost)
}

// fill uses up the disk, to its last block.
func fill(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for size := 1 << 20; size >= 512; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return f.Name()
}

// An error of the disk at the K-th call: nothing that was answered 2xx is lost,
// and the same process accepts again by itself. At the start it may refuse to
// run; the next start is whole.
func TestAnErrorOfTheDiskLosesNothingAndIsOverByItself(t *testing.T) {
	_, tool := exec.LookPath("strace")
	needs(t, "strace (apt-get install strace)", tool != nil)
	var ks []int
	switch asked(t) {
	case long:
		for k := range 50 {
			ks = append(ks, k+1)
		}
		for k := 55; k < 200; k += 5 { // a write is a page of many, an fsync one of few
			ks = append(ks, k)
		}
	default:
		ks = []int{9, 1, 40, 90}
	}
	for _, fault := range []struct{ call, error string }{{"fsync", "EIO"}, {"pwrite64", "EIO"}, {"pwrite64", "ENOSPC"}, {"pwrite64", "EROFS"}} {
		t.Run(fault.call+" "+fault.error, func(t *testing.T) {
			var all trial
			lived := 0
			for i, k := range ks {
				when := fmt.Sprint(k)
				if fault.error == "EROFS" { // takes longest
					if asked(t) == short && i > 1 {
						break
					}
					when = fmt.Sprintf("%d..%d", k, k+4) // read-only for a while; strace counts for each thread
				}
				one := failDisk(t, fmt.Sprintf("inject=%s:error=%s:when=%s", fault.call, fault.error, when))
				all.accepted, all.lost = all.accepted+one.accepted, all.lost+one.lost
				all.refused, all.failed = all.refused+one.refused, all.failed+one.failed
				all.out = max(all.out, one.out)
				if one.lived {
					lived++
				}
			}
			if all.failed == 0 || all.refused == 0 || lived == 0 {
				t.Errorf("this tested nothing: %d calls failed, %d events were refused, %d processes went on", all.failed, all.refused, lived)
			}
			t.Logf("%d runs, %d calls failed, %d processes went on by themselves, %d accepted, %d lost, %d refused with 503, accepting again after %s at most",
				len(ks), all.failed, lived, all.accepted, all.lost, all.refused, all.out.Round(time.Millisecond))
		})
	}
}

// trial is what a relay did whose disk failed.
type trial struct {
	accepted, lost, refused, failed int           // events, and calls to the disk
	out                             time.Duration // from the last call that failed to the first event that was accepted again
	lived                           bool          // the process, over its start
}

// failDisk runs a relay through one fault.
func failDisk(t *testing.T, inject string) (one trial) {
	t.Helper()
	s := newSink(t)
	calls := filepath.Join(t.TempDir(), "calls")
	r := newRelay(t, s.url, settings{
		targets: []string{"steady", "down"},
		before:  []string{"strace", "-f", "-qq", "-ttt", "-o", calls, "-e", "trace=fsync,pwrite64", "-e", inject},
	})
	strace := r.before
	r.before = nil
	r.start(t) // makes the store, so that few calls are left before the first event
	r.stop(t)
	r.before = strace
	l := newLoad(r.url)
	r.launch(t)
	until(t, "the relay is ready or dead", func() bool { return r.status("/readyz") == 200 || !r.alive() })
	if one.lived = r.alive(); one.lived {
		ctx, stop := context.WithCancel(t.Context())
		ended := l.run(ctx, 4, 0)
		l.waitFor(t, 60)
		if !within(30*time.Second, func() bool { return r.status("/readyz") == 200 }) {
			t.Errorf("%s: not ready again", inject)
		}
		stop()
		<-ended
		if !r.alive() {
			t.Errorf("%s: the process ended: %v", inject, r.err)
		} else {
			r.kill(t)
		}
	}
	r.before = nil
	r.start(t)
	a := settle(t, r, s, l, len(r.targets)*r.conc)
	r.stop(t)
	text, err := os.ReadFile(calls)
	if err != nil {
		t.Fatal(err)
	}
	one.accepted, one.lost, one.refused = a.accepted, a.lost, l.count(http.StatusServiceUnavailable)
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "(INJECTED)") {
			continue
		}
		one.failed++
		at, err := strconv.ParseFloat(strings.Fields(line)[1], 64) // behind the process
		if err != nil {
			t.Fatal(err)
		}
		one.out = max(0, l.back.Sub(time.UnixMicro(int64(at*1e6))))
	}
	if one.out > backWithin {
		t.Errorf("%s: accepting again after %s, want within %s", inject, one.out, backWithin)
	}
	return one
}
