package faults

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	senders = 4  // at the same time, so that no transaction has more events
	aPage   = 16 // more events than a page has
)

// backlog is a store as a kill leaves it, events waiting in the file and in the
// write-ahead log, of which copies are damaged.
type backlog struct {
	files map[string][]byte // suffix → content
	load  *load             // what was accepted
}

// newBacklog lets a relay accept events for "down" and "steady", and stops it
// with half of them in the file and half in the write-ahead log.
func newBacklog(t *testing.T) *backlog {
	t.Helper()
	s := newSink(t)
	r := newRelay(t, s.url, settings{targets: []string{"down", "steady"}})
	b := &backlog{files: map[string][]byte{}}
	l := newLoad(r.url)
	for range 2 {
		r.start(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := l.run(ctx, senders, 10*time.Millisecond)
		l.waitFor(t, 200)
		stop()
		<-ended
		pause(t.Context(), 1100*time.Millisecond) // the mark is written once a second, with a commit
		l.post(http.DefaultClient)
		if b.load == nil {
			b.load = l
			r.stop(t) // puts all of it into the file
			continue
		}
		r.kill(t)
	}
	for _, suffix := range []string{"", "-wal", ".mark"} {
		text, err := os.ReadFile(r.store + suffix)
		if err != nil {
			t.Fatal(err)
		}
		b.files[suffix] = text
	}
	return b
}

// copied is the backlog's files in a folder of their own, damaged by change.
func (b *backlog) copied(t *testing.T, change func(suffix string, text []byte) []byte) string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "relay.db")
	for suffix, text := range b.files {
		if text = change(suffix, slices.Clone(text)); text == nil {
			continue
		}
		if err := os.WriteFile(store+suffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// damage is what came of a damaged store.
type damage struct {
	refused, noticed  bool
	missing, salvaged int // events that were not delivered; of them, those salvage brought back
}

// run opens a damaged store and looks at what it does. What the relay accepts
// after that must be delivered whatever else is.
func (b *backlog) run(t *testing.T, store string) (d damage) {
	t.Helper()
	s := newSink(t)
	s.up.Store(true)
	targets := []string{"down", "steady"}
	r := newRelay(t, s.url, settings{store: store, targets: targets})
	whole := map[string][]byte{} // what salvage is given
	for _, suffix := range []string{"", "-wal"} {
		whole[suffix], _ = os.ReadFile(store + suffix)
	}
	r.launch(t)
	until(t, "the relay is ready or has ended", func() bool { return r.status("/readyz") == http.StatusOK || !r.alive() })
	if d.refused = !r.alive(); !d.refused {
		b.serve(t, r, s)
	}
	log := r.said(t)
	if bytes.Contains(log, []byte("panic")) || bytes.Contains(log, []byte("goroutine ")) {
		t.Errorf("the relay panicked")
	}
	wayOut := bytes.Contains(log, []byte("store salvage")) || bytes.Contains(log, []byte("give another path"))
	if d.refused && (!wayOut || !bytes.Contains(log, []byte(store))) {
		t.Errorf("the refusal names neither the file nor the way out")
	}
	d.noticed = d.refused || bytes.Contains(log, []byte("level=ERROR")) || bytes.Contains(log, []byte(`"level":"ERROR"`))
	d.missing = b.missing(s)
	if d.missing > 0 && !d.noticed {
		t.Errorf("%d events are not delivered, and nothing says so", d.missing)
	}
	if d.missing > 0 {
		d.salvaged = b.salvage(t, s, r, whole)
	}
	if s.wrong > 0 {
		t.Errorf("%d messages are not as they were sent", s.wrong)
	}
	if a := s.account(b.load, targets); a.invented > 0 {
		t.Errorf("%d deliveries are invented", a.invented)
	}
	return d
}

// serve lets a relay deliver what it can, and some new events after that.
func (b *backlog) serve(t *testing.T, r *relay, s *sink) {
	t.Helper()
	settled := func() {
		last, since := -2, time.Now()
		until(t, "nothing changes any more", func() bool {
			s.mu.Lock()
			n := r.attempted(s)
			s.mu.Unlock()
			if n != last {
				last, since = n, time.Now()
			}
			return r.pending() == 0 || time.Since(since) > 1500*time.Millisecond
		})
	}
	settled()
	l := newLoad(r.url)
	s.mu.Lock()
	s.extra = append(s.extra, l)
	l.next.Store(int64(len(s.extra)) * 1e9) // ids of their own
	s.mu.Unlock()
	ctx, stop := context.WithCancel(t.Context())
	ended := l.run(ctx, 2, 0)
	l.waitFor(t, 20)
	stop()
	<-ended
	settled()
	if a := s.account(l, r.targets); a.lost > 0 {
		t.Errorf("%d of %d deliveries accepted after the damage are not made", a.lost, 2*a.accepted)
	}
	if !r.alive() {
		t.Errorf("the process ended: %v", r.err)
		return
	}
	r.stop(t)
}

// attempted is how many messages arrived. The caller holds s.mu.
func (r *relay) attempted(s *sink) (n int) {
	for _, got := range s.got {
		n += len(got)
	}
	return n
}

func (r *relay) said(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(r.log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// missing is how many events did not arrive at "down", where none had before.
func (b *backlog) missing(s *sink) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range b.load.acked {
		if s.got["down"][id] == 0 {
			n++
		}
	}
	return n
}

// salvage makes a new store of what can be read of the damaged one, runs it, and
// returns how many more events were delivered.
func (b *backlog) salvage(t *testing.T, s *sink, r *relay, whole map[string][]byte) int {
	t.Helper()
	for suffix, text := range whole {
		if err := os.WriteFile(r.store+suffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.Remove(r.store + "-shm")
	fresh := filepath.Join(t.TempDir(), "saved.db")
	out, err := exec.CommandContext(t.Context(), binary(t, ""), "store", "salvage", "-c", r.config, fresh).CombinedOutput()
	if bytes.Contains(out, []byte("goroutine ")) {
		t.Fatalf("salvage panicked:\n%s", out)
	}
	if _, none := os.Stat(fresh); none != nil {
		if err == nil || !bytes.Contains(out, []byte("damaged")) && !bytes.Contains(out, []byte("give another path")) {
			t.Errorf("salvage saves nothing and does not say why (%v):\n%s", err, out)
		}
		return 0
	}
	before := b.missing(s)
	again := newRelay(t, s.url, settings{store: fresh, targets: r.targets})
	again.start(t)
	b.serve(t, again, s)
	return before - b.missing(s)
}

func TestADamagedStoreIsRefusedOrServedAndNothingWrongIsSent(t *testing.T) {
	flips := times(t, 0, 6, 200)
	if flips == 0 {
		lacks(t, "some time: it is a search at random")
	}
	b := newBacklog(t)
	suffixes := []string{"", "-wal", ".mark", "", "", ""}
	var refused, noticed, missing, salvaged, hopeless int
	for n := range flips {
		suffix := suffixes[n%len(suffixes)]
		at, bit := rand.IntN(len(b.files[suffix])), rand.IntN(8)
		t.Run(fmt.Sprint(n, suffix), func(t *testing.T) {
			d := b.run(t, b.copied(t, func(s string, text []byte) []byte {
				if s == suffix {
					text[at] ^= 1 << bit
				}
				return text
			}))
			lost := d.missing - d.salvaged
			switch {
			case suffix == "-wal" && lost > aPage: // refused, and salvage reads on; or the last transaction is left out
				t.Errorf("%d events are lost because of one bit in the log", lost)
			case suffix == "-wal" && !d.refused && d.missing > senders:
				t.Errorf("%d events are missing: more than the last transaction had", d.missing)
			case d.refused && d.salvaged == 0 && d.missing > 0:
				hopeless++
			case suffix != "-wal" && lost > 64: // a page of pages
				t.Errorf("%d events are lost because of one bit", lost)
			}
			if t.Failed() || testing.Verbose() {
				t.Logf("byte %d of %d, bit %d: %+v", at, len(b.files[suffix]), bit, d)
			}
			refused += count(d.refused)
			noticed += count(d.noticed)
			missing += d.missing
			salvaged += d.salvaged
		})
	}
	t.Logf("%d flips of %d events waiting: %d refused, %d noticed, %d events not delivered, %d of these by what salvage saved; %d times salvage had to give up",
		flips, b.load.accepted(), refused, noticed, missing, salvaged, hopeless)
	if asked(t) == long && hopeless > flips/50 { // names, and what store it is: some hundred bytes
		t.Errorf("salvage saved nothing %d times", hopeless)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestAFileThatIsNoWholeStoreIsRefusedOrServed(t *testing.T) {
	if asked(t) == sample {
		lacks(t, "some time: each is opened, served and salvaged")
	}
	b := newBacklog(t)
	foreign := foreignDatabase(t)
	cut := func(suffix string, part int) func(string, []byte) []byte {
		return func(s string, text []byte) []byte {
			if s == suffix {
				return text[:len(text)*part/100]
			}
			return text
		}
	}
	instead := func(with []byte) func(string, []byte) []byte {
		return func(s string, _ []byte) []byte {
			if s == "" {
				return with
			}
			return nil
		}
	}
	for what, change := range map[string]func(string, []byte) []byte{
		"half of the file":           cut("", 50),
		"a file cut in a page":       cut("", 93),
		"half of the log":            cut("-wal", 50),
		"a log without its end":      cut("-wal", 99),
		"a text file":                instead(bytes.Repeat([]byte("store: {url: sqlite:relay.db}\n"), 100)),
		"another program's database": instead(foreign),
		"an empty file":              instead([]byte{}),
	} {
		t.Run(what, func(t *testing.T) {
			store := b.copied(t, change)
			before, err := os.ReadFile(store)
			if err != nil {
				t.Fatal(err)
			}
			if what == "an empty file" { // a store that is not there yet
				r := newRelay(t, newSink(t).url, settings{store: store})
				r.launch(t)
				until(t, "the relay is ready or has ended", func() bool { return r.status("/readyz") == http.StatusOK || !r.alive() })
				if !r.alive() {
					t.Errorf("an empty file is not taken for a new store: %v", r.err)
				}
				return
			}
			d := b.run(t, store)
			if strings.HasPrefix(what, "a text") || strings.HasPrefix(what, "another") {
				after, err := os.ReadFile(store)
				if !d.refused || err != nil || !bytes.Equal(before, after) {
					t.Errorf("what is not ours was opened or changed: %+v (%v)", d, err)
				}
			}
			if what == "half of the file" && (!d.refused || d.salvaged == 0) {
				t.Errorf("want it refused, and salvage to save something: %+v", d)
			}
			t.Logf("%+v", d)
		})
	}
}

// foreignDatabase is a SQLite file of another program: our own kind of file with
// another application's number in its header.
func foreignDatabase(t *testing.T) []byte {
	t.Helper()
	b := newBacklog(t)
	text := slices.Clone(b.files[""])
	copy(text[68:72], "kiwi")
	return text
}
