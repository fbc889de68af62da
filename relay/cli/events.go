package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay/event"
)

const eventsHelp = `usage: invitation-relay events list [filters]
       invitation-relay events show ID
       invitation-relay events replay ID…

What came in, in the relay that runs. Each explains itself with --help.

example: invitation-relay events list -c relay.yaml --since 1h
`

const eventsListHelp = `usage: invitation-relay events list [filters] [--limit N] [--json]
       invitation-relay events list --refused [--source NAME] [--since TIME] [--id ID]

Lists what came in, newest first; with --refused what a sender with right
credentials sent, and the relay refused and kept.

      --state WORD           pending or finished
` + filterHelp + `      --refused              what was refused; --id is then its own id
      --limit N              up to so many (default 50)
` + operateHelp + `
example: invitation-relay events list -c relay.yaml --state pending --since 1d
`

func newEvents(w *world) *cobra.Command {
	return group("events", eventsHelp, newEventsList(w), newEventsShow(w), newEventsReplay(w))
}

func newEventsList(w *world) *cobra.Command {
	var o operation
	var f filters
	cmd := &cobra.Command{
		Use:  "list",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			q, err := f.query()
			if err != nil {
				return err
			}
			api, err := o.api(cmd, w)
			if err != nil {
				return err
			}
			l, err := api.list(cmd.Context(), q, f.limit, "events")
			if err != nil {
				return fmt.Errorf("list events: %w", err)
			}
			if err := printEvents(w, &o, l, f.refused); err != nil {
				return err
			}
			sayMore(w, l)
			return api.unknownTarget(cmd.Context(), q.Get("target"), len(l.Items))
		},
	}
	o.addFlags(cmd)
	f.addFlags(cmd, "pending", "finished")
	cmd.Flags().BoolVar(&f.refused, "refused", false, "")
	setHelp(cmd, eventsListHelp)
	return cmd
}

func printEvents(w *world, o *operation, l *listing, refused bool) error {
	if o.json {
		return writeJSON(w.stdout, l)
	}
	items, err := itemsOf[eventItem](l)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		fmt.Fprintln(w.stderr, "no such events")
		return nil
	}
	rows := make([][]string, 0, len(items))
	if refused {
		for _, e := range items {
			reason := ""
			if e.Refused != nil {
				reason = *e.Refused
			}
			rows = append(rows, []string{e.ID, localTime(e.ReceivedAt), e.Source, reason})
		}
		return table(w.stdout, "ID | "+zoned("RECEIVED")+" | SOURCE | REFUSED BECAUSE", rows)
	}
	for _, e := range items {
		rows = append(rows, []string{e.ID, localTime(e.ReceivedAt), e.Source, e.stateWord(), e.Status, e.Subject, e.hearers()})
	}
	return table(w.stdout, "ID | "+zoned("RECEIVED")+" | SOURCE | STATE | STATUS | INVITATION | TARGETS", rows)
}

// stateWord is an event's state, and what it is when no sender sent it.
func (e *eventItem) stateWord() string {
	if e.Kind == "" || e.Kind == "received" {
		return e.State
	}
	return e.State + ", " + e.Kind
}

// hearers are the targets of an event; where there are none, the rule that failed
// on the way is said.
func (e *eventItem) hearers() string {
	if len(e.Targets) > 0 {
		return strings.Join(e.Targets, ", ")
	}
	if slices.ContainsFunc(e.Rules, func(r ruleItem) bool { return r.Verdict == "error" }) {
		return "none, a rule failed"
	}
	return "none"
}

const eventsShowHelp = `usage: invitation-relay events show ID [--body] [--json]

Shows all that is known of one event: when it came and from where, each rule's
verdict with the value of every part of its expression, and each delivery with
its attempts. The body's personal fields are masked.

      --body                 the body as it came; needs the role operator, and
                             leaves a line in the relay's log
` + operateHelp + `
example: invitation-relay events show -c relay.yaml 019c2f2e-7e40-7d70-ac6b-a1d5381006e0
`

func newEventsShow(w *world) *cobra.Command {
	var o operation
	var whole bool
	cmd := &cobra.Command{
		Use:  "show",
		Args: oneID(eventID),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.api(cmd, w)
			if err != nil {
				return err
			}
			q := map[string][]string{}
			if whole {
				q["body"] = []string{"full"}
			}
			data, err := api.get(cmd.Context(), q, "events", args[0])
			if err != nil {
				return fmt.Errorf("show event %s: %w", args[0], api.withIDs(err, "events"))
			}
			if o.json {
				return writeJSON(w.stdout, data)
			}
			e, err := ask[shownEvent](data, nil)
			if err != nil {
				return err
			}
			newPage(w.stdout).event(e, api.command, time.Now())
			return nil
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&whole, "body", false, "")
	setHelp(cmd, eventsShowHelp)
	return cmd
}

// eventID says what is wrong with an event's id, before anybody is asked.
func eventID(text string) error {
	if _, err := event.ParseID(text); err != nil {
		return fmt.Errorf("%q is no event's id, which is all of 019c2f2e-7e40-7d70-ac6b-a1d5381006e0", printable(text))
	}
	return nil
}

// oneID is one argument that is an id.
func oneID(check func(string) error) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(1)(cmd, args); err != nil {
			return err
		}
		return check(args[0])
	}
}
