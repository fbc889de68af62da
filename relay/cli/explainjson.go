package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
	"unicode"
	"unicode/utf16"

	"invitation-relay/relay"
	"invitation-relay/rules"
)

// The forms of --json. Names and meanings stay; members may be added.

type explainedJSON struct {
	Source     string        `json:"source"`
	Encrypted  bool          `json:"encrypted"`
	ReceivedAt time.Time     `json:"received_at"`
	Answer     answerJSON    `json:"answer"`
	EventID    string        `json:"event_id,omitempty"`
	Rules      []ruleJSON    `json:"rules"`
	Targets    []string      `json:"targets"`
	Broken     []string      `json:"must_route_broken"`
	Messages   []messageJSON `json:"messages"`
}

type answerJSON struct {
	Status int    `json:"status"`
	Reason string `json:"reason,omitempty"`
}

type ruleJSON struct {
	Name       string     `json:"name"`
	Verdict    string     `json:"verdict"` // match, no_match, error, shadow, not_evaluated
	Why        string     `json:"why,omitempty"`
	When       string     `json:"when"`
	To         []string   `json:"to"`
	Error      *errorJSON `json:"error,omitempty"`
	Expression *partJSON  `json:"expression,omitempty"`
}

type errorJSON struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

type partJSON struct {
	Text   string      `json:"text"`
	Times  int         `json:"evaluated"`        // how often
	Value  *any        `json:"value,omitempty"`  // outside loops, when it was evaluated
	Values []any       `json:"values,omitempty"` // in loops, the first few
	Error  string      `json:"error,omitempty"`
	Parts  []*partJSON `json:"parts,omitempty"`
}

type messageJSON struct {
	Target    string       `json:"target"`
	Kind      string       `json:"kind"`
	Recipient string       `json:"recipient,omitempty"`
	Method    string       `json:"method,omitempty"`
	URL       string       `json:"url,omitempty"`
	Headers   []headerJSON `json:"headers,omitempty"`
	Body      string       `json:"body,omitempty"`
	Subject   string       `json:"subject,omitempty"`
	Text      string       `json:"text,omitempty"`
	HTML      string       `json:"html,omitempty"`
	Error     string       `json:"error,omitempty"`
}

type headerJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func (e *explained) json() explainedJSON {
	out := explainedJSON{
		Source: e.source, Encrypted: e.encrypted, ReceivedAt: e.at,
		Answer: answerJSON{e.Status, e.Reason},
		Rules:  make([]ruleJSON, 0, len(e.rules)), Targets: orEmpty(e.Decision.Targets), Broken: orEmpty(e.Broken()),
		Messages: make([]messageJSON, 0, len(e.messages)),
	}
	if e.Event != nil {
		out.EventID = e.Event.ID.String()
	}
	for i, r := range e.rules {
		out.Rules = append(out.Rules, newRuleJSON(r, e.cfg.Rules[i].When, e.cfg.Rules[i].To))
	}
	for i := range e.messages {
		out.Messages = append(out.Messages, newMessageJSON(&e.messages[i]))
	}
	return out
}

func newRuleJSON(r rules.Explanation, when string, to []string) ruleJSON {
	out := ruleJSON{Name: r.Rule, Verdict: verdictWord(r.Verdict), Why: r.Why, When: when, To: orEmpty(to)}
	if r.Err != nil {
		out.Error = &errorJSON{r.Err.Line, r.Err.Col, r.Err.Message}
	}
	if r.Whole != nil {
		out.Expression = newPartJSON(r.Whole)
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

func newPartJSON(p *rules.Part) *partJSON {
	out := &partJSON{Text: p.Text, Times: p.Times, Error: p.Err}
	switch {
	case p.Loop:
		out.Values = p.Values
	case len(p.Values) == 1:
		out.Value = &p.Values[0]
	}
	for _, below := range p.Parts {
		out.Parts = append(out.Parts, newPartJSON(below))
	}
	return out
}

func newMessageJSON(m *relay.Message) messageJSON {
	out := messageJSON{
		Target: m.Target, Kind: m.Kind, Recipient: m.Recipient, Method: m.Method, URL: m.URL,
		Body: m.Body, Subject: m.Subject, Text: m.Text, HTML: m.HTML,
	}
	for _, h := range m.Header {
		out.Headers = append(out.Headers, headerJSON{h.Name, h.Value})
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

// writeJSON writes one indented value, < and > as they are, and what a terminal
// would act on, or not show, as escapes.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeInvisible(b.String(), func(r rune) string {
		if high, low := utf16.EncodeRune(r); high != unicode.ReplacementChar {
			return fmt.Sprintf(`\u%04x\u%04x`, high, low)
		}
		return fmt.Sprintf(`\u%04x`, r)
	}))
	return err
}
