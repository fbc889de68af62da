package cli

import (
	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
)

const schemaHelp = `usage: invitation-relay schema

Prints the JSON Schema of a config, for editors that complete keys and mark
mistakes while you type. check finds more.

example:
  invitation-relay schema > relay.schema.json
  and as the first line of relay.yaml:
  # yaml-language-server: $schema=relay.schema.json
`

func newSchema(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:  "schema",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := w.stdout.Write(config.Schema())
			return err
		},
	}
	setHelp(cmd, schemaHelp)
	return cmd
}
