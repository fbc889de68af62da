package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"invitation-relay/relay/outbox"
)

// Keeper keeps the alarms. Reports may come from any goroutine, also before
// Run; the rest is the business of Run's.
type Keeper struct {
	cfg     Config
	log     *slog.Logger
	gauge   *prometheus.GaugeVec
	reports *reports
	list    atomic.Pointer[[]outbox.Alarm]

	board    board
	latched  map[ID]*report     // what only reports tell of, until it is over
	times    map[ID]int         // how often what has just ended happened
	windows  map[string]*window // by source
	heardSum float64            // webhooks of all sources
	failing  bool               // the store: logged once, and not at each try

	// These have a monotonic reading: how long ago they were, no clock that is set changes.
	heardAt time.Time // when heardSum last grew
	started time.Time
}

// New makes a Keeper. Nobody is told anything before Run.
func New(cfg Config) *Keeper {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &Keeper{
		cfg: cfg, log: cfg.Log, reports: newReports(),
		board: board{}, latched: map[ID]*report{}, times: map[ID]int{}, windows: map[string]*window{},
		gauge: promauto.With(cfg.Metrics).NewGaugeVec(prometheus.GaugeOpts{
			Name: "relay_alarm_active", Help: "Alarms that are on, by kind: one for each target, rule or source it is about.",
		}, []string{"alarm"}),
	}
	k.show()
	return k
}

// Active lists the alarms that are on, by kind and subject: also those whose
// end has not been told yet.
func (k *Keeper) Active(context.Context) ([]outbox.Alarm, error) {
	return slices.Clone(*k.list.Load()), nil
}

// Run tells people until ctx ends, and then what has been reported last.
func (k *Keeper) Run(ctx context.Context) error {
	if !k.load(ctx) {
		return nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		k.look(ctx)
		select {
		case <-tick.C:
		case <-k.reports.wake:
			sleep(ctx, gather) // what happens together is one report
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
			defer cancel()
			k.look(last)
			return nil
		}
	}
}

// load reads what was on before, and tries again while the store fails. It
// returns false when ctx ends first.
func (k *Keeper) load(ctx context.Context) bool {
	for {
		err := k.tryLoad(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		k.log.Warn("the alarms cannot be read from the store", "err", err)
		sleep(ctx, every)
	}
}

func (k *Keeper) tryLoad(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	alarms, err := k.cfg.Store.Alarms(ctx)
	if err != nil {
		return err
	}
	heard, err := k.cfg.LastHeard(ctx)
	if err != nil {
		return err
	}
	now := k.now()
	k.started = time.Now()
	if k.heardAt = k.started; !heard.IsZero() {
		k.heardAt = k.started.Add(-max(0, now.Sub(heard)))
	}
	for _, a := range alarms {
		k.board.restore(a)
		switch id := (ID{a.Kind, a.Subject}); a.Kind {
		case DeadLetter, MustRoute, RuleError: // their hour begins anew
			k.latched[id] = &report{Trouble: k.board[id].Trouble, last: now}
		}
	}
	return nil
}

// look finds out what is wrong, and tells what is news.
func (k *Keeper) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	now, set := k.now(), k.cfg.Settings()
	k.board.see(now, k.measure(ctx, now, set), k.ending)
	var errs []error
	for _, n := range k.board.news(now) {
		m := n.message(set.ConfigPath)
		if !n.logged {
			k.say(n, m)
			n.logged = true
		}
		if err := k.send(ctx, now, addresses(set.To, n.ID), m); err != nil {
			errs = append(errs, fmt.Errorf("tell %s: %w", n.Kind, err))
			continue
		}
		n.tell(now)
	}
	for _, s := range k.board.unsaved() {
		if err := k.cfg.Store.SetAlarm(ctx, s.record()); err != nil {
			errs = append(errs, fmt.Errorf("note %s: %w", s.Kind, err))
			continue
		}
		s.stored = s.told
	}
	if len(errs) > 0 && !k.failing {
		k.log.Warn("alarms cannot be stored, and are tried again", "err", errors.Join(errs...))
	}
	k.failing = len(errs) > 0
	k.show()
}

// send stores the message for whom it may concern; the log has it already.
func (k *Keeper) send(ctx context.Context, now time.Time, to []outbox.Address, m message) error {
	if len(to) == 0 {
		return nil
	}
	ev, err := m.event(k.cfg.NewID(now), now)
	if err != nil {
		return err
	}
	return k.cfg.Put(ctx, &outbox.Entry{Event: ev, To: to})
}

// addresses are where an alarm goes: not to the target it is about, unless there
// is no other.
func addresses(to []Recipient, about ID) (all []outbox.Address) {
	switch about.Kind {
	case DeadLetter, TargetHeld, Backlog:
	default:
		about.Subject = "" // no target's name
	}
	for _, r := range to {
		if r.Target != about.Subject {
			all = append(all, r.Addresses...)
		}
	}
	if all == nil {
		for _, r := range to {
			all = append(all, r.Addresses...)
		}
	}
	return all
}

// say writes the news to the log.
func (k *Keeper) say(n news, m message) {
	attrs := []any{"alarm", m.Alarm, "subject", m.Subject, "reason", m.Reason}
	if m.EventID != "" {
		attrs = append(attrs, "event_id", m.EventID)
	}
	if m.DeliveryID != "" {
		attrs = append(attrs, "delivery_id", m.DeliveryID)
	}
	if n.began {
		k.log.Error("alarm", append(attrs, "command", m.Command)...)
		return
	}
	k.log.Info("alarm ended", append(attrs, "since", m.Since)...)
}

// show makes the list and the gauge say what is on.
func (k *Keeper) show() {
	list := k.board.active()
	k.list.Store(&list)
	on := map[string]float64{}
	for _, a := range list {
		on[a.Kind]++
	}
	for _, kind := range kinds() {
		k.gauge.WithLabelValues(kind).Set(on[kind])
	}
}

func (k *Keeper) now() time.Time { return k.cfg.Now().Round(0).UTC() }

// sleep waits, at most until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

var _ interface { // dispatch.Observer
	Dead(key outbox.Key, reason string)
	Held(target, reason string, byHand bool)
	Released(target string)
} = (*Keeper)(nil)
