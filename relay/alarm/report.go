package alarm

import (
	"strconv"
	"sync"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// mostReports are merged reports that may wait: subjects are names from the
// config, so there are fewer.
const mostReports = 1000

// reports gathers what is told from all sides until somebody looks. Reports of
// one alarm are one with a count, so that it needs no more room in a flood.
type reports struct {
	mu   sync.Mutex
	by   map[ID]*report
	lost int           // those there was no room for
	wake chan struct{} // one token: somebody should look
}

// report is the last of several about one alarm.
type report struct {
	Trouble
	last  time.Time
	times int
}

func newReports() *reports { return &reports{by: map[ID]*report{}, wake: make(chan struct{}, 1)} }

// add never blocks.
func (r *reports) add(t Trouble) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch old := r.by[t.ID]; {
	case old != nil:
		old.times++
		old.last = t.Since
	case len(r.by) < mostReports:
		r.by[t.ID] = &report{Trouble: t, last: t.Since, times: 1}
	default:
		r.lost++
	}
	r.nudge()
}

// nudge makes somebody look soon.
func (r *reports) nudge() {
	select {
	case r.wake <- struct{}{}:
	default: // there is a token already
	}
}

// take empties it.
func (r *reports) take() (by map[ID]*report, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	by, lost = r.by, r.lost
	r.by, r.lost = map[ID]*report{}, 0
	return by, lost
}

// Dead reports a dead letter that is no alarm's and no test's: dispatch.Observer.
func (k *Keeper) Dead(key outbox.Key, reason string) {
	k.reports.add(Trouble{
		ID: ID{DeadLetter, key.Address.Target()}, Since: k.now(), Reason: "a delivery is dead: " + reason, Event: key.Event, Delivery: key.String(),
	})
}

// Held says that a target is on hold now: dispatch.Observer.
func (k *Keeper) Held(string, string, bool) { k.reports.nudge() }

// Released says that a target is on hold no more: dispatch.Observer.
func (k *Keeper) Released(string) { k.reports.nudge() }

// RuleError reports that a rule could not be evaluated for an event.
func (k *Keeper) RuleError(rule string, id event.ID) {
	k.reports.add(Trouble{
		ID: ID{RuleError, rule}, Since: k.now(), Reason: "the rule could not be evaluated for an event, and sent it nowhere", Event: id,
	})
}

// MustRoute reports an event that the entry of must_route is true for, and that
// reaches no target.
func (k *Keeper) MustRoute(entry int, id event.ID) {
	k.reports.add(Trouble{
		ID: ID{MustRoute, "must_route[" + strconv.Itoa(entry) + "]"}, Since: k.now(),
		Reason: "an event that must reach a target reaches none", Event: id,
	})
}

// Look makes the Keeper look soon, when something it measures has changed.
func (k *Keeper) Look() { k.reports.nudge() }
