package relay

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Run answers webhooks and delivers until ctx ends, then winds up: readiness
// off, listener closed, attempts in flight ended or recorded as retry, the
// store closed. It returns nil when all of it ended within shutdown_timeout.
func (r *Relay) Run(ctx context.Context) error {
	// Each part ends when it is told to, in the reverse order of the start, and
	// not when ctx does: the writer must outlive those who still record with it.
	parts := []*part{
		start("outbox", r.outbox.Run),
		start("upkeep", r.upkeep),
		start("alarms", r.alarms.Run),
		start("admin", func(context.Context) error { return r.admin.serve() }),
		start("dispatch", r.dispatch.Run),
		start("intake", func(context.Context) error { return r.webhook.serve() }),
	}
	r.log.Info("running", "version", r.opts.Version)

	err := waitAny(ctx, parts)
	return errors.Join(err, r.stop(context.WithoutCancel(ctx), parts))
}

// stop ends the parts. Dispatch is told first, so that no new attempt starts
// while the listener still waits for requests in hand; those get a quarter of
// the time, so that a sender that dawdles does not cost the attempts theirs.
func (r *Relay) stop(ctx context.Context, parts []*part) error {
	timeout := r.plan.Load().cfg.Server.ShutdownTimeout
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.draining.Store(true)
	r.log.Info("stopping", "timeout", timeout.String())
	begun := time.Now()

	outbox, upkeep, alarms, admin, dispatch, intake := parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]
	dispatch.stop()
	inHand, done := context.WithTimeout(ctx, timeout/4)
	defer done()
	r.webhook.stop(inHand)
	err := errors.Join(intake.end(ctx), dispatch.end(ctx))
	traced := r.flush(ctx, timeout/8)
	r.admin.stop(ctx)
	// What has been attempted is worth recording even when the time is used up.
	last, ended := context.WithTimeout(context.WithoutCancel(ctx), max(lastWords, time.Until(begun.Add(timeout))))
	defer ended()
	<-traced // before Close drops what is left
	err = errors.Join(err, admin.end(last), alarms.end(last), upkeep.end(last), outbox.end(last), r.closeWithin(last))
	if err != nil {
		r.log.Error("stopped", "took", time.Since(begun).Round(time.Millisecond).String(), "err", err)
	} else {
		r.log.Info("stopped", "took", time.Since(begun).Round(time.Millisecond).String())
	}
	return err
}

// flush sends the last spans, in a time of its own: a collector that hangs costs
// the store nothing. That it failed is in the log and is no reason to fail.
func (r *Relay) flush(ctx context.Context, within time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		if r.tracer.Close(ctx) != nil {
			r.log.Warn("the last traces were not sent in time")
		}
	}()
	return done
}

// lastWords is the least time the store gets at the end.
const lastWords = time.Second

// closeWithin closes the store, unless its disk hangs: then the process ends
// without, and the next start recovers from the write-ahead log.
func (r *Relay) closeWithin(ctx context.Context) error {
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return errors.New("the store did not close in time")
	}
}

// part is one goroutine of the relay and the way to end it.
type part struct {
	name string
	stop context.CancelFunc
	done chan struct{}
	err  error // valid once done is closed
}

func start(name string, run func(context.Context) error) *part {
	ctx, stop := context.WithCancel(context.Background())
	p := &part{name: name, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		defer stop()
		p.err = run(ctx)
	}()
	return p
}

// end tells the part to stop and waits for it, at most until ctx ends.
func (p *part) end(ctx context.Context) error {
	p.stop()
	select {
	case <-p.done:
	case <-ctx.Done():
		select {
		case <-p.done: // both at once is in time
		default:
			return fmt.Errorf("%s did not stop in time", p.name)
		}
	}
	return p.err
}

// waitAny returns when ctx ends, or with an error when a part ended by itself:
// a relay with a part missing must not look alive.
func waitAny(ctx context.Context, parts []*part) error {
	ended := make(chan *part, len(parts))
	for _, p := range parts {
		go func() { <-p.done; ended <- p }()
	}
	select {
	case <-ctx.Done():
		return nil
	case p := <-ended:
		return fmt.Errorf("%s ended: %w", p.name, errors.Join(p.err, errEnded))
	}
}

var errEnded = errors.New("unexpectedly")

// upkeep erases what the retention no longer covers, again and again, soon after the
// start and soon after a reload that shortens it.
func (r *Relay) upkeep(ctx context.Context) error {
	next := time.NewTimer(time.Minute)
	defer next.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
		if left := r.plan.Load().purgeEvery() - time.Since(last); left > 0 {
			next.Reset(min(left, time.Minute)) // the plan may be another one by then
			continue
		}
		n, err := r.store.Purge(ctx, r.plan.Load().retention(r.opts.Now()))
		switch {
		case err != nil && ctx.Err() == nil:
			r.log.Error("purge", "err", err)
		case n > 0:
			r.log.Info("purged", "rows", n)
		}
		last = time.Now()
		next.Reset(time.Minute)
	}
}
