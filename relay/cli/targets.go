package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
)

const targetsHelp = `usage: invitation-relay targets list
       invitation-relay targets hold NAME [--reason TEXT]
       invitation-relay targets release NAME
       invitation-relay targets send-test NAME

Where events go, and whether something is wrong there. Each explains itself with
--help.

example: invitation-relay targets list -c relay.yaml
`

func newTargets(w *world) *cobra.Command {
	return group("targets", targetsHelp, newTargetsList(w), newTargetsHold(w), newTargetsRelease(w), newTargetsSendTest(w))
}

const targetsListHelp = `usage: invitation-relay targets list [--exit-code] [--json]

Is anything wrong? Each target with what waits for it, and below, what is wrong
and the command that helps, or "all well".

      --exit-code            exit with 1 when something is wrong
` + operateHelp + `
example: invitation-relay targets list -c relay.yaml
`

func newTargetsList(w *world) *cobra.Command {
	var o operation
	var exitCode bool
	cmd := &cobra.Command{
		Use:  "list",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			api, err := o.api(cmd, w)
			if err != nil {
				return err
			}
			r, err := api.targetsReport(cmd.Context())
			if err != nil {
				return fmt.Errorf("list targets: %w", err)
			}
			if o.json {
				err = writeJSON(w.stdout, r.answer)
			} else {
				err = r.print(w, time.Now())
			}
			if err == nil && exitCode && len(r.wrong) > 0 {
				return errSaid
			}
			return err
		},
	}
	o.addFlags(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "")
	setHelp(cmd, targetsListHelp)
	return cmd
}

const targetsHoldHelp = `usage: invitation-relay targets hold NAME [--reason TEXT] [--json]

Sends a target nothing more until it is released by hand: its events wait, and
none is lost. Attempts under way end.

      --reason TEXT          what others should know, without personal data
` + operateHelp + `
example: invitation-relay targets hold case-api -c relay.yaml --reason "moves to the new cluster"
`

func newTargetsHold(w *world) *cobra.Command {
	var reason string
	cmd := newTargetChange(w, "hold", targetsHoldHelp, func(q url.Values) {
		if reason != "" {
			q.Set("reason", reason)
		}
	})
	cmd.Flags().StringVar(&reason, "reason", "", "")
	return cmd
}

const targetsReleaseHelp = `usage: invitation-relay targets release NAME [--json]

Ends a hold: all that waits for the target is due now.

` + operateHelp + `
example: invitation-relay targets release risk-slack -c relay.yaml
`

func newTargetsRelease(w *world) *cobra.Command {
	return newTargetChange(w, "release", targetsReleaseHelp, func(url.Values) {})
}

// newTargetChange is a command that holds or releases one target.
func newTargetChange(w *world, word, help string, params func(url.Values)) *cobra.Command {
	var o operation
	cmd := &cobra.Command{
		Use:  word,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := o.api(cmd, w)
			if err != nil {
				return err
			}
			q := url.Values{}
			params(q)
			data, err := api.post(cmd.Context(), q, "targets", args[0], word)
			if err != nil {
				return api.aboutTarget(word+" target "+printable(args[0]), err)
			}
			if o.json {
				return writeJSON(w.stdout, data)
			}
			t, err := ask[targetItem](data, nil)
			if err != nil {
				return err
			}
			state := "is released"
			if t.Held {
				state = "is held"
			}
			fmt.Fprintf(w.stdout, "%s %s, %s\n", cell(t.Name), state, counted(t.Pending, "delivery waits", "deliveries wait"))
			if t.Held {
				fmt.Fprintf(w.stderr, "it ends with: %s\n", api.command("targets release "+t.Name))
			}
			return nil
		},
	}
	o.addFlags(cmd)
	setHelp(cmd, help)
	return cmd
}

// targetNames completes the targets of the config.
func targetNames(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	return named(func(n config.Names) []string { return n.Targets })(cmd, args, typed)
}

// target is one target as the relay has it, nil when it cannot be told.
func (a *adminAPI) target(ctx context.Context, name string) *targetItem {
	_, items, err := a.targets(ctx)
	if err != nil {
		return nil
	}
	for i := range items {
		if items[i].Name == name {
			return &items[i]
		}
	}
	return nil
}

// targets are all targets, and the answer that lists them.
func (a *adminAPI) targets(ctx context.Context) (json.RawMessage, []targetItem, error) {
	data, err := a.get(ctx, nil, "targets")
	l, err := ask[listing](data, err)
	if err != nil {
		return nil, nil, err
	}
	items, err := itemsOf[targetItem](l)
	return data, items, err
}

// unknownTarget is the reason that nothing was found for a target, when it is
// that there is none of this name; found says how much was.
func (a *adminAPI) unknownTarget(ctx context.Context, name string, found int) error {
	if name == "" || found > 0 {
		return nil
	}
	_, items, err := a.targets(ctx)
	if err != nil {
		return nil //nolint:nilerr // it was only to help
	}
	var names []string
	for _, t := range items {
		if t.Name == name {
			return nil
		}
		names = append(names, t.Name)
	}
	return &failure{
		code: exitFailed, msg: fmt.Sprintf("the relay has no target %q", printable(name)),
		hint: config.DidYouMean(name, names),
	}
}

// aboutTarget adds to a failure what was being done, and to one about a name
// that is not known, where the names are.
func (a *adminAPI) aboutTarget(doing string, err error) error {
	if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusNotFound && r.hint == "" && !strings.Contains(r.msg, "did you mean") {
		r.hint = a.command("targets list") + " lists them"
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// withIDs adds to a failure about an id that is not known where ids are found,
// and to one about a target where their names are.
func (a *adminAPI) withIDs(err error, list string) error {
	r, ok := errors.AsType[*refusal](err)
	switch {
	case !ok || r.status != http.StatusNotFound || r.hint != "" || strings.Contains(r.msg, "did you mean"):
	case strings.Contains(r.msg, "no such target"):
		r.hint = a.command("targets list") + " lists them"
	default:
		r.hint = a.command(list+" list") + " lists their ids; what is older than store.retention is gone"
	}
	return err
}
