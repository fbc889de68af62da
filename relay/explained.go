package relay

import (
	"context"
	"fmt"
	"io"
	"time"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// The form of an explanation in JSON, of `explain --json` and of the API. Names
// and meanings stay; members may be added.

// Explained is all there is to say of one webhook.
type Explained struct {
	Source     string             `json:"source"`
	Encrypted  bool               `json:"encrypted"`
	ReceivedAt time.Time          `json:"received_at"`
	Answer     ExplainedAnswer    `json:"answer"`
	EventID    string             `json:"event_id,omitempty"`
	Rules      []ExplainedRule    `json:"rules"`
	Targets    []string           `json:"targets"`
	Broken     []string           `json:"must_route_broken"`
	Messages   []ExplainedMessage `json:"messages"`
}

// ExplainedAnswer is what the sender would be answered.
type ExplainedAnswer struct {
	Status int    `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// ExplainedRule is what one rule said and why.
type ExplainedRule struct {
	Name       string          `json:"name"`
	Verdict    string          `json:"verdict"` // match, no_match, error, shadow, not_evaluated
	Why        string          `json:"why,omitempty"`
	When       string          `json:"when"`
	To         []string        `json:"to"`
	Error      *ExplainedError `json:"error,omitempty"`
	Expression *ExplainedPart  `json:"expression,omitempty"`
}

// ExplainedError is why a rule could not be evaluated.
type ExplainedError struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

// ExplainedPart is a piece of a rule's expression and what it was.
type ExplainedPart struct {
	Text   string           `json:"text"`
	Times  int              `json:"evaluated"`        // how often
	Value  *any             `json:"value,omitempty"`  // outside loops, when it was evaluated
	Values []any            `json:"values,omitempty"` // in loops, the first few
	Error  string           `json:"error,omitempty"`
	Parts  []*ExplainedPart `json:"parts,omitempty"`
}

// ExplainedMessage is one delivery as it would leave.
type ExplainedMessage struct {
	Target    string            `json:"target"`
	Kind      string            `json:"kind"`
	Recipient string            `json:"recipient,omitempty"`
	Method    string            `json:"method,omitempty"`
	URL       string            `json:"url,omitempty"`
	Headers   []ExplainedHeader `json:"headers,omitempty"`
	Body      string            `json:"body,omitempty"`
	Subject   string            `json:"subject,omitempty"`
	Text      string            `json:"text,omitempty"`
	HTML      string            `json:"html,omitempty"`
	Error     string            `json:"error,omitempty"`
}

// ExplainedHeader is one header of a message.
type ExplainedHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Explained puts the outcome into that form: of a webhook from source that came
// encrypted, or not, at the time.
func (o *Outcome) Explained(source string, encrypted bool, at time.Time) *Explained {
	explanations, messages := o.Explain(), o.Messages()
	out := &Explained{
		Source: source, Encrypted: encrypted, ReceivedAt: at,
		Answer: ExplainedAnswer{o.Status, o.Reason},
		Rules:  make([]ExplainedRule, 0, len(explanations)), Targets: orEmpty(o.Decision.Targets), Broken: orEmpty(o.Broken()),
		Messages: make([]ExplainedMessage, 0, len(messages)),
	}
	if o.Event != nil {
		out.EventID = o.Event.ID.String()
	}
	for i, r := range explanations {
		c := &o.run.cfg.Rules[i]
		out.Rules = append(out.Rules, NewExplainedRule(r, c.When, c.To))
	}
	for i := range messages {
		out.Messages = append(out.Messages, newExplainedMessage(&messages[i]))
	}
	return out
}

// NewExplainedRule puts one rule's explanation into that form.
func NewExplainedRule(r rules.Explanation, when string, to []string) ExplainedRule {
	out := ExplainedRule{Name: r.Rule, Verdict: verdictWord(r.Verdict), Why: r.Why, When: when, To: orEmpty(to)}
	if r.Err != nil {
		out.Error = &ExplainedError{r.Err.Line, r.Err.Col, r.Err.Message}
	}
	if r.Whole != nil {
		out.Expression = newExplainedPart(r.Whole)
	}
	return out
}

// verdictWord is a verdict's word in the API, and one where that has none.
func verdictWord(v rules.Verdict) string {
	if v == rules.NotEvaluated {
		return "not_evaluated"
	}
	return v.String()
}

func newExplainedPart(p *rules.Part) *ExplainedPart {
	out := &ExplainedPart{Text: p.Text, Times: p.Times, Error: p.Err}
	switch {
	case p.Loop:
		out.Values = p.Values
	case len(p.Values) == 1:
		out.Value = &p.Values[0]
	}
	for _, below := range p.Parts {
		out.Parts = append(out.Parts, newExplainedPart(below))
	}
	return out
}

func newExplainedMessage(m *Message) ExplainedMessage {
	out := ExplainedMessage{
		Target: m.Target, Kind: m.Kind, Recipient: m.Recipient, Method: m.Method, URL: m.URL,
		Body: m.Body, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
	}
	for _, h := range m.Header {
		out.Headers = append(out.Headers, ExplainedHeader{h.Name, h.Value})
	}
	if m.Err != nil {
		out.Error = m.Err.Error()
	}
	return out
}

// orEmpty is a list that is [] in JSON, not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// explain says what would become of a body that the source sent now, encrypted
// when it has keys. It reads no more than the source may send.
func (r *Relay) explain(_ context.Context, source string, body io.Reader) (any, error) {
	cfg := r.plan.Load().cfg
	s := cfg.Sources[source]
	if s == nil {
		return nil, fmt.Errorf("source: %w", event.ErrNotFound)
	}
	payload, err := io.ReadAll(io.LimitReader(body, int64(s.MaxBody)+1))
	if err != nil {
		return nil, &admin.InvalidError{Problems: []string{"the payload did not come whole"}}
	}
	d, err := NewDryRun(cfg, r.opts.Version)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	ev := &event.Event{Source: source, ReceivedAt: r.opts.Now().UTC(), Body: payload}
	ev.ID = dryID(ev)
	o, err := d.Stored(ev)
	if err != nil {
		return nil, err
	}
	return o.Explained(source, len(s.Encryption.Keys) > 0, ev.ReceivedAt), nil
}
