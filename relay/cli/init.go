package cli

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

const initHelp = `usage: invitation-relay init

Writes relay.yaml into the current folder, with a fresh random password, and
prints the lines to paste at the vendor. It needs no variable, and never
overwrites a file.

example: invitation-relay init && invitation-relay check -c relay.yaml
`

// initFile is what init writes, and what its hints name.
const initFile = "relay.yaml"

// passwordMark is where the password goes; it must occur nowhere else.
const passwordMark = "@@password@@"

//go:embed init.yaml
var initTemplate string

func newInit(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:  "init",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			password := rand.Text()
			text := strings.Replace(initTemplate, passwordMark, password, 1)
			if err := writeNew(initFile, text); err != nil {
				return err
			}
			fmt.Fprintf(w.stdout, initSays, password)
			return nil
		},
	}
	setHelp(cmd, initHelp)
	return cmd
}

// writeNew writes a file only its owner may read, or fails if there is one.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // a name of ours
	if errors.Is(err, fs.ErrExist) {
		return &failure{code: exitFailed, msg: name + " is there already", hint: "move it away, or run init in another folder"}
	}
	if err != nil {
		return fmt.Errorf("write config: %w", err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

const initSays = `wrote relay.yaml (readable by you alone)

At the vendor, in the webhook's settings, enter:
  URL         https://YOUR-HOST/webhooks/invitation
  user name   preventor
  password    %s
  secret      leave empty, or enter 32 characters of your own and put the same
              into relay.yaml under encryption.keys

Next:
  invitation-relay check -c relay.yaml       finds mistakes
  invitation-relay serve -c relay.yaml       runs the relay
  invitation-relay simulate -c relay.yaml    sends it a sample, as the vendor would
`
