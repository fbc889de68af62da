package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"invitation-relay/relay/failpoint"
)

// One store through all kills, four targets, two of them failing: what was
// answered 2xx arrives everywhere, nothing else does, and a repeat is an attempt
// that was in flight.
func TestNothingAcceptedIsLostWhenTheProcessIsKilledUnderLoad(t *testing.T) {
	kills := times(t, 3, 30, 500)
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"steady", "flaky", "slow", "down"}})
	l := newLoad(r.url)
	var loaded time.Duration
	for n := range kills {
		r.start(t)
		s.up.Store(n%2 == 1)
		ctx, stop := context.WithCancel(t.Context())
		ended := l.run(ctx, 32, 0)
		begun := time.Now()
		l.waitFor(t, 50+rand.IntN(400)) // then the moment is as good as any other
		r.kill(t)
		loaded += time.Since(begun)
		stop()
		<-ended
	}
	rate := float64(l.accepted()) / loaded.Seconds()
	r.start(t)
	inFlight := len(r.targets) * r.conc * kills
	a := settle(t, r, s, l, inFlight)
	r.stop(t)
	if asked(t) == long && rate < 200 {
		t.Errorf("%.0f accepted a second, want 200: this machine is too busy for this test", rate)
	}
	t.Logf("%d kills, %d accepted (%.0f a second while it ran), %d lost, %d invented, %d repeated of at most %d attempts in flight",
		kills, a.accepted, rate, a.lost, a.invented, a.repeated, inFlight)
}

// The rare windows, made certain: the process dies exactly there, once early and
// once late, and the next one loses nothing.
func TestNothingAcceptedIsLostWhenTheProcessDiesAt(t *testing.T) {
	passes := []string{"1", "2", "17", "200"}
	for _, point := range []string{
		failpoint.AfterRead, failpoint.BeforeCommit, failpoint.AfterCommit, failpoint.BeforeSend, failpoint.AfterSend,
	} {
		t.Run(point, func(t *testing.T) {
			s := newSink(t)
			r := newRelay(t, s.url, settings{tags: "failpoint", targets: []string{"steady", "flaky"}})
			l := newLoad(r.url)
			deaths := 0
			for _, pass := range passes[:times(t, 2, 4, 4)] {
				r.launch(t, "RELAY_FAILPOINT="+point+":"+pass) // it may not live to be ready
				ctx, stop := context.WithCancel(t.Context())
				ended := l.run(ctx, 8, 0)
				r.diesThere(t)
				stop()
				<-ended
				deaths++
			}
			r.start(t)
			l.forget()
			ctx, stop := context.WithCancel(t.Context())
			ended := l.run(ctx, 8, 0)
			l.waitFor(t, 50)
			stop()
			<-ended
			a := settle(t, r, s, l, len(r.targets)*r.conc*deaths)
			r.stop(t)
			if point == failpoint.AfterSend && a.repeated == 0 {
				t.Error("nothing was repeated: the process cannot have died between sending and recording")
			}
			t.Logf("%d deaths, %d accepted, %d lost, %d invented, %d repeated", deaths, a.accepted, a.lost, a.invented, a.repeated)
		})
	}
}

// diesThere waits for the death that a failpoint is, which is no other end.
func (r *relay) diesThere(t *testing.T) {
	t.Helper()
	until(t, "the process is dead", func() bool { return !r.alive() })
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the process did not die at the failpoint: %v", r.err)
	}
}

func TestAStoreIsWholeWhenTheProcessDiesWhileItsSchemaIsMade(t *testing.T) {
	steps, err := filepath.Glob("../outbox/sqlite/migrations/*.sql")
	if err != nil || len(steps) == 0 {
		t.Fatalf("no migrations found: %v", err)
	}
	for n := range steps {
		s := newSink(t)
		r := newRelay(t, s.url, settings{tags: "failpoint"})
		r.launch(t, fmt.Sprintf("RELAY_FAILPOINT=%s:%d", failpoint.Migration, n+1))
		r.diesThere(t)
		r.start(t)
		l := newLoad(r.url)
		ctx, stop := context.WithCancel(t.Context())
		ended := l.run(ctx, 4, 0)
		l.waitFor(t, 20)
		stop()
		<-ended
		settle(t, r, s, l, 0)
		r.stop(t)
	}
}
