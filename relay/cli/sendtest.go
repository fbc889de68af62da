package cli

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

const targetsSendTestHelp = `usage: invitation-relay targets send-test NAME [--source NAME] [--wait] [--json]

Sends a target a made-up event, marked as a test, on the way that all events go,
and prints the event's id.

      --source NAME          as if from this source (default the first)
      --wait                 wait until it is delivered (exit 0) or not (exit 1)
      --timeout DURATION     with --wait, for how long at most (default 1m)
` + operateHelp + `
example: invitation-relay targets send-test risk-slack -c relay.yaml --wait
`

// sendTest is one run of send-test.
type sendTest struct {
	operation
	source  string
	wait    bool
	timeout time.Duration
}

func newTargetsSendTest(w *world) *cobra.Command {
	var s sendTest
	cmd := &cobra.Command{
		Use:  "send-test",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			api, err := s.api(cmd, w)
			if err != nil {
				return err
			}
			return s.run(cmd.Context(), w, api, args[0])
		},
	}
	s.addFlags(cmd)
	cmd.Flags().StringVar(&s.source, "source", "", "")
	cmd.Flags().BoolVar(&s.wait, "wait", false, "")
	cmd.Flags().DurationVar(&s.timeout, "timeout", time.Minute, "")
	setHelp(cmd, targetsSendTestHelp)
	return cmd
}

func (s *sendTest) run(ctx context.Context, w *world, api *adminAPI, name string) error {
	q := url.Values{}
	if s.source != "" {
		q.Set("source", s.source)
	}
	data, err := api.post(ctx, q, "targets", name, "send-test")
	if err != nil {
		return api.aboutTarget("test target "+printable(name), err)
	}
	sent, err := ask[struct {
		ID         string   `json:"id"`
		Deliveries []string `json:"deliveries"`
	}](data, nil)
	if err != nil {
		return err
	}
	if s.json {
		err = writeJSON(w.stdout, data)
	} else {
		_, err = fmt.Fprintln(w.stdout, cell(sent.ID))
	}
	if err != nil {
		return err
	}
	if !s.wait {
		fmt.Fprintf(w.stderr, "how it fares: %s\n", api.command("events show "+sent.ID))
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	for _, id := range sent.Deliveries {
		if err := s.await(ctx, w, api, name, id); err != nil {
			return err
		}
	}
	return nil
}

// await waits for the end of one delivery, and says how it went.
func (s *sendTest) await(ctx context.Context, w *world, api *adminAPI, name, id string) error {
	said := 0 // attempts told
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		d, err := ask[deliveryItem](api.get(ctx, nil, "deliveries", id))
		if err != nil {
			return s.gaveUp(ctx, api, id, err)
		}
		last := d.last()
		switch {
		case d.State == stateDelivered:
			fmt.Fprintf(w.stderr, "%s is delivered\n", cell(id))
			return nil
		case d.State != statePending:
			return &failure{code: exitFailed, msg: fmt.Sprintf("%s is %s: %s", cell(id), cell(d.State), cell(last)), hint: api.command("deliveries show " + id)}
		case d.Attempts > said:
			said = d.Attempts
			fmt.Fprintf(w.stderr, "attempt %d: %s\n", d.Attempts, cell(last))
		}
		if t := api.target(ctx, name); t != nil && t.Held {
			return &failure{
				code: exitFailed, msg: fmt.Sprintf("%s is held, so the test waits with all else: %s", cell(name), cell(t.HeldReason)),
				hint: "when that is mended: " + api.command("targets release "+name),
			}
		}
		select {
		case <-ctx.Done():
			return s.gaveUp(ctx, api, id, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// gaveUp is err, or that the time for it is over.
func (s *sendTest) gaveUp(ctx context.Context, api *adminAPI, id string, err error) error {
	if ctx.Err() != nil {
		return &failure{
			code: exitFailed, msg: fmt.Sprintf("%s was not delivered within %s", cell(id), lasting(s.timeout)),
			hint: "it is still tried: " + api.command("deliveries show "+id),
		}
	}
	return fmt.Errorf("look at delivery %s: %w", cell(id), err)
}
