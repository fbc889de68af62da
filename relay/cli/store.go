package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

const storeHelp = `usage: invitation-relay store rekey [-c FILE]
       invitation-relay store salvage [-c FILE] NEW

Works on the file that store.url names, while the relay is stopped.

rekey encrypts every body with the first of store.encryption_keys: those that
were encrypted with another key, and those in the clear. Then the other keys can
go. It may be stopped at any time, and run again does the rest. A body that does
not decrypt is left as it is and named by its event's id; then the exit is 1.

salvage makes the store NEW of what can be read of a damaged one, which it leaves
as it is: events that are whole, with their deliveries, holds, threads and what
was refused. A delivery of which nothing is known any more is made again. Move NEW
to where store.url points, and start the relay. What is damaged is named by its
event's id, or counted; then the exit is 1.

  -c, --config FILE   the config (default config.yaml)

example: invitation-relay store rekey -c relay.yaml
         invitation-relay store salvage -c relay.yaml saved.db
`

func newStore(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:  "store",
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUsage("store does nothing by itself", "invitation-relay store --help")
			}
			return wrongUsage(fmt.Sprintf("no command %q of store", args[0]), "invitation-relay store --help")
		},
	}
	cmd.AddCommand(newRekey(w), newSalvage(w))
	setHelp(cmd, storeHelp)
	wrapUsage(cmd)
	return cmd
}

func newRekey(w *world) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:  "rekey",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return rekey(cmd.Context(), w, file) },
	}
	configFlag(cmd, &file)
	setHelp(cmd, storeHelp)
	return cmd
}

func rekey(ctx context.Context, w *world, file string) error {
	cfg, err := storeOf(w, file)
	if err != nil {
		return err
	}
	if len(cfg.Keys) == 0 {
		return &failure{code: exitFailed, msg: "store.encryption_keys is empty", hint: "the first key there is the one to encrypt with; `openssl rand -hex 32` makes one"}
	}
	p := newProgress(w.stderr)
	done, err := sqlite.Rekey(ctx, cfg, func(n int) { p.tick(n, "bodies encrypted") })
	p.clear()
	if err != nil {
		if done.Bodies > 0 {
			fmt.Fprintf(w.stderr, "%d bodies were encrypted with the first key before it ended; run it again for the rest\n", done.Bodies)
		}
		return aboutStore("rekey", err)
	}
	fmt.Fprintf(w.stdout, "%d bodies encrypted with the first key\n", done.Bodies)
	if len(done.Damaged) > 0 {
		for _, id := range done.Damaged {
			fmt.Fprintf(w.stdout, "damaged, and left as it was: %s\n", id)
		}
		return &failure{
			code: exitFailed, msg: fmt.Sprintf("%d bodies are damaged", len(done.Damaged)),
			hint: "keep all keys until their deliveries are discarded, and the retention has erased them",
		}
	}
	fmt.Fprintln(w.stdout, "every other key can go from store.encryption_keys")
	return nil
}

func newSalvage(w *world) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:  "salvage",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return salvage(cmd.Context(), w, file, args[0]) },
	}
	configFlag(cmd, &file)
	setHelp(cmd, storeHelp)
	cmd.ValidArgsFunction = anyFile
	return cmd
}

// anyFile completes the name of a file.
func anyFile(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func salvage(ctx context.Context, w *world, file, fresh string) error {
	cfg, err := storeOf(w, file)
	if err != nil {
		return err
	}
	p := newProgress(w.stderr)
	got, err := sqlite.Salvage(ctx, cfg.Path, fresh, func(n int) { p.tick(n, "events saved") })
	p.clear()
	switch {
	case errors.Is(err, fs.ErrExist):
		there := fresh // or what would be beside it
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			there = pe.Path
		}
		return &failure{code: exitFailed, msg: there + " is there already", hint: "give the new store another name"}
	case err != nil:
		return aboutStore("salvage", err)
	}
	fmt.Fprintf(w.stdout, "%d events and %d refused requests saved in %s\n", got.Events, got.Refused, fresh)
	for _, id := range got.Damaged {
		fmt.Fprintf(w.stdout, "damaged, and left out: %s\n", id)
	}
	for _, name := range got.LostNames {
		fmt.Fprintf(w.stdout, "the name is lost, and what goes by it goes nowhere: %s\n", name)
	}
	if got.Rows > 0 {
		fmt.Fprintf(w.stdout, "damaged, and left out: %d rows of deliveries, attempts, holds, threads and the like\n", got.Rows)
	}
	if lost := len(got.Damaged) + got.Unreadable + got.Rows + len(got.LostNames); lost > 0 {
		return &failure{
			code: exitFailed, msg: fmt.Sprintf("%d are damaged, %d more cannot be read, and %d names are lost", len(got.Damaged)+got.Rows, got.Unreadable, len(got.LostNames)),
			hint: "a backup may have them",
		}
	}
	return nil
}

// storeOf is the store of a config.
func storeOf(w *world, file string) (sqlite.Config, error) {
	cfg, problems := config.Load(file, config.Options{Lookup: w.lookup})
	if err := unreadable(problems); err != nil {
		return sqlite.Config{}, err
	}
	if err := problems.Err(); err != nil {
		return sqlite.Config{}, mistaken(err, file)
	}
	keys, err := cfg.Store.RawKeys()
	if err != nil {
		return sqlite.Config{}, fmt.Errorf("store.encryption_keys: %w", err)
	}
	return sqlite.Config{Path: cfg.StorePath(), Keys: keys}, nil
}

// aboutStore is an error about the store, with the way out.
func aboutStore(doing string, err error) error {
	f := &failure{code: exitFailed, msg: doing, err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.hint = "there is no store yet: serve makes it"
	case errors.Is(err, outbox.ErrLocked):
		f.hint = "stop the relay first"
	case errors.Is(err, outbox.ErrNewer):
		f.hint = "use the release that wrote it, or a newer one"
	}
	return f
}
