package faults

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func TestReloadsUnderLoadRefuseAndLoseNothing(t *testing.T) {
	reloads := times(t, 3, 20, 100)
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"steady", "flaky"}})
	r.start(t)
	l := newLoad(r.url)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 64, 120*time.Millisecond) // 530 a second, unless an answer takes longer than that
	begun := time.Now()
	good, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	for n := range reloads {
		l.waitFor(t, times(t, 20, 20, 100))
		// Every other config has another concurrency, every fifth a mistake in it.
		text, want := strings.ReplaceAll(string(good), "concurrency: 8", []string{"concurrency: 8", "concurrency: 5"}[n%2]), http.StatusOK
		if n%5 == 4 {
			text, want = text+"\nmistake: 1\n", http.StatusUnprocessableEntity
		}
		if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(r.admin+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("reload %d is answered %d, want %d", n, resp.StatusCode, want)
		}
	}
	rate := float64(l.accepted()) / time.Since(begun).Seconds()
	stop()
	<-ended
	a := settle(t, r, s, l, 0)
	r.stop(t)
	if asked(t) == long && rate < 500 {
		t.Errorf("%.0f accepted a second, want 500: this machine is too busy for this test", rate)
	}
	if refused := len(l.sent) - a.accepted; refused > 0 {
		t.Errorf("%d of %d events were refused during reloads, want none", refused, len(l.sent))
	}
	t.Logf("%d reloads, %d accepted (%.0f a second), %d lost, %d repeated, p99 %s", reloads, a.accepted, rate, a.lost, a.repeated, l.p99())
}

func TestStoppingUnderLoadEndsInTimeAndLosesAndRepeatsNothing(t *testing.T) {
	stops := times(t, 2, 10, 50)
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"steady", "flaky", "slow"}})
	l := newLoad(r.url)
	var longest, loaded time.Duration
	for range stops {
		r.start(t)
		ctx, stop := context.WithCancel(t.Context())
		l.forget()
		ended := l.run(ctx, 32, 0)
		begun := time.Now()
		l.waitFor(t, 200)
		loaded += time.Since(begun)
		begun = time.Now()
		r.stop(t) // fails the test unless the exit code is 0
		longest = max(longest, time.Since(begun))
		stop()
		<-ended
	}
	r.start(t)
	a := settle(t, r, s, l, 0)
	r.stop(t)
	if longest > 21*time.Second { // shutdown_timeout is 20s
		t.Errorf("the longest stop took %s, want within shutdown_timeout", longest)
	}
	t.Logf("%d stops at %.0f a second, the longest %s, %d accepted, %d lost, %d repeated",
		stops, float64(stops*200)/loaded.Seconds(), longest.Round(time.Millisecond), a.accepted, a.lost, a.repeated)
}
