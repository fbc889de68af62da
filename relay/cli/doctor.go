package cli

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay"
)

const doctorHelp = `usage: invitation-relay doctor [-c FILE] [--json]

Looks for what can be wrong outside the config: the store's folder, space and
lock, the listeners' ports, the clock, certificates, and each target's name,
connection, TLS and login. Nothing is posted and no mail is sent. It may run
beside the relay. Each look takes 5 seconds at most, all targets at once.

Prints a line for each thing, ok, warn or fail, and exits 1 when one fails. No
line holds a secret, a URL or an address.

  -c, --config FILE   the config (default config.yaml)
      --json          one JSON array, for scripts

example: invitation-relay doctor -c relay.yaml
`

// lookTimeout bounds each look of doctor.
const lookTimeout = 5 * time.Second

// look is one line of doctor: what was looked at, and what was found.
type look struct {
	what string
	relay.Finding
	hint string
}

func newDoctor(w *world) *cobra.Command {
	var file string
	var asJSON bool
	cmd := &cobra.Command{
		Use:  "doctor",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := newDry(w, file)
			if err != nil {
				return err
			}
			defer d.Close()
			looks := examine(cmd.Context(), d, time.Now())
			if asJSON {
				err = writeJSON(w.stdout, looksJSON(looks))
			} else {
				newPage(w.stdout).looks(looks)
			}
			if err == nil && failed(looks) {
				return errSaid
			}
			return err
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&asJSON, "json", false, "")
	setHelp(cmd, doctorHelp)
	return cmd
}

// examine looks at everything, side by side, and returns it in the order of the
// config.
func examine(ctx context.Context, d *dry, now time.Time) []look {
	alive := relayAnswers(ctx, d.cfg)
	parts := []func() []look{
		func() []look { return lookAtStore(ctx, d.cfg, alive, now) },
		func() []look { return lookAtListeners(ctx, d.cfg, alive, now) },
	}
	for _, t := range d.cfg.TargetsInOrder() {
		parts = append(parts, func() []look {
			found := d.Probe(ctx, t.Name, lookTimeout)
			if len(found) == 0 {
				found = []relay.Finding{{Level: relay.OK, Text: "it needs nothing outside the relay"}}
			}
			return ofTarget(t.Name, found)
		})
	}
	results := make([][]look, len(parts))
	var wg sync.WaitGroup
	for i, part := range parts {
		wg.Go(func() { results[i] = part() })
	}
	wg.Wait()
	all := []look{good("config", "no mistakes that a reader can see; check says more")}
	for _, r := range results {
		all = append(all, r...)
	}
	return all
}

func ofTarget(name string, found []relay.Finding) (out []look) {
	for _, f := range found {
		out = append(out, look{what: "target " + name, Finding: f})
	}
	return out
}

func good(what, text string) look { return look{what, relay.Finding{Level: relay.OK, Text: text}, ""} }

func poor(what, text, hint string) look {
	return look{what, relay.Finding{Level: relay.Warn, Text: text}, hint}
}

func bad(what, text, hint string) look {
	return look{what, relay.Finding{Level: relay.Fail, Text: text}, hint}
}

func failed(looks []look) bool {
	for _, l := range looks {
		if l.Level == relay.Fail {
			return true
		}
	}
	return false
}

// looks prints a line for each, and a hint below where there is one.
func (p *page) looks(looks []look) {
	counts := map[string]int{}
	for _, l := range looks {
		word := l.Level.String()
		counts[word]++
		colour := map[string]string{"ok": green, "warn": bold, "fail": red}[word]
		p.line("%s%s %s: %s", p.paint(colour, word), strings.Repeat(" ", 4-len(word)), l.what, l.Text)
		if l.hint != "" {
			p.line("     hint: %s", l.hint)
		}
	}
	p.line("%s", fmt.Sprintf("%d ok, %d warn, %d fail", counts["ok"], counts["warn"], counts["fail"]))
}

// lookJSON is a line as --json prints it.
type lookJSON struct {
	Check string `json:"check"`
	Level string `json:"level"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

func looksJSON(looks []look) []lookJSON {
	out := make([]lookJSON, 0, len(looks))
	for _, l := range looks {
		out = append(out, lookJSON{l.what, l.Level.String(), l.Text, l.hint})
	}
	return out
}
