package target

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"invitation-relay/relay/event"
)

// summary is an event in the words of a default message, not yet escaped for
// any landing place; every text in it is one line.
type summary struct {
	title string    // what happened: "Verification rejected"
	what  happening // the same in its parts, to be counted; zero when nothing is known of it
	who   string    // whom it is about, "" when not known
	tries string    // how often they tried: "3 attempts", "" when not known
	facts []fact    // what is known, the most interesting first
	notes []string  // where it came from, when, and how to find it
}

// fact is one thing known about an event.
type fact struct {
	label, value string
	id           bool // something to copy
	code         bool // a command to copy, shown in a typewriter's letters
	wide         bool // a sentence: too long for a column
}

// happening is a thing and what became of it: "Verification", "rejected".
type happening struct {
	thing, became string
	quoted        bool // became is a sender's word and not one of ours
}

// String is the happening as a title.
func (h happening) String() string {
	switch {
	case h.thing == "":
		return ""
	case h.quoted:
		return h.thing + ": " + h.became // a value nobody knows is quoted as it is
	default:
		return h.thing + " " + h.became
	}
}

// known are the fields of the vendor's webhooks in the order a risk officer
// asks for them. A field that is not here is left out of the default message of
// a vendor's webhook: it may hold anything about a person.
var known = []struct {
	name, label string
	id          bool
}{
	{name: "full_name", label: "Name"},
	{name: "attempts", label: "Attempts"},
	{name: "invitation_state", label: "Invitation state"},
	{name: "disposition", label: "Result"},
	{name: "remaining_attempts", label: "Attempts left"},
	{name: "risk_code", label: "Risk code"},
	{name: "confidence_score", label: "Confidence"},
	{name: "ticket", label: "Ticket", id: true},
	{name: "id", label: "Invitation", id: true},
	{name: "cifcod", label: "Customer id", id: true},
}

// marks stand before the titles of events that no sender caused just now.
var marks = map[event.Kind]string{event.Replayed: "[replay] ", event.Test: "[test] ", event.Alarm: "[alarm] "}

// summarise puts an event into words.
func summarise(ev *event.Event) summary {
	if ev.Kind == event.Alarm {
		return summariseAlarm(ev)
	}
	var s summary
	vendor := true
	s.what = whatHappened(ev)
	if s.title = s.what.String(); s.title == "" {
		vendor = false
		s.title = "New event from " + oneLine(ev.Source)
		if kind := first(ev.Fields, "event", "type", "event_type"); kind != "" {
			s.title = "New event: " + kind
		}
	}
	if vendor {
		s.vendorFacts(ev)
	} else {
		s.plainFacts(ev)
	}
	s.title = marks[ev.Kind] + s.title
	s.notes = []string{
		oneLine(ev.Source),
		"received " + ev.ReceivedAt.UTC().Format(time.DateTime) + " UTC",
		"event " + ev.ID.Short(),
	}
	return s
}

// vendorFacts fills in what the vendor documents.
func (s *summary) vendorFacts(ev *event.Event) {
	for _, k := range known {
		value := inWords(ev.Fields[k.name])
		if value == "" || k.name == "id" && ev.Fields["invitation_state"] == nil && ev.Fields["transaction_status"] == nil {
			continue
		}
		s.facts = append(s.facts, fact{label: k.label, value: value, id: k.id})
		switch k.name {
		case "full_name":
			s.who = value
		case "attempts":
			s.tries = count(value, "attempt")
		}
	}
}

// plainFacts fills in the simple members of an object we know nothing about, in
// the order of their names. What is nested stays out: nobody could read it.
func (s *summary) plainFacts(ev *event.Event) {
	for _, name := range slices.Sorted(maps.Keys(ev.Fields)) {
		if value := inWords(ev.Fields[name]); value != "" {
			s.facts = append(s.facts, fact{label: oneLine(name), value: value, id: name == "id" || name == "ticket"})
		}
	}
}

// whatHappened says it of a vendor's webhook; it is zero for any other event.
func whatHappened(ev *event.Event) happening {
	name := first(ev.Fields, "event")
	switch {
	case strings.HasSuffix(name, "verification.in_progress"):
		return step(ev.Fields)
	case strings.HasPrefix(name, "onboarding."):
		return outcomeOfThing("Onboarding", first(ev.Fields, "status"))
	case strings.Contains(name, "verification."):
		return outcomeOfThing("Verification", orElse(oneLine(ev.Status), first(ev.Fields, "flow_status", "status")))
	}
	if status := orElse(oneLine(ev.Status), first(ev.Fields, "transaction_status", "flow_status")); status != "" {
		return outcomeOfThing("Verification", status)
	}
	if state := first(ev.Fields, "invitation_state"); state != "" {
		return outcomeOfThing("Invitation", state)
	}
	return happening{}
}

// outcomeOfThing is a thing and its status.
func outcomeOfThing(thing, status string) happening {
	switch status {
	case "":
		return happening{thing: thing, became: "completed"}
	case "VERIFIED":
		return happening{thing: "Identity", became: "verified"}
	case "ACCEPTED", "REJECTED", "COMPLETED", "FAILED", "SUCCESSFUL", "EXPIRED", "RESENT", "DELETED", "AWAITING", "IN_PROGRESS":
		return happening{thing: thing, became: strings.ToLower(strings.ReplaceAll(status, "_", " "))}
	default:
		return happening{thing: thing, became: status, quoted: true}
	}
}

// step says how one step of a verification went.
func step(fields map[string]any) happening {
	thing := "Verification step"
	switch first(fields, "sub_event") {
	case "verification.liveness":
		thing = "Liveness check"
	case "verification.id_proofing":
		thing = "Document check"
	}
	switch d := first(fields, "disposition"); d {
	case "":
		return happening{thing: thing, became: "in progress"}
	case "PASSED":
		return happening{thing: thing, became: "passed"}
	case "FAILED":
		return happening{thing: thing, became: "failed"}
	case "RETRY":
		return happening{thing: thing, became: "to be repeated"}
	default:
		return happening{thing: thing, became: d, quoted: true}
	}
}

// first is the first of the named fields that holds a text.
func first(fields map[string]any, names ...string) string {
	for _, n := range names {
		if s, ok := fields[n].(string); ok && oneLine(s) != "" {
			return oneLine(s)
		}
	}
	return ""
}

// orElse is s, or t when s is empty.
func orElse(s, t string) string {
	if s == "" {
		return t
	}
	return s
}

// count is a number of things in words.
func count(n, thing string) string {
	if n != "1" {
		thing += "s"
	}
	return n + " " + thing
}

// inWords is a simple value as text on one line, "" for nothing and for what is
// nested.
func inWords(v any) string {
	switch v := v.(type) {
	case string:
		return oneLine(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case bool:
		if v {
			return "yes"
		}
		return "no"
	default:
		return ""
	}
}

// oneLine turns every run of line breaks, other control characters and blanks
// into one blank: a name must not be able to add a line to a message.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c) || c == '\u2028' || c == '\u2029'
	}), " ")
}
