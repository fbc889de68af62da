package cli

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
)

// filterHelp describes the filters that lists and bulk commands share.
const filterHelp = `      --target NAME          for this target       --source NAME   from this source
      --id ID                about this invitation: the vendor's id of it
      --ticket ID            with this ticket      --cifcod ID     of this customer
      --event ID             this event alone
      --since TIME           received since 2026-11-23T09:00:00Z, 2026-11-23 (UTC),
                             or so long ago: 90m, 7d
      --until TIME           received before that
`

// filters say which of the events or deliveries are meant; all given must hold.
type filters struct {
	values  map[string]*string // by the name of flag and parameter
	refused bool
	limit   int
	states  []string
}

const (
	defaultLimit = 50
	pageLimit    = 1000 // items the API puts in one answer at most
)

// addFlags declares the filters; states are the words of --state here.
func (f *filters) addFlags(cmd *cobra.Command, states ...string) {
	f.states = states
	f.values = map[string]*string{}
	for _, name := range []string{"state", "target", "source", "id", "ticket", "cifcod", "event", "since", "until"} {
		f.values[name] = cmd.Flags().String(name, "", "")
	}
	cmd.Flags().IntVar(&f.limit, "limit", 0, "")
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp)) // it was declared above
}

// query is the filters as parameters of the API.
func (f *filters) query() (url.Values, error) {
	if f.limit < 0 {
		return nil, wrongUsage("--limit is at least 1", "--limit 1000 shows up to a thousand")
	}
	q := url.Values{}
	for name, value := range f.values {
		if *value != "" {
			q.Set(name, *value)
		}
	}
	if s := q.Get("state"); s != "" && !slices.Contains(f.states, s) {
		return nil, wrongUsage(fmt.Sprintf("--state %q is none of them", printable(s)), "one of "+join(f.states))
	}
	for _, name := range []string{"since", "until"} {
		if text := q.Get(name); text != "" {
			moment, ok := momentOf(text)
			if !ok {
				return nil, wrongUsage("--"+name+" is neither a time nor how long ago it was", "write it like 7d, 12h, 2026-11-23 or 2026-11-23T22:30:00Z")
			}
			q.Set(name, moment)
		}
	}
	if f.refused {
		q.Set("refused", "true")
	}
	return q, nil
}

// longestAgo is the longest the API takes.
const longestAgo = math.MaxUint16 * 24 * time.Hour

// momentOf is a time, a day, or how long ago something was, as the API reads it:
// it knows neither fractions of a day nor a sign.
func momentOf(text string) (string, bool) {
	if at, ok := parseTime(text); ok {
		return at.Format(time.RFC3339Nano), true
	}
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return text, true
	}
	ago, err := config.ParseDuration(text)
	if err != nil || ago <= 0 || ago > longestAgo {
		return "", false
	}
	days, rest := ago/(24*time.Hour), ago%(24*time.Hour)
	switch {
	case rest == 0:
		return fmt.Sprintf("%dd", days), true
	case days == 0:
		return rest.String(), true
	}
	return fmt.Sprintf("%dd%s", days, rest), true
}

// narrow reports whether the filters leave something out beside a state.
func (f *filters) narrow() bool {
	for name, value := range f.values {
		if name != "state" && *value != "" {
			return true
		}
	}
	return false
}

// setLimit asks for at most n items in one answer.
func setLimit(q url.Values, n int) { q.Set("limit", strconv.Itoa(min(n, pageLimit))) }

// join is words as a sentence has them: a, b or c.
func join(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return strings.Join(words, "")
}
