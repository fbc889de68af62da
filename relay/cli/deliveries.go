package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay/outbox"
)

const deliveriesHelp = `usage: invitation-relay deliveries list [filters]
       invitation-relay deliveries show ID
       invitation-relay deliveries retry ID…
       invitation-relay deliveries discard ID…

One event for one target is a delivery. Each explains itself with --help.

example: invitation-relay deliveries list -c relay.yaml --state dead
`

const deliveriesListHelp = `usage: invitation-relay deliveries list [filters] [--limit N] [--json]

Lists deliveries, newest first, with how their last attempt ended.

      --state WORD           pending, delivered, dead or discarded
` + filterHelp + `      --limit N              up to so many (default 50)
` + operateHelp + `
example: invitation-relay deliveries list -c relay.yaml --target risk-slack --state dead
`

func newDeliveries(w *world) *cobra.Command {
	return group("deliveries", deliveriesHelp, newDeliveriesList(w), newDeliveriesShow(w), newDeliveriesRetry(w), newDeliveriesDiscard(w))
}

func newDeliveriesList(w *world) *cobra.Command {
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
			l, err := api.list(cmd.Context(), q, f.limit, "deliveries")
			if err != nil {
				return fmt.Errorf("list deliveries: %w", err)
			}
			if err := printDeliveries(w, &o, l); err != nil {
				return err
			}
			sayMore(w, l)
			return api.unknownTarget(cmd.Context(), q.Get("target"), len(l.Items))
		},
	}
	o.addFlags(cmd)
	f.addFlags(cmd, deliveryStates()...)
	setHelp(cmd, deliveriesListHelp)
	return cmd
}

func deliveryStates() []string {
	return []string{statePending, stateDelivered, stateDead, stateDiscarded}
}

func printDeliveries(w *world, o *operation, l *listing) error {
	if o.json {
		return writeJSON(w.stdout, l)
	}
	items, err := itemsOf[deliveryItem](l)
	if err != nil {
		return err
	}
	if len(items) == 0 {
		fmt.Fprintln(w.stderr, "no such deliveries")
		return nil
	}
	rows, now := make([][]string, 0, len(items)), time.Now()
	for i := range items {
		d := &items[i]
		created := ""
		if d.CreatedAt != nil {
			created = localTime(*d.CreatedAt)
		}
		rows = append(rows, []string{d.ID, created, d.Target, d.State, fmt.Sprint(d.Attempts), d.next(now), d.last()})
	}
	return table(w.stdout, "ID | "+zoned("CREATED")+" | TARGET | STATE | ATTEMPTS | NEXT | LAST", rows)
}

// next is when a delivery that waits is tried again.
func (d *deliveryItem) next(now time.Time) string {
	switch {
	case d.State != statePending || d.NextAttemptAt == nil:
		return ""
	case d.NextAttemptAt.After(now):
		return away(*d.NextAttemptAt, now)
	default:
		return "due"
	}
}

// last is how the last attempt ended.
func (d *deliveryItem) last() string {
	var said []string
	if d.LastOutcome != "" {
		said = append(said, d.LastOutcome)
	}
	if d.LastStatus > 0 {
		said = append(said, fmt.Sprint(d.LastStatus))
	}
	text := strings.Join(said, " ")
	if d.LastReason != "" && text != "" {
		return text + ": " + d.LastReason
	}
	return text + d.LastReason
}

const deliveriesShowHelp = `usage: invitation-relay deliveries show ID [--json]

Shows what happened to one delivery, attempt by attempt, and what can be done.

` + operateHelp + `
example: invitation-relay deliveries show -c relay.yaml 019c2f2e-7e40-7d70-ac6b-a1d5381006e0.risk-slack
`

func newDeliveriesShow(w *world) *cobra.Command {
	var o operation
	cmd := &cobra.Command{
		Use:  "show",
		Args: oneID(deliveryID),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.api(cmd, w)
			if err != nil {
				return err
			}
			data, err := api.get(cmd.Context(), nil, "deliveries", args[0])
			if err != nil {
				return fmt.Errorf("show delivery %s: %w", args[0], api.withIDs(err, "deliveries"))
			}
			if o.json {
				return writeJSON(w.stdout, data)
			}
			d, err := ask[deliveryItem](data, nil)
			if err != nil {
				return err
			}
			p := newPage(w.stdout)
			p.delivery(d, time.Now())
			p.advice(cmd.Context(), d, api)
			return nil
		},
	}
	o.addFlags(cmd)
	setHelp(cmd, deliveriesShowHelp)
	return cmd
}

// advice is the command that helps a delivery on.
func (p *page) advice(ctx context.Context, d *deliveryItem, api *adminAPI) {
	p.line("")
	switch d.State {
	case stateDelivered, stateDiscarded:
		p.line("its event: %s", api.command("events show "+d.EventID))
	case stateDead:
		if d.LastReason != "" {
			p.line("given up because %s", cell(d.LastReason))
		}
		p.line("try it again:   %s", api.command("deliveries retry "+d.ID))
		p.line("let it be:      %s", api.command("deliveries discard "+d.ID))
	default:
		if t := api.target(ctx, d.Target); t != nil && t.Held {
			p.line("%s is held, so it waits: %s", cell(d.Target), cell(t.HeldReason))
			p.line("when that is mended: %s", api.command("targets release "+d.Target))
			return
		}
		p.line("try it now: %s", api.command("deliveries retry "+d.ID))
	}
}

// deliveryID says what is wrong with a delivery's id, before anybody is asked.
func deliveryID(text string) error {
	if _, err := outbox.ParseKey(text); err != nil {
		return fmt.Errorf("%q is no delivery's id, which is all of 019c2f2e-7e40-7d70-ac6b-a1d5381006e0.NAME", printable(text))
	}
	return nil
}
