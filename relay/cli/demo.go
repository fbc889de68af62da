package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/relay/secret"
)

const demoHelp = `usage: invitation-relay demo [--once]

Runs config.example.yaml as it stands against receivers of its own on loopback:
a Slack look-alike that checks messages as Slack does, an HTTP endpoint that
fails at first, and a mail server. Posts samples as the vendor would, plain and
encrypted, and prints what arrived where and after how many attempts. It needs
no file and no variable, and leaves nothing behind.

  --once   end when all has arrived; exits 0 only if all of it did. Without it the
           relay stays up until Ctrl-C, to be looked at

example: invitation-relay demo --once
`

const (
	exampleFile = "config.example.yaml"
	// demoWithin bounds the wait for the deliveries: the longest schedule of the
	// script is a retry after at most 5s, with quick tries of a second or two.
	demoWithin = time.Minute
)

func newDemo(w *world) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:  "demo",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), w, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "")
	setHelp(cmd, demoHelp)
	return cmd
}

func demo(ctx context.Context, w *world, once bool) (err error) {
	folder, err := os.MkdirTemp("", "invitation-relay-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo's store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	rcv, err := startReceivers()
	if err != nil {
		return err
	}
	defer rcv.close()

	cfg, err := demoConfig(w, rcv, folder)
	if err != nil {
		return err
	}
	r, err := relay.New(ctx, cfg, relay.Options{
		Load:    func() (*config.Config, error) { return demoConfig(w, rcv, folder) },
		Log:     slog.New(slog.DiscardHandler), // the account says it all; serve has a log
		Version: version(),
	})
	if err != nil {
		return startHint(err)
	}
	fmt.Fprintf(w.stdout, "invitation-relay demo: %s as it stands, with receivers of its own on loopback\n\n", exampleFile)
	announce(w, cfg, r)
	fmt.Fprintf(w.stdout, "receivers: Slack look-alike %s, case API %s, mail server %s\n\n", rcv.slackServer.URL(), rcv.cases.URL(), rcv.mail.Addr())

	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()

	arrived := (&show{w: w, cfg: cfg, rcv: rcv, api: "http://" + shown(r.AdminAddr()), intake: "http://" + shown(r.Addr())}).run(ctx)
	if once || arrived != nil {
		return arrived
	}
	fmt.Fprintf(w.stdout, "\nThe relay stays up. Look at http://%[1]s/api/v1/deliveries, http://%[1]s/metrics, or send it more:\n"+
		"  go run . simulate -c config.example.yaml --fresh\nCtrl-C ends it.\n", shown(r.AdminAddr()))
	<-ctx.Done()
	return nil
}

// demoConfig is the example as it stands: only what its references look up is
// the demo's. Ports are those of the example when they are free.
func demoConfig(w *world, rcv *receivers, folder string) (*config.Config, error) {
	data, err := fs.ReadFile(w.files, exampleFile)
	if err != nil {
		return nil, fmt.Errorf("read the example: %w", err)
	}
	variables := rcv.variables()
	variables["RELAY_STORE"] = "sqlite:" + filepath.Join(folder, "relay.db")
	cfg, problems := config.Parse(exampleFile, data, config.Options{
		Lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
	})
	return cfg, problems.Err()
}

// post is one webhook of the demo's script.
type post struct {
	sample    string
	source    string
	duplicate bool
	why       string
}

// script is what the vendor sends: each line shows one thing the relay does.
func script() []post {
	return []post{
		{"accepted", "preventor", false, "accepted: case system and mail"},
		{"rejected", "preventor", false, "third rejection: Slack and case system"},
		{"rejected", "preventor", true, "the same again: delivered once"},
		{"obrien-name", "preventor-encrypted", false, "encrypted with the secret set at the vendor"},
		{"slack-name", "preventor-encrypted", false, "encrypted; the name tries to mention everybody and to link"},
		{"unknown-state", "preventor", false, "a state nobody knows: the rest, into the journal"},
	}
}

// send posts the script as the vendor would and prints each answer.
func (s *show) send(ctx context.Context) error {
	fmt.Fprintln(s.w.stdout, "The vendor posts:")
	for _, p := range script() {
		m, err := builtIn(s.w.files, p.sample)
		if err != nil {
			return err
		}
		src := s.cfg.Sources[p.source]
		v := newVendor(s.intake + src.Path)
		v.username, v.password = src.Auth.Basic[0].Username, secret.New(src.Auth.Basic[0].Password.Reveal())
		how := "plain"
		if keys, err := src.Encryption.RawKeys(); err != nil {
			return err
		} else if len(keys) > 0 {
			v.key, how = keys[0], "encrypted"
		}
		a, err := v.send(ctx, m)
		v.close()
		if err != nil {
			return err
		}
		fmt.Fprintf(s.w.stdout, "  %-14s %-9s -> %d  event %s   %s\n", p.sample, how, a.status, short(a.id), p.why)
		if !a.ok() || a.duplicate != p.duplicate {
			return fmt.Errorf("%s: the relay answered %d %s, duplicate %t", p.sample, a.status, a.detail, a.duplicate)
		}
		s.names[a.id] = p.sample
	}
	return nil
}

// short is the random end of an id, as in a message's footer.
func short(id string) string { return id[max(0, len(id)-8):] }
