package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"invitation-relay/rules"
)

// event writes one event with its rules and its deliveries.
func (p *page) event(e *shownEvent, command func(string) string, now time.Time) {
	p.line("event %s", p.paint(bold, e.ID))
	p.line("  received  %s from %s", timed(e.ReceivedAt, now), cell(e.Source))
	for _, about := range [][2]string{
		{"kind", e.Kind}, {"about", e.Subject}, {"ticket", e.Ticket}, {"status", e.Status}, {"state", e.State},
	} {
		if about[1] != "" && about != [2]string{"kind", "received"} {
			p.line("  %-8s  %s", about[0], cell(about[1]))
		}
	}
	if e.Refused != nil {
		p.line("  %-8s  %s", "refused", p.paint(red, cell(*e.Refused)))
		p.line("  when the reason is mended: %s", command("events replay "+e.ID))
	}
	p.body(e)
	for _, r := range e.Rules {
		p.line("")
		p.decided(r)
	}
	if e.Refused != nil {
		return
	}
	p.line("")
	if len(e.Deliveries) == 0 {
		p.line("%s", p.paint(bold, "It goes to no target."))
		return
	}
	p.line("%s %s", p.paint(bold, "It goes to"), strings.Join(e.Targets, ", "))
	for i := range e.Deliveries {
		p.line("")
		p.delivery(&e.Deliveries[i], now)
	}
}

// body is what came, as far as it is shown.
func (p *page) body(e *shownEvent) {
	how := map[string]string{"full": "body", "masked": "body, masked (--body shows it as it came)"}[e.BodyShown]
	switch {
	case e.BodyShown == "erased":
		p.line("  body      erased, by store.retention or by forget")
	case how != "" && len(e.Body) > 0 && string(e.Body) != "null":
		p.line("")
		p.line("%s", p.paint(bold, how))
		p.block(foldJSON(string(e.Body)))
	}
}

// decided is one rule's verdict, and the values that made it.
func (p *page) decided(r ruleItem) {
	verdict := map[string]string{
		"match": p.paint(green, "match"), "no_match": "no match",
		"shadow":        "match, but it is a shadow rule: nothing is sent",
		"error":         p.paint(red, "error") + ", it could not be evaluated",
		"not_evaluated": p.paint(faint, "not looked at"),
	}[r.Verdict]
	if verdict == "" {
		verdict = cell(r.Verdict)
	}
	p.line("%s %s", p.paint(bold, "rule "+cell(r.Name)+":"), verdict)
	if whole := partsOf(r.Parts); whole != nil {
		p.parts(whole, "  ")
	} else if r.When != "" {
		p.line("  %s", cell(r.When))
	}
}

// partsOf is the tree of an expression that the API lists from top to bottom; nil
// when it lists none.
func partsOf(list []partItem) *rules.Part {
	if len(list) == 0 {
		return nil
	}
	var path []*rules.Part // from the whole down to the part before
	for _, it := range list {
		part := &rules.Part{Text: it.Text, Values: it.Values, Loop: len(it.Values) > 1}
		if it.Evaluated {
			part.Times = max(1, len(it.Values))
		}
		depth := min(max(it.Depth, 0), len(path))
		if depth == 0 && len(path) > 0 {
			depth = 1 // there is one whole
		}
		if depth > 0 {
			above := path[depth-1]
			above.Parts = append(above.Parts, part)
		}
		path = append(path[:depth], part)
		if it.Failed {
			part.Err = "it has no value for this event"
		}
	}
	whole := path[0]
	blameDeepest(whole)
	return whole
}

// blameDeepest leaves the failure at the part that failed, and takes it from
// those above, which failed with it.
func blameDeepest(part *rules.Part) {
	for _, below := range part.Parts {
		blameDeepest(below)
	}
	if part.Err != "" && slices.ContainsFunc(part.Parts, (*rules.Part).Failed) {
		part.Err = ""
	}
}

// delivery is one delivery with what happened to it.
func (p *page) delivery(d *deliveryItem, now time.Time) {
	p.line("delivery %s", p.paint(bold, d.ID))
	p.line("  to %s: %s", cell(d.Target), p.deliveryState(d, now))
	for _, h := range d.History {
		p.happened(h)
	}
}

// deliveryState is where a delivery stands, in words.
func (p *page) deliveryState(d *deliveryItem, now time.Time) string {
	attempts := counted(d.Attempts, "attempt", "attempts")
	switch d.State {
	case stateDelivered:
		when := ""
		if d.FinishedAt != nil {
			when = " " + timed(*d.FinishedAt, now)
		}
		return p.paint(green, "delivered") + when + ", after " + attempts
	case stateDead:
		return p.paint(red, "dead") + ", given up after " + attempts
	case statePending:
		if d.NextAttemptAt != nil && d.NextAttemptAt.After(now) {
			return "pending, " + attempts + " so far, the next " + away(*d.NextAttemptAt, now)
		}
		return "pending, " + attempts + " so far"
	default:
		return cell(d.State) + ", after " + attempts
	}
}

// happened is a line of a delivery's history.
func (p *page) happened(h historyItem) {
	what := h.State
	if h.Outcome != "" {
		what = fmt.Sprintf("attempt %d: %s", h.Number, p.outcome(h.Outcome))
	}
	var how []string
	if h.Status > 0 {
		how = append(how, fmt.Sprint(h.Status))
	}
	if h.Outcome != "" {
		how = append(how, millis(time.Duration(h.DurationMS*float64(time.Millisecond))))
	}
	if h.Tries > 1 {
		how = append(how, fmt.Sprintf("%d tries", h.Tries))
	}
	if len(how) > 0 {
		what += " (" + strings.Join(how, ", ") + ")"
	}
	p.line("  %s  %s", localTime(h.At), what)
	if h.Reason != "" {
		p.line("    %s", cell(h.Reason))
	}
}

func (p *page) outcome(word string) string {
	switch word {
	case stateDelivered:
		return p.paint(green, word)
	case "rejected", outcomeHeld:
		return p.paint(red, word)
	default:
		return cell(word)
	}
}
