package admin

import (
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// The items of the lists, as they are documented. Every key is always there: a
// time that is not is null, a list never is, a text that is not is "". Nothing
// of an event but its ids and states gets in: each member is copied by name.

// page is the answer of every list. Next is the cursor of the page after it, ""
// on the last one.
type page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// newPage turns what the store listed into a page; cursor is where a list goes
// on after an item.
func newPage[S, T any](stored []S, more bool, item func(*S) T, cursor func(*S) string) page[T] {
	p := page[T]{Items: make([]T, 0, len(stored))}
	for i := range stored {
		p.Items = append(p.Items, item(&stored[i]))
	}
	if n := len(stored); more && n > 0 {
		p.Next = cursor(&stored[n-1])
	}
	return p
}

// stamp is a time in an answer: RFC 3339 in UTC with milliseconds, so that
// texts sort as times do; null when zero.
type stamp time.Time

func (s stamp) MarshalJSON() ([]byte, error) {
	t := time.Time(s)
	if t.IsZero() {
		return []byte("null"), nil
	}
	return t.UTC().AppendFormat(make([]byte, 0, 32), `"2006-01-02T15:04:05.000Z"`), nil
}

type eventItem struct {
	ID         string           `json:"id"`
	Kind       string           `json:"kind"` // received, replayed, test, alarm
	Source     string           `json:"source"`
	Subject    string           `json:"subject"`
	Ticket     string           `json:"ticket"`
	Status     string           `json:"status"`
	ReceivedAt stamp            `json:"received_at"`
	State      string           `json:"state"`
	Rules      []outbox.Verdict `json:"rules"`
	Targets    []string         `json:"targets"`
	Refused    *string          `json:"refused"`
}

// The states of an event: it has deliveries to make, it has none, or it was
// never taken.
const (
	statePending  = "pending"
	stateFinished = "finished"
	stateRefused  = "refused"
)

func eventItemOf(e *outbox.StoredEvent) eventItem {
	it := eventItem{
		ID: e.ID.String(), Kind: e.Kind.String(), Source: e.Source, Subject: e.Subject, Ticket: e.Ticket, Status: e.Status,
		ReceivedAt: stamp(e.ReceivedAt), State: stateFinished,
		Rules: append([]outbox.Verdict{}, e.Verdicts...), Targets: targetsOf(e.To),
	}
	if e.Open > 0 {
		it.State = statePending
	}
	return it
}

func refusedItemOf(r *event.Refused) eventItem {
	return eventItem{
		ID: r.ID.String(), Kind: event.Received.String(), Source: r.Source, ReceivedAt: stamp(r.ReceivedAt), State: stateRefused,
		Rules: []outbox.Verdict{}, Targets: []string{}, Refused: &r.Reason,
	}
}

// targetsOf names each target once, however many recipients it has.
func targetsOf(to []outbox.Address) []string {
	names := make([]string, 0, len(to))
	seen := make(map[string]bool, len(to))
	for _, a := range to {
		if name := a.Target(); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

type deliveryItem struct {
	ID            string `json:"id"`
	EventID       string `json:"event_id"`
	Target        string `json:"target"`
	Recipient     string `json:"recipient"` // a hash, "" for a target without recipients
	State         string `json:"state"`
	Attempts      int    `json:"attempts"`
	NextAttemptAt stamp  `json:"next_attempt_at"`
	LastOutcome   string `json:"last_outcome"`
	LastStatus    int    `json:"last_status"` // HTTP status or SMTP code, 0 when there was none
	LastReason    string `json:"last_reason"`
	CreatedAt     stamp  `json:"created_at"`
	FinishedAt    stamp  `json:"finished_at"`
}

func deliveryItemOf(d *outbox.StoredDelivery) deliveryItem {
	return deliveryItem{
		ID: d.Key.String(), EventID: d.Key.Event.String(), Target: d.Key.Address.Target(), Recipient: d.Key.Address.Recipient(),
		State: d.State.String(), Attempts: d.Attempts, NextAttemptAt: stamp(d.NextAt),
		LastOutcome: d.LastOutcome.String(), LastStatus: d.LastStatus, LastReason: d.LastReason,
		CreatedAt: stamp(d.CreatedAt), FinishedAt: stamp(d.FinishedAt),
	}
}

type targetItem struct {
	Name                 string `json:"name"`
	Kind                 string `json:"kind"` // "" when the config has it no more
	Held                 bool   `json:"held"`
	ByHand               bool   `json:"by_hand"` // held by an operator: not probed
	HeldSince            stamp  `json:"held_since"`
	HeldReason           string `json:"held_reason"`
	NextProbeAt          stamp  `json:"next_probe_at"`
	WaitingUntil         stamp  `json:"waiting_until"` // it has asked to be left alone (Retry-After)
	Pending              int    `json:"pending"`
	OldestPendingSeconds int    `json:"oldest_pending_seconds"` // 0 when nothing is pending
	Delivered            int    `json:"delivered"`
	Dead                 int    `json:"dead"`
}
