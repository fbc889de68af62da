//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"invitation-relay/relay/relaytest"
)

// bench is one run of everything.
type bench struct {
	size

	works    []work // all of them, but in tests
	progress io.Writer
	begun    time.Time

	dir    string
	relay  string // the binary
	self   string
	sinkAt string
}

// run measures everything, and leaves nothing behind.
func (b *bench) run(ctx context.Context, in string) (r *report, err error) {
	if b.dir, err = os.MkdirTemp(in, "relay-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if e := os.RemoveAll(b.dir); err == nil {
			err = e
		}
	}()
	if fs := fileSystem(b.dir); fs == "tmpfs" {
		b.say("%s is on tmpfs, where nothing is durable: -dir names a folder on a disk", b.dir)
	}
	if err := b.build(ctx); err != nil {
		return nil, err
	}
	ports, err := relaytest.FreePorts(ctx, 1)
	if err != nil {
		return nil, err
	}
	b.sinkAt = ports[0]
	sink, err := start(ctx, b.self, "sink", b.sinkAt)
	if err != nil {
		return nil, err
	}
	defer sink.stop()
	if err := sink.ready(ctx, "http://"+b.sinkAt+"/"); err != nil {
		return nil, err
	}
	others, begun := strangers(), time.Now()
	r, err = b.measure(ctx)
	if err != nil {
		return nil, err
	}
	sink.stop() // so that its time counts as ours
	r.others = float64(strangers()-others) / float64(time.Since(begun))
	return r, nil
}

func (b *bench) build(ctx context.Context) (err error) {
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	b.say("build the relay")
	b.relay = filepath.Join(b.dir, "invitation-relay")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.relay, "invitation-relay") //nolint:gosec // our own package
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the relay: %w\n%s", err, text)
	}
	return nil
}

// measure does all works, round by round, so that a drift of the machine meets
// all alike. What fails is noted, and the next one begins.
func (b *bench) measure(ctx context.Context) (*report, error) {
	r := newReport(b.size, b.dir)
	empty := map[stored]bool{} // those whose store could not be filled
	for _, w := range b.works {
		if w.has.events() == 0 || empty[w.has] {
			continue
		}
		begun := time.Now()
		if err := b.fill(ctx, w.has); err != nil {
			r.fail(w, fmt.Errorf("fill its store: %w", err))
			b.say("%s: %v", w, err)
			empty[w.has] = true
			continue
		}
		r.filled[w] = time.Since(begun)
	}
	for n := range b.rounds {
		round := map[work]*figures{}
		for i, w := range b.works {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if empty[w.has] {
				continue
			}
			f, err := b.once(ctx, w)
			if err != nil {
				r.fail(w, err)
				b.say("%s: %v", w, err)
				continue
			}
			round[w] = f
			r.look(w, f)
			b.say("round %d of %d, %2d of %d: %s: %s", n+1, b.rounds, i+1, len(b.works), w, f)
		}
		r.rounds = append(r.rounds, round)
	}
	return r, ctx.Err()
}

func (b *bench) storeOf(has stored) string {
	return filepath.Join(b.dir, fmt.Sprintf("store-%d-%d", has.finished, has.waiting))
}

// fill makes the store.
func (b *bench) fill(ctx context.Context, has stored) error {
	dir := b.storeOf(has)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b.say("a store with %s events finished and %s waiting", thousands(has.finished), thousands(has.waiting))
	said := time.Now()
	return fill(ctx, dir, has, func(done int) {
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			b.say("  %s of %s", thousands(done), thousands(has.events()))
		}
	})
}

// say tells on standard error how far it is.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%6s  %s\n", time.Since(b.begun).Round(time.Second), fmt.Sprintf(format, args...))
}

// String is a figure or two, for whoever waits.
func (f *figures) String() string {
	if f.flatOut.delivered == 0 {
		return fmt.Sprintf("p99 %s at 500/s, delivered after %s", ms(f.at500.p99), ms(f.at500.delivered99))
	}
	return fmt.Sprintf("%s/s, %s an event, ready after %s, %.0f MB", thousands(int(f.flatOut.delivered)), us(f.flatOut.cpu), ms(f.ready), f.peakMB)
}
