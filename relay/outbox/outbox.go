// Package outbox keeps every accepted event, and what is still to be delivered
// of it, on disk.
//
// The promise: when Writer.Put returns nil, the event and its deliveries survive
// kill -9 and a power cut. Each delivery then stays pending until an attempt
// ends it, its time is up, or an operator discards it:
//
//	                 ┌──── retry / held ────┐
//	                 ▼                      │
//	accept ──> pending ──── attempt ────────┼──> delivered
//	                 ▲                      ├──> dead  (rejected, or max_age reached)
//	                 └── retried by hand ───┘
//	pending, dead ── discarded by hand ──> discarded
//
// An end that could not be recorded before a crash is an attempt that is made
// again: deliveries are at least once, and a repeat carries the same ids.
//
// The outbox leaves to others what to send where (rules), when to try again
// (dispatch) and how (target). Only implementations of Store speak SQL.
package outbox

import (
	"context"
	"errors"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// Address is where one delivery goes: the name of a target, or for a target
// with several recipients "name.recipient", where recipient is a short hash and
// never a mail address. Names contain no dot, so the first dot separates.
type Address string

// AddressOf joins a target's name and a recipient's hash ("" for none).
func AddressOf(target, recipient string) Address {
	if recipient == "" {
		return Address(target)
	}
	return Address(target + "." + recipient)
}

// Target is the name of the target.
func (a Address) Target() string { t, _, _ := strings.Cut(string(a), "."); return t }

// Recipient is the recipient's hash, "" when the target has no recipients.
func (a Address) Recipient() string { _, r, _ := strings.Cut(string(a), "."); return r }

// Key names one delivery: one event for one address.
type Key struct {
	Event   event.ID
	Address Address
}

// String is the delivery id, "EVENT-ID.ADDRESS": usable as it stands in a URL
// path, a file name and the left side of a Message-ID.
func (k Key) String() string { return k.Event.String() + "." + string(k.Address) }

// ParseKey is the inverse of Key.String.
func ParseKey(s string) (Key, error) {
	id, addr, ok := strings.Cut(s, ".")
	if !ok || addr == "" {
		return Key{}, event.ErrBadID
	}
	e, err := event.ParseID(id)
	return Key{e, Address(addr)}, err
}

// Verdict is what one rule said of one event, recorded when it was not
// "no_match": "match", "error" or "shadow".
type Verdict struct {
	Rule    string `json:"name"`
	Verdict string `json:"verdict"`
}

// Entry is one event on its way into the store.
type Entry struct {
	Event    *event.Event
	Verdicts []Verdict
	To       []Address // its deliveries; may be empty: then the event is only history

	// Ruleset is what decided, as a text that relay can read back: the store keeps
	// each different one once. "": not known.
	Ruleset string
	// DedupeSince: an event of the same source with the same Dedupe received at
	// or after this time makes this entry a duplicate. Zero: no deduplication,
	// and no later entry is a duplicate of this one. Where the clock was set in
	// between, a store goes by the time that has passed, if it can tell.
	DedupeSince time.Time

	// Set by Store.Write: Duplicate entries are not stored, and StoredID is the
	// id of the event that was there first (else Event.ID).
	Duplicate bool
	StoredID  event.ID
}

// Attempt is one ended try of a delivery, and what became of the delivery.
type Attempt struct {
	Key      Key
	Number   int // 1 for the first
	At       time.Time
	Duration time.Duration
	Outcome  event.Outcome // zero: no try was made, only the state changes (max_age reached, discarded, retried by hand)
	Status   int           // HTTP status or SMTP code, 0 when there was none
	Reason   string        // redacted, for an operator; "" for success
	Tries    int           // tries made inside the attempt, at least 1

	State  event.State // of the delivery from now on
	NextAt time.Time   // when State is Pending
}

// Batch is what one transaction makes durable.
type Batch struct {
	Entries  []*Entry
	Attempts []Attempt
	Refused  []*event.Refused

	// KeepRefused says how many refused ones of a source are kept: when Refused
	// has one of it, the oldest beyond that are erased. nil: all are kept.
	KeepRefused func(source string) int
}

// Pending is one delivery to be tried.
type Pending struct {
	Key       Key
	Attempts  int       // made so far
	CreatedAt time.Time // when the event was received: max_age counts from here
	Reason    string    // StoredDelivery.LastReason
	Event     *event.Event
}

// Query asks for deliveries that are due.
type Query struct {
	Addresses []Address
	DueBy     time.Time // next attempt at or before this
	AfterSeq  int64     // of those never tried, only events with a greater Seq; 0 for all
	BeforeSeq int64     // only events with a smaller Seq, tried or not; 0 for all
	// TriedAfter: of those tried before, only events with a greater Seq; 0 for all.
	// With BeforeSeq they can be read in pages, and one delivery by its Seq.
	TriedAfter int64
	Limit      int // deliveries of one event never tried are not cut apart: a few more may come
}

// Hold says that a target is broken as a whole and its deliveries wait.
type Hold struct {
	Target string
	Since  time.Time
	Reason string // redacted, for an operator
	ByHand bool   // only a release by hand ends it
}

// Alarm is trouble that began and has not ended. It is in the store so that
// a restart neither repeats nor forgets it.
type Alarm struct {
	Kind    string    // target_held, backlog, …
	Subject string    // the target, source or rule it is about; with Kind its identity
	Since   time.Time // when it began
	Reason  string    // redacted, for an operator
	EventID event.ID  // an event to look at; zero when there is none
}

// Count is what a store has of one address.
type Count struct {
	Pending, Delivered, Dead int
	Oldest                   time.Time // receipt of the oldest pending one; zero when none
}

// Store is a durable outbox. All methods are safe for concurrent use, but Write
// is called by one goroutine (the Writer). Errors wrap event.ErrUnavailable when
// trying again later may help. Two implementations pass one suite: storetest.
type Store interface {
	// Write makes the whole batch durable or none of it, and fills in the
	// results of its entries. After an error the store is as it was, and stays
	// usable: the next Write may succeed. An error that does not wrap
	// event.ErrUnavailable is the fault of something in the batch.
	//
	// Of the attempts these are ignored: one that was recorded before (same key,
	// number, time, outcome and state), one of a delivery the store does not
	// know, one of a delivery that is not pending any more; and, with a zero
	// Outcome, a change of state that the drawing above has no arrow for. (By
	// hand, a delivered or discarded delivery may be made pending again like a
	// dead one. A pending one that stays pending is put off, or brought forward,
	// to NextAt: from then on it counts as tried before, whatever its attempts.)
	Write(ctx context.Context, b *Batch) error
	// Claim returns pending deliveries that are due, those never tried first in
	// the order of their events, then the others in the order they became due
	// (with BeforeSeq: in the order of their events), and when the next one not
	// yet due will be (zero: none). It changes nothing: whoever claims remembers
	// what it holds. Event.Fields is nil and Person empty: the store does not
	// decode bodies. An event whose row is damaged is left out and logged; it
	// stays pending. Others take its place: fewer than q.Limit are returned only
	// when there are no more.
	Claim(ctx context.Context, q Query) (due []Pending, next time.Time, err error)
	// Advance makes at most limit waiting deliveries of the addresses due at
	// once, and says how many it changed.
	Advance(ctx context.Context, to []Address, now time.Time, limit int) (int, error)

	// Event returns one event with its body, or event.ErrNotFound, or
	// ErrCorrupt when its row is damaged.
	Event(ctx context.Context, id event.ID) (*StoredEvent, error)
	// Delivery returns one delivery, or event.ErrNotFound, or ErrCorrupt when the
	// event has it and what has become of it cannot be read.
	Delivery(ctx context.Context, k Key) (*StoredDelivery, error)
	// Attempts returns the recorded attempts of a delivery and its changes of
	// state without one (Outcome zero), oldest first; times to the microsecond.
	Attempts(ctx context.Context, k Key) ([]Attempt, error)
	// Events and Deliveries list newest first, without bodies, the deliveries of
	// one event by address; more says whether there are older ones, to be asked
	// for with Filter.Before. What cannot be read is left out and logged.
	Events(ctx context.Context, f Filter) (items []StoredEvent, more bool, err error)
	Deliveries(ctx context.Context, f Filter) (items []StoredDelivery, more bool, err error)
	// Refused lists what intake refused and kept, newest first, with bodies. Of
	// the filter it heeds Source, ID (here the event id), Since, Until, Limit and
	// Before.
	Refused(ctx context.Context, f Filter) (items []event.Refused, more bool, err error)
	// Counts returns what each address has, also those no longer in the config.
	Counts(ctx context.Context) (map[Address]Count, error)

	// SetHold records or (with Since zero) removes a hold; Holds lists them.
	SetHold(ctx context.Context, h Hold) error
	Holds(ctx context.Context) ([]Hold, error)
	// SetAlarm records an alarm, or what has changed of one, or (with Since zero)
	// removes it; Alarms lists them by Kind and Subject.
	SetAlarm(ctx context.Context, a Alarm) error
	Alarms(ctx context.Context) ([]Alarm, error)
	// SaveThread remembers what a target's thread of this key hangs on, unless the
	// key has something already; Thread returns it, "" when there is nothing.
	SaveThread(ctx context.Context, target, key, ref string, now time.Time) error
	Thread(ctx context.Context, target, key string) (ref string, err error)

	// Purge erases, in transactions short enough not to delay accepting, what
	// the retention no longer covers, and says how many bodies and rows that was.
	Purge(ctx context.Context, r Retention) (int, error)
	// Forget erases one person: the body, person, subject, ticket and Dedupe of
	// each event that is hers, and what was refused of her, whole. It is hers when
	// Person says so, when Holds says so of its body, or when it has the subject or
	// ticket of one that is hers and is nobody else's. Deliveries of it that are
	// pending or dead become discarded; what is left tells of no one. When Forget
	// returns nil, none of it can be found in the store's files either, but for what
	// Forgotten says nobody could look at. After an error some may be left: Forget
	// again does the rest.
	Forget(ctx context.Context, f Forget) (Forgotten, error)
	// Check reports whether the store would take a write now.
	Check(ctx context.Context) error
	// LastSeq is the greatest Seq ever stored, for event.IDs.Floor.
	LastSeq() int64
	Close() error
}

// Retention says what Purge may erase.
type Retention struct {
	Bodies       time.Time                                        // bodies of events finished before this without a dead delivery
	Rows         time.Time                                        // rows, dead letters included, finished before this; threads begun before it
	RefusedAfter func(source string) (before time.Time, keep int) // refused ones older than before, and all but the newest keep; "" are those damage has made nobody's
}

// Forget says whom a store is to forget.
type Forget struct {
	Person string
	Holds  func(body []byte) bool // whether a body tells of her; it is asked of every body
	// Unseal is what a refused request that its sender encrypted may say, by the keys
	// that there are; nothing when none of them opens it. Nil: none does.
	Unseal func(r *event.Refused) [][]byte
	// Discard gives up deliveries that are pending or dead, before the bodies go: for
	// whoever has them in memory. Nil: the store does.
	Discard func(ctx context.Context, list []StoredDelivery) error
	Now     time.Time
}

// Forgotten is what was erased.
type Forgotten struct {
	Events    int // that have lost what told of her
	Discarded int // deliveries that were pending or dead
	Refused   int
	Sealed    int // refused ones that stay: no key there is opens them, or they are damaged, and nobody can look whose they are
	Damaged   int // events that something of cannot be read: they, or what hangs on them, may be hers all the same
}

// Filter selects for a list. Zero fields select everything; fields that are set
// must all hold.
type Filter struct {
	Event        event.ID // the deliveries of this event, or the event itself
	State        string   // a delivery's state; for events "pending", "finished"
	Target       string
	Source       string
	ID           string // subject: the invitation's id
	Ticket       string
	Person       string    // cifcod
	Since, Until time.Time // received at or after Since and before Until
	Limit        int       // 1 to 1000; 0 means 50
	Before       string    // opaque: Cursor of the last item of the page before
}

// StoredEvent is an event as the store has it. Body is nil in lists, and once
// the retention has passed; Person is always empty, Fields nil. To is sorted.
type StoredEvent struct {
	event.Event
	Verdicts   []Verdict
	Ruleset    string // as its Entry had it, of Store.Event only; "" in lists, and once none has decided by it within Retention.Rows
	To         []Address
	Open       int       // deliveries still pending
	FinishedAt time.Time // zero while Open > 0
}

// Cursor is the Filter.Before that continues a list after this event.
func (e *StoredEvent) Cursor() string { return e.ID.String() }

// StoredDelivery is a delivery as the store has it.
type StoredDelivery struct {
	Key         Key
	State       event.State
	Attempts    int
	NextAt      time.Time // zero unless pending and tried before
	LastOutcome event.Outcome
	LastStatus  int
	LastReason  string // of the last attempt, and after it why its time was up; or what was done by hand since
	CreatedAt   time.Time
	FinishedAt  time.Time // zero while pending
}

// Cursor is the Filter.Before that continues a list after this delivery.
// (A list of refused events continues after the id of its last one.)
func (d *StoredDelivery) Cursor() string { return d.Key.String() }

var (
	// ErrUncertain says that an entry may yet be stored although Put has
	// returned an error: its commit was under way. It comes with
	// event.ErrUnavailable.
	ErrUncertain = errors.New("the commit was not waited for")
	// ErrLocked says that another process has the store open.
	ErrLocked = errors.New("another invitation-relay is using this store")
	// ErrNewer says that a newer release has changed the store's schema.
	ErrNewer = errors.New("the store was written by a newer release")
	// ErrKey says that the store has what is encrypted with a key that is not
	// there; the text names the way out.
	ErrKey = errors.New("an encryption key is missing")
	// ErrCorrupt says that the store is damaged; the text names the way out.
	ErrCorrupt = errors.New("the store is damaged")
)
