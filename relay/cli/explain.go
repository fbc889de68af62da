package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/rules"
)

const explainHelp = `usage: invitation-relay explain [-c FILE] [--source NAME] [--json] PAYLOAD
       invitation-relay explain [-c FILE] --iv BASE64 BODY

Says why somebody heard of a webhook, or nobody did: each rule's verdict with the
value of every part of its expression, where the event goes, and each message as
it would leave. Nothing is stored and nothing is sent; secrets are not shown.

PAYLOAD is a file, a sample's name (see simulate --list), or - for standard input.
It is sent as the vendor would: encrypted when the source has keys.

  -c, --config FILE   the config (default config.yaml)
      --source NAME   who sends it (default the first source; with an IV the first with keys)
      --iv BASE64     PAYLOAD is encrypted already, with this x-pvt-cipher-iv header;
                      a file like those in testdata/samples/encrypted needs none
      --plain         send it in the open, although the source has keys
      --at TIME       as if it came at 2026-11-23T22:30:00Z (default now)
      --json          one JSON object, for scripts

Exits 1 when the relay would not take it, and says why.

example: invitation-relay explain -c config.example.yaml rejected
`

// explanation is one run of explain.
type explanation struct {
	configFile, source, iv, at string
	plain, json                bool
}

func newExplain(w *world) *cobra.Command {
	x := &explanation{}
	cmd := &cobra.Command{
		Use:  "explain",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.run(cmd.Context(), w, args[0])
		},
	}
	configFlag(cmd, &x.configFile)
	f := cmd.Flags()
	f.StringVar(&x.source, "source", "", "")
	f.StringVar(&x.iv, "iv", "", "")
	f.BoolVar(&x.plain, "plain", false, "")
	f.StringVar(&x.at, "at", "", "")
	f.BoolVar(&x.json, "json", false, "")
	setHelp(cmd, explainHelp)
	return cmd
}

func (x *explanation) run(ctx context.Context, w *world, name string) error {
	at := time.Now().UTC()
	if x.at != "" {
		var ok bool
		if at, ok = parseTime(x.at); !ok {
			return wrongUsage("--at is not a time", "write it like 2026-11-23T22:30:00Z")
		}
	}
	d, err := newDry(w, x.configFile)
	if err != nil {
		return err
	}
	defer d.Close()
	p, err := x.payload(w, name)
	if err != nil {
		return err
	}
	s, err := x.chosen(d, p.iv != "")
	if err != nil {
		return err
	}
	hook, encrypted, err := p.sent(s, x.plain, at)
	if err != nil {
		return err
	}
	o, err := d.Run(ctx, hook)
	if err != nil {
		return err
	}
	if x.json {
		err = writeJSON(w.stdout, o.Explained(s.Name, encrypted, at))
	} else {
		newPage(w.stdout).explained(&explained{
			Outcome: o, cfg: d.cfg, source: s.Name, encrypted: encrypted, at: at, rules: o.Explain(), messages: o.Messages(),
		})
	}
	if err != nil {
		return err
	}
	names := d.sourceNames()
	if x.source == "" && len(names) > 1 {
		fmt.Fprintf(w.stderr, "--source names another of the sources %s\n", strings.Join(names, ", "))
	}
	if o.Event == nil {
		return errSaid
	}
	return nil
}

// payload reads what is to be explained.
func (x *explanation) payload(w *world, name string) (payload, error) {
	m, err := loadSample(w, name)
	if err != nil {
		return payload{}, err
	}
	p := payload{body: m.body, iv: m.iv, contentType: m.contentType}
	if f, ok := asFixture(m.body); ok && m.iv == "" {
		p = f
	}
	if x.iv != "" {
		p.iv, p.contentType = x.iv, "text/plain"
	}
	return p, nil
}

// chosen is the source that sends it.
func (x *explanation) chosen(d *dry, encrypted bool) (*config.Source, error) {
	s := d.source(x.source, encrypted)
	switch {
	case s == nil && x.source != "":
		return nil, wrongUsage(fmt.Sprintf("no source %q in the config", x.source), "the sources are "+strings.Join(d.sourceNames(), ", "))
	case s == nil:
		return nil, &failure{code: exitFailed, msg: "the config has no source", hint: "invitation-relay check -c " + shellWord(x.configFile)}
	}
	return s, nil
}

// explained is all there is to say of one webhook, for a person.
type explained struct {
	*relay.Outcome
	cfg       *config.Config
	source    string
	encrypted bool
	at        time.Time
	rules     []rules.Explanation
	messages  []relay.Message
}
