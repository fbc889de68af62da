//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"invitation-relay/relay/relaytest"
)

// running is a process that is measured.
type running struct {
	*process
	work

	name   string // tells its events from others at the sink
	sinkAt string
	sender *sender
}

// once measures one process from its start to its end.
func (b *bench) once(ctx context.Context, w work) (f *figures, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute+10*b.each)
	defer cancel()
	dir, err := os.MkdirTemp(b.dir, "run")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it goes with b.dir in any case
	f = &figures{}
	r, err := b.start(ctx, w, dir, f)
	if err != nil {
		return nil, err
	}
	defer r.stop()
	if err := sleep(ctx, b.settle); err != nil {
		return nil, err
	}
	f.idleMB, _ = r.memory()
	if err := r.measure(ctx, b, dir, f); err != nil {
		return nil, err
	}
	_, f.peakMB = r.memory()
	if !r.alive() {
		return nil, r.failed("has ended")
	}
	return f, ctx.Err()
}

func (r *running) measure(ctx context.Context, b *bench, dir string, f *figures) (err error) {
	do := func(to *phase, send func() loaded) {
		if err == nil {
			*to, err = r.send(ctx, send)
		}
	}
	var warm phase // connections, pools, pages
	do(&warm, func() loaded { return r.sender.closed(ctx, b.connections, b.settle) })
	if r.rates > 0 {
		do(&f.at500, func() loaded { return r.sender.open(ctx, 500, b.each) })
	}
	if r.rates > 1 {
		if err == nil && !r.ceiling {
			f.fsync, err = fsyncs(ctx, dir, 500, b.each)
		}
		do(&f.at2000, func() loaded { return r.sender.open(ctx, 2000, b.each) })
	}
	if r.rates != 1 {
		do(&f.flatOut, func() loaded { return r.sender.closed(ctx, b.connections, b.each) })
	}
	return err
}

// start starts the process and waits until it is ready.
func (b *bench) start(ctx context.Context, w work, dir string, f *figures) (*running, error) {
	ports, err := relaytest.FreePorts(ctx, 2)
	if err != nil {
		return nil, err
	}
	hook, admin := ports[0], ports[1]
	r := &running{work: w, name: filepath.Base(dir), sinkAt: b.sinkAt, sender: &sender{addr: hook, webhook: newWebhook(w.body)}}
	queue := min(1<<16, 256<<20/r.sender.webhook.size()) // up to 256 MB of them
	bin, args, ready := b.self, []string{"ceiling", hook, strconv.Itoa(queue)}, hook
	if w.ceiling {
		for i := range w.targets {
			args = append(args, r.target(i))
		}
	} else {
		ready = admin
		store := filepath.Join(dir, "relay.db")
		if w.has.events() > 0 {
			store = filepath.Join(b.storeOf(w.has), "relay.db")
		}
		file := filepath.Join(dir, "relay.yaml")
		if err := os.WriteFile(file, []byte(r.config(hook, ready, store)), 0o600); err != nil {
			return nil, err
		}
		bin, args = b.relay, []string{"serve", "-c", file}
	}
	begun := time.Now()
	if r.process, err = start(ctx, bin, args...); err != nil {
		return nil, err
	}
	if err := r.ready(ctx, "http://"+ready+"/readyz"); err != nil {
		r.stop()
		return nil, err
	}
	f.ready = time.Since(begun)
	return r, nil
}

// target is where the i-th one is.
func (r *running) target(i int) string {
	if r.hang && i == r.targets-1 {
		return "http://" + r.sinkAt + "/hang/" + r.name
	}
	return "http://" + r.sinkAt + "/to/" + r.name + "/" + strconv.Itoa(i)
}

// answering is how many targets answer.
func (r *running) answering() int {
	if r.hang {
		return r.targets - 1
	}
	return r.targets
}

// config has one rule that matches and others that look at several fields.
func (r *running) config(hook, admin, store string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "server: {listen: %q, shutdown_timeout: 1s}\nadmin: {listen: %q}\nlog: {level: error}\n", hook, admin)
	fmt.Fprintf(&s, "store: {url: %q, retention: 91d, max_pending: 100000000}\n", "sqlite:"+store)
	fmt.Fprintf(&s, "sources: {bench: {path: /hook}}\ntargets:\n")
	var names []string
	for i := range r.targets {
		names = append(names, "t"+strconv.Itoa(i))
		fmt.Fprintf(&s, "  t%d: {http: {url: %q}}\n", i, r.target(i))
	}
	if r.has.waiting > 0 {
		fmt.Fprintf(&s, "  held: {http: {url: \"http://%s/hang/held\"}}\n", r.sinkAt)
	}
	fmt.Fprintf(&s, "rules:\n  - {name: match, when: 'transaction_status == \"REJECTED\"', to: [%s]}\n", strings.Join(names, ", "))
	for i := 1; i < r.rules; i++ {
		fmt.Fprintf(&s, "  - {name: r%d, when: 'transaction_status == \"ACCEPTED\" && attempts >= %d || ticket == \"x%d\"', to: [t0]}\n", i, i%10, i)
	}
	return s.String()
}

// send measures what one way of sending comes to.
func (r *running) send(ctx context.Context, send func() loaded) (p phase, err error) {
	cpu := r.cpu()
	l := send()
	got, err := r.arrived(ctx, l.accepted*r.answering())
	if err != nil {
		return p, err
	}
	if l.accepted == 0 {
		return p, r.failed("accepted nothing")
	}
	events := float64(l.accepted)
	p = phase{
		accepted: events / l.took.Seconds(), refused: l.refused,
		cpu: time.Duration(float64(r.cpu()-cpu) / events),
		p50: l.answers.at(.5), p99: l.answers.at(.99), delivered99: got.P99,
		lost: max(0, l.accepted*r.answering()-got.Once), again: got.Again,
	}
	if took := got.Last.Sub(l.begun); took > 0 {
		p.delivered = float64(got.Once) / float64(r.answering()) / took.Seconds()
	}
	return p, nil
}

// arrived waits until so many deliveries have arrived, or none does any more.
func (r *running) arrived(ctx context.Context, want int) (a arrivals, err error) {
	for quiet := time.Now(); ; {
		before := a.Once
		if a, err = r.atSink(ctx, false); err != nil {
			return a, err
		}
		if a.Once != before {
			quiet = time.Now()
		}
		if a.Once >= want || time.Since(quiet) > 5*time.Second {
			break
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return a, err
		}
	}
	if err := sleep(ctx, 50*time.Millisecond); err != nil { // for what comes twice
		return a, err
	}
	return r.atSink(ctx, true)
}

// atSink asks what has arrived of the last that was sent.
func (r *running) atSink(ctx context.Context, all bool) (a arrivals, err error) {
	url := fmt.Sprintf("http://%s/?run=%s&targets=%d&phase=%d", r.sinkAt, r.name, r.answering(), r.sender.phase)
	if all {
		url += "&all=yes"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return a, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }() // its end has been read
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return a, errors.New("the sink said nothing that can be read")
	}
	return a, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
