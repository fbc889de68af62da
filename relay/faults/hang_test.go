package faults

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"
)

// One of four targets hangs: it takes requests and answers none. What the other
// three get, they get as soon as before.
func TestOneHangingTargetDoesNotSlowTheOtherThree(t *testing.T) {
	s := newSink(t)
	s.first = map[string]time.Time{}
	targets := []string{"steady", "second", "third", "hangs"}
	r := newRelay(t, s.url, settings{targets: targets})
	r.start(t)
	l := newLoad(r.url)
	l.begun = map[string]time.Time{}
	// late is how long after it was sent an event was there, at the three.
	late := func() []time.Duration {
		begun := time.Now()
		ctx, stop := context.WithCancel(t.Context())
		ended := l.run(ctx, 16, 32*time.Millisecond) // 500 a second
		l.waitFor(t, times(t, 300, 1500, 20000))
		stop()
		<-ended
		l.forget()
		until(t, "the other three have all", func() bool {
			return !slices.ContainsFunc(targets[:3], func(name string) bool { return r.metric(t, `relay_pending{target="`+name+`"}`) > 0 })
		})
		s.mu.Lock()
		defer s.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		var all []time.Duration
		for id, sent := range l.begun {
			if sent.Before(begun) || !l.acked[id] {
				continue
			}
			for _, target := range targets[:3] {
				if at, ok := s.first[target+" "+id]; ok {
					all = append(all, at.Sub(sent))
				}
			}
		}
		return all
	}
	late() // connections, pools
	well := late()
	s.hang.Store(true)
	hanging := late()
	waits := r.metric(t, `relay_pending{target="hangs"}`)
	s.hang.Store(false)
	settle(t, r, s, l, -1) // what was cut off by a time-out may have arrived
	r.stop(t)
	a, b := quantile(well, 0.99), quantile(hanging, 0.99)
	t.Logf("p99 from sending to arrival at the other three %s, and %s while one of four hangs (%.2f x) and %v wait for it; p50 %s and %s", a, b,
		float64(b)/float64(a), waits, quantile(well, 0.5), quantile(hanging, 0.5))
	if waits == 0 || len(hanging) == 0 {
		t.Error("nothing waits for the target that hangs, or nothing arrives elsewhere")
	}
	if asked(t) == long && float64(b) > 1.5*float64(a) {
		t.Errorf("that is more than 1.5 x")
	}
	if n := l.count(http.StatusServiceUnavailable); n > 0 {
		t.Errorf("%d events were refused", n)
	}
}
