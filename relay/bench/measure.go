//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// work is one thing to measure: a relay with so many rules and targets, and
// bodies of a size; or the ceiling with as many targets.
type work struct {
	name           string
	ceiling        bool
	rules, targets int
	body           int // bytes added to it
	stored         int // events the store has already, finished
	connections    int
}

// figures are what was measured of it.
type figures struct {
	work
	start          time.Duration
	idleMB, peakMB float64
	rate           float64       // events a second, sent as fast as they are accepted
	cpu            time.Duration // of the process, an event
	at500, at2000  latencies
	lost, refused  int
}

// measure does it all, round by round, so that a drift of the machine meets
// all alike.
func (b *bench) measure(ctx context.Context) (*report, error) {
	r := &report{}
	var err error
	if r.fsync, err = fsyncs(b.dir); err != nil {
		return nil, err
	}
	one := work{rules: 1, targets: 1, connections: 64}
	if r.ceiling, r.relay, err = b.compare(ctx, one, true); err != nil {
		return nil, err
	}
	for _, g := range []struct {
		what   string
		values []int
		set    func(*work, int)
	}{
		{"targets", []int{1, 3, 10}, func(w *work, n int) { w.targets = n }},
		{"rules", []int{1, 100, 1000}, func(w *work, n int) { w.rules = n }},
		{"KiB a body", []int{1, 16, 250}, func(w *work, n int) { w.body = n << 10 }},
		{"events stored before", []int{0, 100_000}, func(w *work, n int) { w.stored = n }},
	} {
		for _, n := range g.values {
			w := one
			g.set(&w, n)
			c, f, err := b.compare(ctx, w, false)
			if err != nil {
				return nil, err
			}
			r.growth = append(r.growth, grown{what: g.what, n: n, relay: f, ceiling: c})
		}
	}
	return r, nil
}

// compare measures the ceiling and the relay in turn, and returns the median
// round of each.
func (b *bench) compare(ctx context.Context, w work, rates bool) (ceiling, relay figures, err error) {
	var all [2][]figures
	for range b.rounds {
		for i := range all {
			w.ceiling = i == 0
			f, err := b.once(ctx, w, rates)
			if err != nil {
				return ceiling, relay, err
			}
			all[i] = append(all[i], f)
		}
	}
	for i := range all {
		slices.SortFunc(all[i], func(x, y figures) int { return int(x.rate - y.rate) })
	}
	return all[0][b.rounds/2], all[1][b.rounds/2], nil
}

// once measures one process from its start to its end.
func (b *bench) once(ctx context.Context, w work, rates bool) (f figures, err error) {
	f.work = w
	hook, ready, args, err := b.command(ctx, &w)
	if err != nil {
		return f, err
	}
	begun := time.Now()
	p, err := start(ctx, args[0], args[1:]...)
	if err != nil {
		return f, err
	}
	defer p.stop()
	if err := p.ready(ctx, ready); err != nil {
		return f, err
	}
	f.start = time.Since(begun)
	s := &sender{url: hook}
	s.next.Store(time.Now().UnixNano())
	s.closed(ctx, 8, 300*time.Millisecond) // connections, pools, pages
	for stored := 0; stored < w.stored && ctx.Err() == nil; {
		stored += s.closed(ctx, w.connections, time.Second).accepted
	}
	if err := b.arrived(ctx, w.name, int64(w.targets)); err != nil {
		return f, err
	}
	time.Sleep(300 * time.Millisecond)
	f.idleMB, _ = p.rss()
	if w.body > 0 {
		s.fill = fmt.Sprintf(`,"data":%q`, strings.Repeat("x", w.body))
	}
	if rates {
		f.at500 = s.open(ctx, 500, b.each).answers
		f.at2000 = s.open(ctx, 2000, b.each).answers
	}
	before, cpu := b.count(ctx, w.name), p.cpu()
	l := s.closed(ctx, w.connections, b.each)
	if err := b.arrived(ctx, w.name, int64(w.targets)); err != nil {
		return f, err
	}
	events := float64(l.accepted)
	arrived := float64(b.count(ctx, w.name)-before) / float64(w.targets)
	f.rate, f.refused = events/l.took.Seconds(), l.refused
	f.lost = max(0, int(events-arrived))
	f.cpu = time.Duration(float64(p.cpu()-cpu) / max(1, events))
	_, f.peakMB = p.rss()
	return f, ctx.Err()
}

// command is how the process is started, where it takes webhooks, and what
// answers once it is up.
func (b *bench) command(ctx context.Context, w *work) (hook, ready string, args []string, err error) {
	w.name = "t" + strconv.FormatInt(time.Now().UnixNano(), 36)
	addr, err := freePort(ctx)
	if err != nil {
		return "", "", nil, err
	}
	to := "http://" + b.sinkAt + "/to/" + w.name
	if w.ceiling {
		args = []string{b.self, "ceiling", addr}
		for range w.targets {
			args = append(args, to)
		}
		return "http://" + addr, "http://" + addr, args, nil
	}
	admin, err := freePort(ctx)
	if err != nil {
		return "", "", nil, err
	}
	dir, err := os.MkdirTemp(b.dir, "relay")
	if err != nil {
		return "", "", nil, err
	}
	file := filepath.Join(dir, "relay.yaml")
	if err := os.WriteFile(file, []byte(b.config(w, addr, admin, to)), 0o600); err != nil {
		return "", "", nil, err
	}
	return "http://" + addr + "/hook", "http://" + admin + "/readyz", []string{b.relay, "serve", "-c", file}, nil
}

// config has one rule that matches and others that look at every field.
func (b *bench) config(w *work, addr, admin, to string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "server: {listen: %q}\nadmin: {listen: %q}\nlog: {level: error}\n", addr, admin)
	fmt.Fprintf(&s, "sources: {bench: {path: /hook, max_body: 1MiB}}\nrules:\n")
	var names []string
	for i := range w.targets {
		names = append(names, "t"+strconv.Itoa(i))
	}
	fmt.Fprintf(&s, "  - {name: match, when: 'transaction_status == \"REJECTED\"', to: [%s]}\n", strings.Join(names, ", "))
	for i := 1; i < w.rules; i++ {
		fmt.Fprintf(&s, "  - {name: r%d, when: 'transaction_status == \"ACCEPTED\" && attempts >= %d || ticket == \"x%d\"', to: [t0]}\n", i, i%10, i)
	}
	s.WriteString("targets:\n")
	for _, name := range names {
		fmt.Fprintf(&s, "  %s: {http: {url: %q}}\n", name, to)
	}
	return s.String()
}

// arrived waits until nothing arrives any more, and what has is a whole number
// of events.
func (b *bench) arrived(ctx context.Context, target string, each int64) error {
	last, quiet := int64(-1), 0
	for quiet < 10 || last%each != 0 && quiet < 100 {
		n := b.count(ctx, target)
		if quiet++; n != last {
			last, quiet = n, 0
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (b *bench) count(ctx context.Context, target string) int64 {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+b.sinkAt+"/count?target="+target, nil)
	if err != nil {
		return 0
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 32))
	n, _ := strconv.ParseInt(string(text), 10, 64)
	return n
}
