package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Show is how much of an event's body is wanted.
type Show string

// How much of a body is wanted.
const (
	ShowMasked Show = "masked" // names and customer ids hidden
	ShowFull   Show = "full"   // as it was received: for operators, and audited
	ShowNone   Show = "none"

	shownErased = "erased" // instead of either: the retention has passed
)

// Detail is what may be shown of a stored event, and why it was decided so.
type Detail struct {
	Body  json.RawMessage // one JSON object; nil when there is none to show
	Rules []DecidedRule   // of the ruleset that decided, in its order
}

// DecidedRule is what one rule said of the event, and what it saw.
type DecidedRule struct {
	Name    string     `json:"name"`
	Verdict string     `json:"verdict"` // match, no_match, error, shadow, not_evaluated
	When    string     `json:"when"`    // "" when it was not kept
	Parts   []RulePart `json:"parts"`   // the whole expression, then what it is made of
}

// RulePart is a piece of a rule's expression and what it was for the event.
type RulePart struct {
	Text      string `json:"text"`
	Depth     int    `json:"depth"`  // 0 is the whole expression
	Values    []any  `json:"values"` // one, or in any(), filter() and the like the first few
	Evaluated bool   `json:"evaluated"`
	Failed    bool   `json:"failed"` // it, or something below it, could not be evaluated
}

type eventDetail struct {
	eventItem
	Body       json.RawMessage  `json:"body"`
	BodyShown  string           `json:"body_shown"`
	Rules      []DecidedRule    `json:"rules"` // in place of the item's
	Deliveries []deliveryDetail `json:"deliveries"`
}

type deliveryDetail struct {
	deliveryItem
	History []attemptItem `json:"history"`
}

// attemptItem is one attempt, or with outcome "" a change of state without one.
type attemptItem struct {
	At            stamp  `json:"at"`
	Number        int    `json:"number"`
	Outcome       string `json:"outcome"`
	Status        int    `json:"status"`
	DurationMS    int64  `json:"duration_ms"`
	Tries         int    `json:"tries"`
	Reason        string `json:"reason"`
	State         string `json:"state"`
	NextAttemptAt stamp  `json:"next_attempt_at"`
}

// showEvent is one event with its body, its rules and the story of its
// deliveries. Only an operator sees the body as it is, and leaves a line.
func (a *api) showEvent(c *call) (any, error) {
	id, err := event.ParseID(c.req.PathValue("id"))
	if err != nil {
		return nil, err
	}
	show := Show(c.query.Get("body"))
	switch show {
	case "":
		show = ShowMasked
	case ShowMasked, ShowNone:
	case ShowFull:
		c.action = "show full body"
		c.note(slog.String("event_id", id.String()))
		if c.who.Role != Operator {
			return nil, &problem{Status: http.StatusForbidden, Detail: "body=full needs the role operator"}
		}
	default:
		return nil, bad("body is masked, full or none")
	}
	e, err := a.Store.Event(c.ctx, id)
	if errors.Is(err, event.ErrNotFound) {
		return a.showRefused(c.ctx, id)
	}
	if err != nil {
		return nil, err
	}
	d := a.Detail(e, show)
	out := eventDetail{eventItem: eventItemOf(e), Body: d.Body, BodyShown: string(show), Rules: orNone(d.Rules), Deliveries: []deliveryDetail{}}
	if e.Body == nil && show != ShowNone {
		out.BodyShown = shownErased
	}
	for i := range out.Rules {
		out.Rules[i].Parts = orNone(out.Rules[i].Parts)
		for j := range out.Rules[i].Parts {
			out.Rules[i].Parts[j].Values = orNone(out.Rules[i].Parts[j].Values)
		}
	}
	for _, address := range e.To {
		one, err := a.deliveryOf(c.ctx, outbox.Key{Event: id, Address: address})
		if err != nil {
			return nil, err
		}
		out.Deliveries = append(out.Deliveries, one)
	}
	return out, nil
}

// showRefused is the same of what was refused: nobody has read its body.
func (a *api) showRefused(ctx context.Context, id event.ID) (any, error) {
	items, _, err := a.Store.Refused(ctx, outbox.Filter{ID: id.String(), Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return nil, event.ErrNotFound
	}
	return eventDetail{
		eventItem: refusedItemOf(&items[0]), BodyShown: string(ShowNone), Rules: []DecidedRule{}, Deliveries: []deliveryDetail{},
	}, nil
}

// showDelivery is one delivery with its history.
func (a *api) showDelivery(c *call) (any, error) {
	k, err := deliveryKey(c)
	if err != nil {
		return nil, err
	}
	return a.deliveryOf(c.ctx, k)
}

func (a *api) deliveryOf(ctx context.Context, k outbox.Key) (deliveryDetail, error) {
	d, err := a.Store.Delivery(ctx, k)
	if err != nil {
		return deliveryDetail{}, err
	}
	attempts, err := a.Store.Attempts(ctx, k)
	if err != nil {
		return deliveryDetail{}, err
	}
	out := deliveryDetail{deliveryItem: deliveryItemOf(d), History: make([]attemptItem, 0, len(attempts))}
	for _, at := range attempts {
		out.History = append(out.History, attemptItem{
			At: stamp(at.At), Number: at.Number, Outcome: at.Outcome.String(), Status: at.Status,
			DurationMS: at.Duration.Milliseconds(), Tries: at.Tries, Reason: at.Reason,
			State: at.State.String(), NextAttemptAt: stamp(at.NextAt),
		})
	}
	return out, nil
}

// deliveryKey reads the delivery id in the path.
func deliveryKey(c *call) (outbox.Key, error) {
	k, err := outbox.ParseKey(c.req.PathValue("id"))
	if err != nil {
		return k, bad("the id in the path is not a delivery's: it looks like 0198c5a2-….target, the event's id and where it goes")
	}
	return k, nil
}

// orNone is a list that is [] in JSON, not null.
func orNone[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
