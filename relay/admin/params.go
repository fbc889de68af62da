package admin

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// The filters of the lists, all optional; those given must all hold.
//
//	state    events: pending, finished · deliveries: pending, delivered, dead, discarded
//	target   a target's name          source  a source's name
//	event    an event's own id
//	id       what the event is about: the invitation's id
//	ticket   the ticket               cifcod  the customer id
//	since    received at or after: 2026-11-23T09:00:00Z, 2026-11-23 (its first
//	         moment, UTC), or so long ago: 90m, 7d
//	until    received before, in the same forms
//	limit    items in one answer, 1 to 1000; 50
//	cursor   "next" of the page before
//	refused  events only: true lists what intake refused and kept; nobody has read
//	         an invitation's id in it, so id is then the item's own
var (
	pageParams     = []string{"source", "since", "until", "limit", "cursor"}
	deliveryParams = append([]string{"state", "target", "event", "id", "ticket", "cifcod"}, pageParams...)
	eventParams    = append([]string{"refused"}, deliveryParams...)
	refusedParams  = append([]string{"refused", "id"}, pageParams...)
)

const (
	maxValue = 256     // bytes of one value: longer than anything stored that is searched for
	maxNames = 4 << 10 // bytes of the names of targets
	maxLimit = 1000
)

// parseQuery reads a query strictly: a filter misspelt or given twice would
// otherwise quietly show, or change, more than was meant. Its errors name
// parameters and never values, which may be personal.
func parseQuery(raw string, allowed []string) (url.Values, error) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, bad("the query is not well formed: separate parameters by &, and escape % and ;")
	}
	for name, values := range q {
		switch {
		case !slices.Contains(allowed, name):
			return nil, unknownParam(name, allowed)
		case len(values) > 1:
			return nil, bad(name + " is given twice")
		case len(values[0]) > longest(name):
			return nil, bad(fmt.Sprintf("%s is longer than %d bytes", name, longest(name)))
		case strings.ContainsFunc(values[0], func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }):
			return nil, bad(name + " holds a control character or is not UTF-8")
		}
	}
	return q, nil
}

func longest(name string) int {
	if name == "targets" {
		return maxNames
	}
	return maxValue
}

func unknownParam(name string, allowed []string) error {
	if len(allowed) == 0 {
		return bad("this takes no parameters")
	}
	if near := nearest(name, allowed); near != "" {
		return bad(fmt.Sprintf("unknown parameter: did you mean %q?", near))
	}
	return bad("unknown parameter: this takes " + strings.Join(allowed, ", "))
}

// filterOf reads the filters. states are the words state takes here; cursorOK
// says whether a cursor is one of this list's.
func filterOf(q url.Values, now time.Time, states []string, cursorOK func(string) bool) (f outbox.Filter, err error) {
	f = outbox.Filter{
		State: q.Get("state"), Target: q.Get("target"), Source: q.Get("source"),
		ID: q.Get("id"), Ticket: q.Get("ticket"), Person: q.Get("cifcod"), Before: q.Get("cursor"),
	}
	if f.State != "" && !slices.Contains(states, f.State) {
		text := "state is one of " + strings.Join(states, ", ")
		if near := nearest(f.State, states); near != "" {
			text += fmt.Sprintf(": did you mean %q?", near)
		}
		return f, bad(text)
	}
	if q.Get("event") != "" {
		if f.Event, err = event.ParseID(q.Get("event")); err != nil {
			return f, bad("event is an event's id, a UUIDv7 like 0198c5a2-…: the invitation's is asked for with id")
		}
	}
	if f.Since, err = timeOf(q, "since", now); err != nil {
		return f, err
	}
	if f.Until, err = timeOf(q, "until", now); err != nil {
		return f, err
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return f, bad("since is not before until: nothing can be between them")
	}
	if q.Has("limit") {
		if f.Limit, err = strconv.Atoi(q.Get("limit")); err != nil || f.Limit < 1 || f.Limit > maxLimit {
			return f, bad(fmt.Sprintf("limit is a number from 1 to %d", maxLimit))
		}
	}
	if f.Before != "" && !cursorOK(f.Before) {
		return f, bad(`cursor is not one of this list: use the value of "next" in the page before`)
	}
	return f, nil
}

// boolOf reads true or false, absent is false.
func boolOf(q url.Values, name string) (bool, error) {
	switch v := q.Get(name); v {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	default:
		return false, bad(name + " is true or false")
	}
}

// timeOf reads a moment, or how long ago it was; zero when it is absent.
func timeOf(q url.Values, name string, now time.Time) (time.Time, error) {
	v := q.Get(name)
	if v == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, v); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, v); err == nil {
		return t, nil
	}
	if ago, ok := ageOf(v); ok {
		return now.Add(-ago).UTC(), nil
	}
	return time.Time{}, bad(name + " is a time like 2026-11-23T09:00:00Z, a date like 2026-11-23, or how long ago like 90m or 7d")
}

// ageOf reads a duration as Go writes it, with days before it: 90m, 7d, 1d12h.
func ageOf(v string) (time.Duration, bool) {
	days, rest, found := strings.Cut(v, "d")
	if !found {
		days, rest = "0", v
	}
	n, err := strconv.ParseUint(days, 10, 16) // up to 179 years
	if err != nil {
		return 0, false
	}
	d := time.Duration(n) * 24 * time.Hour
	if rest != "" {
		part, err := time.ParseDuration(rest)
		if err != nil || part < 0 || part > 100*365*24*time.Hour {
			return 0, false
		}
		d += part
	}
	return d, d > 0
}

// A cursor is the store's, and the id of the last item shown: a page goes on
// after it also when newer items have come in between.
func eventCursor(s string) bool    { _, err := event.ParseID(s); return err == nil }
func deliveryCursor(s string) bool { _, err := outbox.ParseKey(s); return err == nil }
