package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

const diffHelp = `usage: invitation-relay diff [-c FILE] [--since 7d] [--exit-code] [--json] NEW.yaml
       invitation-relay diff [-c FILE] --payloads DIR [--source NAME] NEW.yaml

Says what would go elsewhere if NEW.yaml were the config: puts the events of the
store, or a folder of payloads, through the rules of both, and prints how many
would reach other targets, grouped by change. Nothing is changed and nothing is
sent. It works while the relay runs, and while it does not.

It compares where events go, by the names of targets. What a target is sent is
explain's to show.

  -c, --config FILE   the config in force (default config.yaml); its store is read
      --since WHEN    events from then on: 7d, 12h, 2026-11-23 or
                      2026-11-23T22:30:00Z (default 7d)
      --payloads DIR  every *.json in DIR and below, instead of the store; files
                      may be like those in testdata/samples, encrypted ones too
      --source NAME   who sent the payloads (default the first source; of encrypted
                      ones the first with keys)
      --exit-code     exit 1 when something would go elsewhere
      --json          one JSON object, for scripts

Exits 0 whether there are differences or not, unless --exit-code is given.

example: invitation-relay diff -c relay.yaml --since 30d friday.yaml
`

// difference is one run of diff.
type difference struct {
	configFile, since, payloads, source string
	exitCode, json                      bool
}

func newDiff(w *world) *cobra.Command {
	x := &difference{}
	cmd := &cobra.Command{
		Use:  "diff",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("payloads") && cmd.Flags().Changed("since") {
				return wrongUsage("--since and --payloads together", "--since is for the events of the store, --payloads for files")
			}
			if x.source != "" && x.payloads == "" {
				return wrongUsage("--source without --payloads", "events of the store have a source already")
			}
			return x.run(cmd.Context(), w, args[0])
		},
	}
	configFlag(cmd, &x.configFile)
	f := cmd.Flags()
	f.StringVar(&x.since, "since", "7d", "")
	f.StringVar(&x.payloads, "payloads", "", "")
	f.StringVar(&x.source, "source", "", "")
	f.BoolVar(&x.exitCode, "exit-code", false, "")
	f.BoolVar(&x.json, "json", false, "")
	setHelp(cmd, diffHelp)
	return cmd
}

func (x *difference) run(ctx context.Context, w *world, newFile string) error {
	now := time.Now().UTC()
	since, err := parseSince(x.since, now)
	if err != nil {
		return err
	}
	before, err := newDry(w, x.configFile)
	if err != nil {
		return err
	}
	defer before.Close()
	after, err := newDry(w, newFile)
	if err != nil {
		return err
	}
	defer after.Close()
	c := &comparison{before: before, after: after, progress: newProgress(w.stderr), changes: map[string]*change{}}
	if x.payloads != "" {
		err = x.files(ctx, w, c, now)
	} else {
		err = stored(ctx, c, since)
	}
	c.progress.clear()
	if err != nil {
		return err
	}
	if x.json {
		err = writeJSON(w.stdout, c.json())
	} else {
		newPage(w.stdout).compared(c, x.payloads != "")
	}
	if err == nil && x.exitCode && c.elsewhere > 0 {
		return errSaid
	}
	return err
}

// parseSince reads a time, or how long ago it was.
func parseSince(text string, now time.Time) (time.Time, error) {
	if at, ok := parseTime(text); ok {
		return at, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil || d <= 0 {
		return time.Time{}, wrongUsage("--since is neither a time nor how long ago it was", "write it like 7d, 12h, 2026-11-23 or 2026-11-23T22:30:00Z")
	}
	return now.Add(-d), nil
}

// stored compares what is in the store of the config in force.
func stored(ctx context.Context, c *comparison, since time.Time) (err error) {
	keys, err := c.before.cfg.Store.RawKeys()
	if err != nil {
		return fmt.Errorf("store.encryption_keys: %w", err)
	}
	r, err := sqlite.OpenReader(ctx, c.before.cfg.StorePath(), keys...)
	if err != nil {
		f := &failure{code: exitFailed, err: err}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			f.hint = "no relay has run with this config yet: --payloads DIR compares files"
		case errors.Is(err, outbox.ErrNewer):
			f.hint = "use the release that wrote it, or a newer one"
		}
		return f
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for ev, err := range r.Events(ctx, since) {
		switch {
		case errors.Is(err, outbox.ErrCorrupt):
			c.damaged++
		case err != nil:
			return fmt.Errorf("compare events: %w", err)
		case ev.Kind == event.Test, ev.Kind == event.Alarm:
			// sent to a target by its name, past the rules
		case ev.Body == nil:
			c.erased++
		default:
			if err := c.event(ev); err != nil {
				return err
			}
		}
	}
	return nil
}

// files compares the payloads of a folder. They come now, all at the same time.
func (x *difference) files(ctx context.Context, w *world, c *comparison, at time.Time) error {
	err := filepath.WalkDir(x.payloads, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".json") {
			return nil
		}
		data, err := os.ReadFile(path) //nolint:gosec // the user names the folder
		if err != nil {
			return err
		}
		p, ok := asFixture(data)
		if !ok {
			p = payload{body: data}
		}
		s, err := (&explanation{source: x.source, configFile: x.configFile}).chosen(c.before, p.iv != "")
		if err != nil {
			return err
		}
		return c.payload(ctx, path, p, s.Name, at)
	})
	switch _, said := errors.AsType[*failure](err); {
	case err != nil && !said:
		return fmt.Errorf("compare payloads: %w", err)
	case err != nil:
		return err
	case c.compared+c.refused == 0:
		return &failure{code: exitFailed, msg: "no *.json in " + x.payloads, hint: "a payload is a file like those in testdata/samples"}
	}
	return nil
}
