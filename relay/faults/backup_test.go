package faults

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A backup is made while events come at 500 a second, the relay dies for good
// some time after it, and a new one starts with the copy: all that was answered
// 2xx before the backup began arrives, once, and nothing that nobody sent.
func TestABackupUnderLoadRestoresAllThatWasAcceptedBefore(t *testing.T) {
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"down", "flaky"}}) // down is down until the relay has died
	r.start(t)
	l := newLoad(r.url)
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 16, 32*time.Millisecond)
	for n := range times(t, 1, 3, 20) {
		l.waitFor(t, times(t, 200, 1000, 5000))
		before := l.snapshot()
		file := filepath.Join(t.TempDir(), "copy.db")
		begun := time.Now()
		out, err := exec.CommandContext(t.Context(), binary(t, ""), "backup", "-c", r.config, file).CombinedOutput()
		if err != nil {
			t.Fatalf("backup %d: %v\n%s", n, err, out)
		}
		took := time.Since(begun)
		l.waitFor(t, 100) // the copy does not have these
		s2 := restored(t, file, before, l)
		t.Logf("%s in %s: %d accepted before it, %d of them and %d more from the copy",
			strings.TrimSpace(string(out)), took.Round(time.Millisecond), len(before), s2.had, s2.more)
	}
	r.kill(t)
	stop()
	<-ended
	r.start(t) // and the relay itself has lost nothing by being copied
	settle(t, r, s, l, 2*r.conc)
	r.stop(t)
}

type restoration struct{ had, more int }

// restored starts a relay with the copy and a sink of its own, and accounts for
// what arrives at down, where nothing of it had arrived.
func restored(t *testing.T, file string, before map[string]bool, l *load) (got restoration) {
	t.Helper()
	s := newSink(t)
	s.up.Store(true)
	r := newRelay(t, s.url, settings{store: file, targets: []string{"down", "flaky"}})
	r.start(t)
	r.drain(t)
	r.stop(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range before {
		if s.got["down"][id] == 1 {
			got.had++
		} else {
			t.Errorf("%s was accepted before the backup and arrives %d times from the copy, want once", id, s.got["down"][id])
		}
	}
	for id := range s.got["down"] {
		if !l.sent[id] {
			t.Errorf("nobody sent %s", id)
		}
	}
	got.more = len(s.got["down"]) - got.had
	if err := os.Remove(file); err != nil {
		t.Error(err)
	}
	return got
}

// snapshot is what was accepted so far.
func (l *load) snapshot() map[string]bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	acked := make(map[string]bool, len(l.acked))
	for id := range l.acked {
		acked[id] = true
	}
	return acked
}
