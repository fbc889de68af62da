package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"github.com/spf13/cobra"

	"invitation-relay/relay/outbox/sqlite"
)

const backupHelp = `usage: invitation-relay backup [-c FILE] FILE

Copies the store into FILE, which must not be there yet, while the relay runs or
not. The copy is of one moment and readable by its owner only; it has been looked
through, and is on disk, before there is a FILE. What is encrypted stays so: keep
the keys as well, and elsewhere.

To restore, stop the relay, put the copy where store.url points, and remove the
-wal, -shm and .mark of the old one beside it.

A person that is forgotten later is still in the copy.

  -c, --config FILE   the config (default config.yaml)

example: invitation-relay backup -c relay.yaml relay-$(date +%F).db
`

func newBackup(w *world) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:  "backup",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := storeOf(w, file)
			if err != nil {
				return err
			}
			var looked atomic.Int64
			stop := newProgress(w.stderr).watch(func() (int, string) { return soFar(args[0], looked.Load()) })
			done, err := sqlite.Backup(cmd.Context(), cfg.Path, args[0], func(events int) { looked.Store(int64(events)) })
			stop()
			switch {
			case errors.Is(err, fs.ErrExist):
				return &failure{code: exitFailed, msg: args[0] + " is there already", hint: "nothing is overwritten: give the copy another name"}
			case noFolder(err):
				return &failure{code: exitFailed, msg: "the folder of " + args[0] + " is not there", hint: "mkdir -p " + shellWord(filepath.Dir(args[0]))}
			case err != nil:
				return aboutStore("backup", err)
			}
			fmt.Fprintf(w.stdout, "%d events copied into %s\n", done.Events, args[0])
			if done.Damaged > 0 {
				fmt.Fprintf(w.stdout, "%d of them are damaged, as they are in the store\n", done.Damaged)
			}
			for _, what := range done.Mended {
				fmt.Fprintf(w.stdout, "damaged in the store, and mended in the copy: %s\n", what)
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	setHelp(cmd, backupHelp)
	cmd.ValidArgsFunction = anyFile
	return cmd
}

// soFar is how far a copy has come: what there is of it, or, when it is whole, how
// many events of it have been looked through.
func soFar(into string, looked int64) (n int, at string) {
	if looked > 0 {
		return int(looked), "events looked through"
	}
	return int(sqlite.Unfinished(into) >> 20), "MiB copied"
}

// noFolder reports whether the copy's folder is not there. Backup names the copy's path, and not the store's.
func noFolder(err error) bool {
	_, named := errors.AsType[*fs.PathError](err)
	return named && errors.Is(err, fs.ErrNotExist)
}
