// Package alarm tells people of trouble: once when it begins, once when it
// ends, and never once an event. It keeps what is on in the store, so that a
// restart neither repeats nor forgets it.
//
//	dead letters, failed rules ──> reports ──┐
//	holds, backlog, silence … ──> measured ──┴──> board ──> news ──> outbox ──> alarms.to
//	                                                └─────────────> store, log, gauge
//
// What raises, keeps and ends an alarm:
//
//	kind                 subject  begins when                                      ends when
//	dead_letter          target   a delivery dies                                  none has for an hour, or none is left
//	target_held          target   it is on hold, not by hand, and deliveries wait  the hold ends, or is by hand
//	backlog              target   a delivery waits longer than backlog_age         none does any more
//	must_route           entry    an event it is true for reaches no target        none has for an hour
//	rule_error           rule     it cannot be evaluated for an event              that has not happened for an hour
//	reload_failed        -        a config is refused                              one is put in force
//	decryption_failures  source   5 webhooks in 10m, and more than half of all,    that is so no more
//	                              cannot be decrypted
//	silence              -        no known sender has sent anything for silence    one has
//
// An alarm has no alarm of its own, or one broken target would ring for ever:
// deliveries of alarms (event.Alarm) that die are not reported, nor are those of
// tests; alarms count for no backlog, and a hold for which nothing but alarms wait is none. An alarm
// about a target goes to the other targets of alarms.to, if there are any; else
// it waits there, and tells afterwards what was.
//
// Flapping is damped in two ways: an end is told only after Settle without
// the trouble, so what returns within it is one alarm; and the same alarm begins
// at most once in Gap: trouble that returns earlier is told when Gap is over,
// if it is still there then. The list of what is on, and the gauge, are not
// damped.
//
// The package leaves to others how things are measured: it asks funcs. Whoever
// reports waits for nothing: reports of one alarm are merged and counted. When
// the store takes nothing, what is to be told is tried again until it is told
// or no longer true. A crash between telling and noting it tells again.
package alarm

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// The kinds of alarms.
const (
	DeadLetter         = "dead_letter"
	TargetHeld         = "target_held"
	Backlog            = "backlog"
	MustRoute          = "must_route"
	RuleError          = "rule_error"
	ReloadFailed       = "reload_failed"
	DecryptionFailures = "decryption_failures"
	Silence            = "silence"
)

// kinds are all of them, in the order of their gauge.
func kinds() []string {
	return []string{DeadLetter, TargetHeld, Backlog, MustRoute, RuleError, ReloadFailed, DecryptionFailures, Silence}
}

// Source is the name under which alarms are events.
const Source = "alarms"

const (
	settle = 30 * time.Second // without the trouble before its end is told
	gap    = 10 * time.Minute // between two beginnings of the same alarm that are told
	quiet  = time.Hour        // without a new report before what only reports tell of is over
	every  = 5 * time.Second  // how often is looked when nobody reports
	gather = 250 * time.Millisecond
	within = 10 * time.Second // for what one look writes

	lastLook = 500 * time.Millisecond // when the relay stops: others want to write too
)

// ID is what makes two troubles one alarm: its kind, and what it is about.
type ID struct{ Kind, Subject string }

// Trouble is what is wrong now.
type Trouble struct {
	ID
	Since    time.Time
	Reason   string   // a fixed sentence, or what a target's attempt said: nothing of an event
	Event    event.ID // one to look at; zero for none
	Delivery string   // its delivery; "" for none
}

// Target is what of a target can be trouble.
type Target struct {
	Name         string
	Held, ByHand bool
	HeldSince    time.Time
	HeldReason   string
	Oldest       time.Time // at or before the receipt of the oldest delivery that waits; zero for none
	Dead         int
}

// Sender is what one source has sent since the start.
type Sender struct {
	Name   string
	Heard  float64 // webhooks whose credentials held
	Sealed float64 // those of them that could not be decrypted
}

// Settings are what a reload may change.
type Settings struct {
	To         []Recipient
	BacklogAge time.Duration // 0: never an alarm
	Silence    time.Duration // 0: never an alarm
	ConfigPath string        // for the commands that help
}

// Recipient is a target alarms go to.
type Recipient struct {
	Target    string
	Addresses []outbox.Address
}

// Store is what of an outbox.Store keeps alarms.
type Store interface {
	Alarms(ctx context.Context) ([]outbox.Alarm, error)
	SetAlarm(ctx context.Context, a outbox.Alarm) error
}

// Config is what a Keeper works with. All funcs are called by Run's goroutine.
type Config struct {
	Store Store
	// Put stores an event and its deliveries: outbox.Writer's.
	Put      func(ctx context.Context, e *outbox.Entry) error
	NewID    func(now time.Time) event.ID
	Settings func() Settings

	Targets func() []Target
	// Waiting finds a delivery of the target that waits, was received before the
	// time, and is no alarm's.
	Waiting func(ctx context.Context, target string, before time.Time) (d outbox.Pending, found bool, err error)
	Senders func() []Sender
	// Refused reports whether the config last read was refused.
	Refused func() bool
	// LastHeard is when the last webhook came before the start; zero: none.
	LastHeard func(ctx context.Context) (time.Time, error)

	Log     *slog.Logger          // nil: no log
	Metrics prometheus.Registerer // nil: no metrics
	Now     func() time.Time      // nil: time.Now
}
