package cli

import (
	"encoding/json"
	"time"
)

// The items of the API, as far as the commands show them.

type eventItem struct {
	ID         string     `json:"id"`
	Source     string     `json:"source"`
	Subject    string     `json:"subject"`
	Ticket     string     `json:"ticket"`
	Status     string     `json:"status"`
	Kind       string     `json:"kind"`
	ReceivedAt time.Time  `json:"received_at"`
	State      string     `json:"state"`
	Rules      []ruleItem `json:"rules"`
	Targets    []string   `json:"targets"`
	Refused    *string    `json:"refused"`
}

type ruleItem struct {
	Name    string     `json:"name"`
	Verdict string     `json:"verdict"`
	When    string     `json:"when"`
	Parts   []partItem `json:"parts"`
}

type partItem struct {
	Text      string `json:"text"`
	Depth     int    `json:"depth"`
	Values    []any  `json:"values"`
	Evaluated bool   `json:"evaluated"`
	Failed    bool   `json:"failed"`
}

// shownEvent is one event with all that is known of it.
type shownEvent struct {
	eventItem
	Body       json.RawMessage `json:"body"`
	BodyShown  string          `json:"body_shown"` // masked, full, none, erased
	Deliveries []deliveryItem  `json:"deliveries"`
}

type deliveryItem struct {
	ID            string        `json:"id"`
	EventID       string        `json:"event_id"`
	Target        string        `json:"target"`
	State         string        `json:"state"`
	Attempts      int           `json:"attempts"`
	NextAttemptAt *time.Time    `json:"next_attempt_at"`
	LastOutcome   string        `json:"last_outcome"`
	LastStatus    int           `json:"last_status"`
	LastReason    string        `json:"last_reason"`
	CreatedAt     *time.Time    `json:"created_at"`
	FinishedAt    *time.Time    `json:"finished_at"`
	History       []historyItem `json:"history"`
}

// The states of a delivery, and an outcome.
const (
	statePending   = "pending"
	stateDelivered = "delivered"
	stateDead      = "dead"
	stateDiscarded = "discarded"
	outcomeHeld    = "held"
)

// historyItem is an attempt, or, with no outcome, a change without one.
type historyItem struct {
	At            time.Time  `json:"at"`
	Number        int        `json:"number"`
	Outcome       string     `json:"outcome"`
	Status        int        `json:"status"`
	DurationMS    float64    `json:"duration_ms"`
	Tries         int        `json:"tries"`
	Reason        string     `json:"reason"`
	State         string     `json:"state"`
	NextAttemptAt *time.Time `json:"next_attempt_at"`
}

type targetItem struct {
	Name                 string     `json:"name"`
	Kind                 string     `json:"kind"`
	Held                 bool       `json:"held"`
	HeldSince            *time.Time `json:"held_since"`
	HeldReason           string     `json:"held_reason"`
	ByHand               bool       `json:"by_hand"`
	NextProbeAt          *time.Time `json:"next_probe_at"`
	WaitingUntil         *time.Time `json:"waiting_until"`
	Pending              int        `json:"pending"`
	OldestPendingSeconds int        `json:"oldest_pending_seconds"`
	Delivered            int        `json:"delivered"`
	Dead                 int        `json:"dead"`
}
