package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// action is a command that changes one thing or many: those of the ids it is
// given, or all that its filters name.
type action struct {
	operation
	filters
	bulk
	check func(string) error                          // of an id
	ready func(q url.Values) error                    // whether the filters may be used like that; nil: as they are
	each  func(id string) (path []string)             // where an id is changed
	say   func(id string, answer json.RawMessage) any // the line for an answer
	extra func(q url.Values)                          // parameters of both forms; nil: none
}

// command makes a command of it. Filters must have been declared.
func (c *action) command(w *world, name, help string) *cobra.Command {
	cmd := &cobra.Command{Use: name, RunE: func(cmd *cobra.Command, args []string) error { return c.do(cmd, w, args) }}
	cmd.Args = func(_ *cobra.Command, args []string) error {
		for _, id := range args {
			if err := c.check(id); err != nil {
				return err
			}
		}
		return nil
	}
	c.operation.addFlags(cmd)
	c.bulk.addFlags(cmd)
	setHelp(cmd, help)
	return cmd
}

func (c *action) do(cmd *cobra.Command, w *world, ids []string) error {
	q, err := c.filters.query()
	if err != nil {
		return err
	}
	if err := c.usage(cmd, q, ids); err != nil {
		return err
	}
	api, err := c.api(cmd, w)
	if err != nil {
		return err
	}
	if len(ids) > 0 {
		return c.one(cmd.Context(), w, api, ids)
	}
	if c.extra != nil {
		c.extra(q)
	}
	c.bulk.query, c.bulk.limit = q, c.filters.limit
	return c.run(cmd.Context(), w, &c.operation, api)
}

// usage looks whether it is said what is to be changed, in one way.
func (c *action) usage(cmd *cobra.Command, q url.Values, ids []string) error {
	help := cmd.CommandPath() + " --help"
	switch {
	case len(ids) > 0 && (len(q) > 0 || c.filters.limit > 0 || c.dryRun):
		return wrongUsage("ids and filters do not go together", "ids name all there is to change: "+help)
	case len(ids) > 0:
		return nil
	case !c.narrow():
		return wrongUsage(fmt.Sprintf("which %s to %s?", c.many, c.word),
			"name ids, or filters such as --target NAME or --since 1d: "+help)
	case c.ready != nil:
		return c.ready(q)
	}
	return nil
}

// one changes each of the ids, and goes on where one cannot be changed.
func (c *action) one(ctx context.Context, w *world, api *adminAPI, ids []string) error {
	var failed error
	for _, id := range ids {
		q := url.Values{}
		if c.extra != nil {
			c.extra(q)
		}
		answer, err := api.post(ctx, q, c.each(id)...)
		if err != nil {
			err = fmt.Errorf("%s %s: %w", c.word, id, api.withIDs(err, c.path[0]))
			if _, ok := errors.AsType[*refusal](err); !ok || len(ids) == 1 {
				return err // nobody answers for the others either
			}
			fmt.Fprintf(w.stderr, "invitation-relay: %v\n", err)
			failed = errSaid
			continue
		}
		if c.json {
			err = writeJSON(w.stdout, answer)
		} else {
			_, err = fmt.Fprintln(w.stdout, c.say(id, answer))
		}
		if err != nil {
			return err
		}
	}
	return failed
}

const deliveriesRetryHelp = `usage: invitation-relay deliveries retry ID…
       invitation-relay deliveries retry --target NAME [filters] [--dry-run] [--yes]

Tries deliveries again now: those of the ids, or all that the filters name, dead
ones unless --state says otherwise. They say how many, and ask.

      --state WORD           pending, delivered, dead or discarded (default dead)
` + filterHelp + bulkHelp + operateHelp + `
example: invitation-relay deliveries retry -c relay.yaml --target risk-slack --since 1d
`

func newDeliveriesRetry(w *world) *cobra.Command {
	return newDeliveriesChange(w, "retry", "retried", deliveriesRetryHelp, deliveryStates(), nil)
}

const deliveriesDiscardHelp = `usage: invitation-relay deliveries discard ID…
       invitation-relay deliveries discard --state WORD --target NAME [filters] [--dry-run] [--yes]

Gives deliveries up for good: those of the ids, or all that the filters name, of
the state that must be said. They are not tried again, and no alarm tells of
them; they say how many, and ask.

      --state WORD           pending or dead
` + filterHelp + bulkHelp + operateHelp + `
example: invitation-relay deliveries discard -c relay.yaml --target old-slack --state dead
`

func newDeliveriesDiscard(w *world) *cobra.Command {
	return newDeliveriesChange(w, "discard", "discarded", deliveriesDiscardHelp, []string{"pending", "dead"}, func(q url.Values) error {
		if q.Get("state") == "" {
			return wrongUsage("discard needs --state", "--state dead, or --state pending for what still waits")
		}
		return nil
	})
}

func newDeliveriesChange(w *world, word, past, help string, states []string, ready func(url.Values) error) *cobra.Command {
	c := &action{
		bulk:  bulk{word: word, past: past, one: "delivery", many: "deliveries", path: []string{"deliveries", word}},
		check: deliveryID, ready: ready,
		each: func(id string) []string { return []string{"deliveries", id, word} },
		say: func(id string, answer json.RawMessage) any {
			d, err := ask[deliveryItem](answer, nil)
			if err != nil {
				return id
			}
			return cell(d.ID) + " is " + cell(d.State)
		},
	}
	cmd := c.command(w, word, help)
	c.filters.addFlags(cmd, states...)
	return cmd
}

const eventsReplayHelp = `usage: invitation-relay events replay ID… [--to NAME,NAME]
       invitation-relay events replay --since TIME [filters] [--refused] [--to NAME,NAME] [--dry-run] [--yes]

Sends events once more, decided by today's rules, or to just the targets of --to.
Each becomes a new event; what was refused goes through intake again, so that
nothing is lost after a wrong key was put right. All that filters name are
counted first, and it asks; tests, alarms and what was replayed are left out.

      --to NAME,NAME         these targets, whatever the rules say
      --refused              what was refused and kept, rather than what was taken
      --state WORD           pending or finished
` + filterHelp + bulkHelp + operateHelp + `
example: invitation-relay events replay -c relay.yaml --refused --since 1d
`

func newEventsReplay(w *world) *cobra.Command {
	var to string
	c := &action{
		bulk:  bulk{word: "replay", past: "replayed", one: "event", many: "events", path: []string{"events", "replay"}},
		check: eventID,
		each:  func(id string) []string { return []string{"events", id, "replay"} },
		extra: func(q url.Values) {
			if to != "" {
				q.Set("targets", to)
			}
		},
		say: func(id string, answer json.RawMessage) any {
			r, err := ask[struct {
				ID        string `json:"id"`
				Duplicate bool   `json:"duplicate"`
			}](answer, nil)
			switch {
			case err != nil:
				return id
			case r.Duplicate:
				return id + " was taken before, as " + cell(r.ID)
			}
			return id + " goes again as " + cell(r.ID)
		},
	}
	c.ready = func(url.Values) error {
		if c.refused && to != "" {
			return wrongUsage("--to does not go with --refused", "what was refused has not been read: today's rules decide")
		}
		return nil
	}
	cmd := c.command(w, "replay", eventsReplayHelp)
	c.filters.addFlags(cmd, "pending", "finished")
	cmd.Flags().BoolVar(&c.refused, "refused", false, "")
	cmd.Flags().StringVar(&to, "to", "", "")
	_ = cmd.RegisterFlagCompletionFunc("to", targetList) // it was declared above
	return cmd
}

// targetList completes names of targets, one after the other behind commas.
func targetList(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	done := typed[:strings.LastIndex(typed, ",")+1]
	names, directive := targetNames(cmd, args, typed)
	var out []string
	for _, name := range names {
		if !slices.Contains(strings.Split(done, ","), name) {
			out = append(out, done+name)
		}
	}
	return out, directive | cobra.ShellCompDirectiveNoSpace
}
