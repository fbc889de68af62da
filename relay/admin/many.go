package admin

import (
	"slices"
	"strings"

	"invitation-relay/relay/outbox"
)

// defaultMany is how many a bulk call is about when it does not say.
const defaultMany = 500

// The parameters of bulk calls: the filters of the list, and
//
//	dry_run  true: counts, and changes nothing
//	targets  of replay: names with commas between them; none: the rules decide
var (
	manyDeliveryParams = append([]string{"dry_run"}, deliveryParams...)
	manyEventParams    = append([]string{"dry_run", "targets"}, eventParams...)

	// narrowing are the filters of which a bulk call needs one at least: one that
	// was meant to have some, and has lost them on the way, must not be for
	// everything.
	narrowing = []string{"target", "source", "event", "id", "ticket", "cifcod", "since", "until"}
)

// many reads the filter of a bulk call.
func (a *api) many(c *call, states []string, cursorOK func(string) bool) (f outbox.Filter, dry bool, err error) {
	if dry, err = boolOf(c.query, "dry_run"); err != nil {
		return f, dry, err
	}
	if f, err = filterOf(c.query, a.Now(), states, cursorOK); err != nil {
		return f, dry, err
	}
	if !slices.ContainsFunc(narrowing, func(name string) bool { return c.query.Get(name) != "" }) {
		return f, dry, bad("a filter is needed, one of " + strings.Join(narrowing, ", ") + ": this is not done to everything at once")
	}
	if f.Limit == 0 {
		f.Limit = defaultMany
	}
	return f, dry, nil
}

func oneOf(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
