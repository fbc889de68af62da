package faults

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// apart gives the relay a processor of its own and this test another, so that
// those who send do not take from the relay what it is measured by. Where that
// cannot be done they share.
func apart(t *testing.T, s *settings) {
	t.Helper()
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		t.Log("the relay and who sends to it share their processors")
		return
	}
	s.before = []string{"taskset", "-c", "0"}
	move := func(cpus string) {
		if out, err := exec.Command("taskset", "-a", "-p", "-c", cpus, strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
			t.Logf("taskset: %v\n%s", err, out)
		}
	}
	last := strconv.Itoa(runtime.NumCPU() - 1)
	move("1-" + last)
	t.Cleanup(func() { move("0-" + last) })
}

// Three times what it can take, for senders who do not wait for each other: a
// part is accepted, the excess is told 503 with Retry-After and not kept waiting,
// nothing accepted is lost, and memory is what the connections cost.
func TestThreeTimesWhatItCanTakeIsRefusedFastAndTheRestAccepted(t *testing.T) {
	allowDescriptors(t, 16000)
	set := settings{conc: 32}
	apart(t, &set)
	s := newSinkApart(t)
	r := newRelay(t, s.url, set)
	r.start(t)
	l := newLoad(r.url)
	seconds := time.Duration(times(t, 1, 4, 60)) * time.Second
	// takes is how many a second it accepts and delivers, senders waiting for their answers.
	takes := func() float64 {
		f := newFlood(t, l, 64)
		begun := time.Now()
		f.closed(t.Context(), 64, min(seconds, 10*time.Second))
		r.drain(t)
		return float64(len(f.yes)) / time.Since(begun).Seconds()
	}
	usual := takes()
	before := r.usage(t)
	f := newFlood(t, l, 8000)
	begun := time.Now()
	f.run(t.Context(), 3*usual, seconds)
	took := time.Since(begun).Seconds()
	after, waiting := r.usage(t), r.pending()
	r.drain(t)
	caughtUp := time.Since(begun).Seconds()
	again := takes()
	settle(t, r, s, l, 0)
	r.stop(t)

	yes, no, usual := float64(len(f.yes)), float64(len(f.no)), min(usual, again)
	t.Logf("it takes %.0f a second; sent %.0f a second (%d more were due while all %d connections waited): %.0f accepted (%.2f x), %.0f delivered, %.0f refused, %d without an answer",
		usual, (yes+no)/took, f.unsent, f.most, yes/took, yes/took/usual, (yes-float64(waiting))/took, no/took, l.count(0))
	t.Logf("accepted in p50 %s, p99 %s; refused in p50 %s, p99 %s; %d deliveries waited at the end, %.0f s later none (%.2f x from the beginning to then); memory %d MB to %d MB",
		quantile(f.yes, 0.5), quantile(f.yes, 0.99), quantile(f.no, 0.5), quantile(f.no, 0.99), waiting, caughtUp-took, yes/caughtUp/usual, before.rss>>20, after.most>>20)
	if most := int64(512 << 20); after.most > most {
		t.Errorf("memory was %d MB, want at most %d", after.most>>20, most>>20)
	}
	if n := l.count(0); n > 0 {
		t.Errorf("%d requests had no answer within %s", n, f.timeout)
	}
	if asked(t) != long {
		return // what a machine with other work shows of the rest says nothing
	}
	if yes/took < 0.8*usual {
		t.Errorf("%.0f accepted a second, want at least 0.8 x %.0f", yes/took, usual)
	}
	// Deliveries wait for the processor meanwhile; they must catch up.
	if yes/caughtUp < 0.5*usual {
		t.Errorf("%.0f delivered a second until none waited, want at least 0.5 x %.0f", yes/caughtUp, usual)
	}
	if no == 0 || quantile(f.no, 0.99) > time.Second {
		t.Errorf("%.0f refused, p99 %s, want some, within a second", no, quantile(f.no, 0.99))
	}
}

// Many more senders than it serves at once, each waiting for its answer: they
// wait their turn, or get 503, none is left without an answer, and it is not much
// slower than with few.
func TestAFloodIsServedOrRefusedAndMemoryStaysFlat(t *testing.T) {
	senders := times(t, 100, 500, 2000)
	allowDescriptors(t, uint64(senders)+1000)
	s := newSink(t)
	r := newRelay(t, s.url, settings{conc: 32})
	r.start(t)
	l := newLoad(r.url)
	rate := func(connections int) float64 {
		f := newFlood(t, l, connections)
		begun := time.Now()
		f.closed(t.Context(), connections, time.Duration(times(t, 1, 3, 20))*time.Second)
		r.drain(t)
		return float64(len(f.yes)) / time.Since(begun).Seconds()
	}
	usual := rate(32)
	before := r.usage(t)
	flooded := rate(senders)
	after := r.usage(t)
	settle(t, r, s, l, 0)
	r.stop(t)
	t.Logf("32 senders: %.0f/s, %d senders: %.0f/s (%.2f of it), memory %d MB to %d MB, at most %d MB",
		usual, senders, flooded, flooded/usual, before.rss>>20, after.rss>>20, after.most>>20)
	if after.most > 200<<20 {
		t.Errorf("memory was %d MB, want at most 200", after.most>>20)
	}
	if n := l.count(0); n > 0 {
		t.Errorf("%d requests had no answer", n)
	}
	if asked(t) == long && flooded < 0.6*usual {
		t.Errorf("%.0f a second, want at least 0.6 x %.0f", flooded, usual)
	}
}
