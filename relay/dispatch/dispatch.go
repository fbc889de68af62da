// Package dispatch decides when each delivery is tried, and brings it to its
// target: a lane for each target, with a queue, workers, a rate, a schedule of
// retries and a hold of its own, so that a failing target delays only itself.
//
// It leaves to others what is sent where (rules), what is durable (outbox) and
// how an attempt is made and read (target).
package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
	"invitation-relay/relay/trace"
)

// Store is what dispatch needs of an outbox.Store.
type Store interface {
	Claim(ctx context.Context, q outbox.Query) (due []outbox.Pending, next time.Time, err error)
	Advance(ctx context.Context, to []outbox.Address, now time.Time, limit int) (int, error)
	Counts(ctx context.Context) (map[outbox.Address]outbox.Count, error)
	Delivery(ctx context.Context, k outbox.Key) (*outbox.StoredDelivery, error)
	SetHold(ctx context.Context, h outbox.Hold) error
	Holds(ctx context.Context) ([]outbox.Hold, error)
	LastSeq() int64
}

// Recorder makes the end of an attempt durable: outbox.Writer. Record never
// blocks; done is called once, after the commit, or with why there was none.
// soon says that something waits for it.
type Recorder interface {
	Record(a outbox.Attempt, soon bool, done func(error))
}

// Lane is one target and how it is to be served.
type Lane struct {
	Name   string
	Target target.Target
	// Settings are what Target was made of, compared by reflect.DeepEqual at a
	// reload: while they are equal, a Retry-After asked of the old Target holds for
	// the new one.
	Settings    any
	Rate        rate.Limit // attempts a second; 0: no limit
	Burst       int        // attempts at once when a rate is set; 0: 1
	Concurrency int        // attempts at the same time, counted until their end is committed; 0: 1
	Retry       Schedule
	// Order makes deliveries to one address whose events have the same key go one
	// after another, in the order of their events, over failures and restarts. An
	// error or an empty key: that delivery is in no order. Nil: nothing is ordered.
	// Alarms and tests are in no order. A dead letter that an operator retries
	// takes its place again, but what went on without it is not repeated.
	Order func(ev *event.Event) (key string, err error)
	// OrderedBy names Order. A reload with the same name need not find out again
	// what waits for what; "": it does.
	OrderedBy string
	// Digest collects deliveries for a Target that is a target.Digester.
	Digest Digest
}

// Digest says that the deliveries to one address leave together: a message when
// Every has passed since the first of them came, or as soon as there are Max.
// A zero Every sends each delivery by itself.
type Digest struct {
	Every time.Duration
	Max   int
}

// Config is what a Dispatcher works with. Store, Recorder and Decode are
// required; the zero value of the rest is a default.
type Config struct {
	Store    Store
	Recorder Recorder
	// Decode fills in the Fields of an event that comes from the store.
	Decode  func(ev *event.Event) error
	Log     *slog.Logger          // nil: no log
	Metrics prometheus.Registerer // nil: no metrics
	// Observer is told what happens to targets and dead letters; nil: nobody is.
	Observer Observer
	// Tracer is told of every attempt; nil: nobody is.
	Tracer *trace.Tracer
	Now    func() time.Time // nil: time.Now
	Rand   func() float64   // in [0,1), for the jitter; nil: math/rand/v2
	Probe  time.Duration    // between probes of a target on hold; 0: 1m
	Grace  time.Duration    // how long attempts may go on once Run's context has ended; 0: 15s
	Queue  int              // deliveries of one lane in memory: queued, being tried, or not yet committed; 0: 8192
	Memory int64            // bytes that events waiting in memory may take, over all lanes; 0: 32 MiB
}

// Dispatcher brings deliveries to their targets. All methods are safe for
// concurrent use.
type Dispatcher struct {
	cfg     Config
	log     *slog.Logger
	clock   *clock
	now     func() time.Time // the clock's
	metrics *metrics

	lanes   atomic.Pointer[map[string]*lane] // by target name; copied to be changed
	pending atomic.Int64
	ordered atomic.Bool   // one of the lanes has an Order
	slots   chan struct{} // claims at the same time
	storeOK atomic.Bool   // to log once that the store fails
	crew

	mu      sync.Mutex // before any lane's mu
	loaded  atomic.Bool
	early   int // offers before that
	running bool
	ended   bool

	ctx     context.Context // Run's: claims end with it
	sendCtx context.Context // attempts end with it, after the grace
}

// New makes a Dispatcher; nothing happens before Run.
func New(cfg Config) *Dispatcher {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	if cfg.Probe <= 0 {
		cfg.Probe = time.Minute
	}
	if cfg.Grace <= 0 {
		cfg.Grace = 15 * time.Second
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 8192
	}
	if cfg.Memory <= 0 {
		cfg.Memory = 32 << 20
	}
	clock := newClock(cfg.Now)
	d := &Dispatcher{cfg: cfg, log: cfg.Log, clock: clock, now: clock.now, metrics: newMetrics(cfg.Metrics), slots: make(chan struct{}, claimsAtOnce), crew: newCrew()}
	d.lanes.Store(&map[string]*lane{})
	d.storeOK.Store(true)
	if cfg.Metrics != nil {
		cfg.Metrics.MustRegister(newGauges(d))
	}
	return d
}

// Run delivers until ctx ends. Then no new attempt starts, those in flight end
// by their own time-outs, at the latest after Config.Grace, and what they came
// to is recorded; every target is closed. The error says that something could
// not be recorded, and so will be tried again. Run is called once.
func (d *Dispatcher) Run(ctx context.Context) error {
	for wait := storeRetry; ; wait = min(2*wait, storeRetryMax) {
		err := d.Load(ctx)
		if err == nil {
			break
		}
		if sleep(ctx, wait) != nil {
			return d.drain(context.WithoutCancel(ctx), func() {})
		}
		d.storeFailed(ctx, "", err)
	}
	sendCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.mu.Lock()
	d.ctx, d.sendCtx, d.running = ctx, sendCtx, true
	for _, l := range *d.lanes.Load() {
		l.start()
	}
	d.mu.Unlock()

	d.housekeeping(ctx)
	return d.drain(sendCtx, cancel)
}

// housekeeping lets each lane look after what no event tells it of: deliveries
// whose time is up, memory it no longer needs, a clock that was set back.
func (d *Dispatcher) housekeeping(ctx context.Context) {
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.clock.moved:
		case <-minute.C:
			d.sendHome()
		}
		back, ahead := d.clock.taken()
		stale, now := false, d.now()
		if ahead > 0 {
			d.log.Warn("the clock was set ahead, or the machine was asleep", "by", ahead.Round(time.Second).String())
		}
		if back > 0 {
			d.log.Warn("the clock was set back", "by", back.Round(time.Second).String())
		}
		for _, l := range *d.lanes.Load() {
			if back > 0 {
				l.setBack(now, back)
			}
			stale = l.tick() || stale
		}
		if stale {
			d.refreshOldest(ctx)
		}
	}
}

// drain winds up. What the store does not take is offered to it until the
// grace is over.
func (d *Dispatcher) drain(sendCtx context.Context, cancelSends func()) error {
	defer close(d.over)
	d.mu.Lock()
	d.ended = true
	lanes := *d.lanes.Load()
	for _, l := range lanes {
		l.stop()
	}
	d.mu.Unlock()
	grace := time.AfterFunc(d.cfg.Grace, cancelSends)
	defer grace.Stop()
	last, cancel := context.WithTimeout(context.WithoutCancel(sendCtx), d.cfg.Grace+lastMoment)
	defer cancel()

	for {
		if d.wait(last) != nil {
			return errNotRecorded // the targets are in use still, and not closed
		}
		n := 0
		for _, l := range lanes {
			n += l.resave()
		}
		if n == 0 {
			break
		}
		_ = sleep(last, storeRetry/4) // the next wait says whether it was the last
	}
	var errs []error
	for _, l := range lanes {
		if err := l.saveHold(last); err != nil {
			errs = append(errs, fmt.Errorf("record hold of target %s: %w", l.name, err))
		}
		l.close()
	}
	return errors.Join(errs...)
}

// wait waits for every goroutine, timer and record, at most until ctx ends.
func (d *Dispatcher) wait(ctx context.Context) error {
	all := make(chan struct{})
	go func() { d.wg.Wait(); close(all) }()
	select {
	case <-all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastMoment is what attempts that were cut short have to end and be recorded.
const lastMoment = 2 * time.Second

var (
	// ErrBusy says that an attempt of the delivery is under way right now.
	ErrBusy = errors.New("an attempt is under way")

	errStopped     = fmt.Errorf("%w: stopping", event.ErrUnavailable)
	errNotRecorded = errors.New("some attempts did not end or could not be recorded in time: they will be made again")
)

// storeFailed logs the first of a row of failures of the store.
func (d *Dispatcher) storeFailed(ctx context.Context, target string, err error) {
	level := slog.LevelDebug
	if d.storeOK.Swap(false) {
		level = slog.LevelWarn
	}
	d.log.Log(ctx, level, "deliveries cannot be read from the store", "target", target, "err", err)
}

// sleep waits, and returns ctx's error if it ended before.
func sleep(ctx context.Context, wait time.Duration) error {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
