package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
)

const completionHelp = `usage: invitation-relay completion bash|zsh|fish|powershell

Prints a script that makes the shell complete commands, flags, files, the samples
built in, and the names of sources, targets and rules in the config (that of -c
on the same line, or config.yaml).

bash, with the package bash-completion:
  invitation-relay completion bash > ~/.local/share/bash-completion/completions/invitation-relay
zsh, with a folder of yours in fpath:
  invitation-relay completion zsh > "${fpath[1]}/_invitation-relay"
fish:
  invitation-relay completion fish > ~/.config/fish/completions/invitation-relay.fish
PowerShell, in the profile:
  invitation-relay completion powershell | Out-String | Invoke-Expression

Then begin a new shell.
`

func shells() []string { return []string{"bash", "zsh", "fish", "powershell"} }

func newCompletion(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:  "completion",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, shell := cmd.Root(), strings.Join(args, " ")
			switch shell {
			case "bash":
				return root.GenBashCompletionV2(w.stdout, true)
			case "zsh":
				return root.GenZshCompletion(w.stdout)
			case "fish":
				return root.GenFishCompletion(w.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(w.stdout)
			}
			return wrongUsage(fmt.Sprintf("no completion for the shell %q", shell), "one of "+strings.Join(shells(), ", "))
		},
	}
	setHelp(cmd, completionHelp)
	return cmd
}

// completes is what can stand in a certain place of the command line.
type completes = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// withCompletion says of every command below cmd what its flags and arguments
// are: a flag of one name takes the same everywhere.
func withCompletion(w *world, cmd *cobra.Command) {
	flags := map[string]completes{
		"source":   named(func(n config.Names) []string { return n.Sources }),
		"target":   named(func(n config.Names) []string { return n.Targets }),
		"rule":     named(func(n config.Names) []string { return n.Rules }),
		"sample":   samplesAndFiles(w),
		"config":   yamlFiles,
		"payloads": folders,
	}
	for _, name := range []string{
		"at", "iv", "since", "to", "user", "rate", "count", "duplicates", "min-coverage", "id", "ticket", "cifcod", "event",
		"until", "limit", "admin", "reason", "timeout",
	} {
		flags[name] = cobra.NoFileCompletions
	}
	arguments := map[string]completes{
		"completion": atMost(1, cobra.FixedCompletions(shells(), cobra.ShellCompDirectiveNoFileComp)),
		"diff":       atMost(1, yamlFiles),
		"hold":       atMost(1, targetNames),
		"release":    atMost(1, targetNames),
		"send-test":  atMost(1, targetNames),
		"explain":    atMost(1, samplesAndFiles(w)),
		"test":       yamlFiles,
	}
	for _, c := range cmd.Commands() {
		for name, complete := range flags {
			if c.Flags().Lookup(name) != nil {
				_ = c.RegisterFlagCompletionFunc(name, complete) // an error is a command with one of its own: that counts
			}
		}
		if c.ValidArgsFunction == nil {
			c.ValidArgsFunction = cobra.NoFileCompletions
			if complete := arguments[c.Name()]; complete != nil {
				c.ValidArgsFunction = complete
			}
		}
		withCompletion(w, c)
	}
}

// named completes names of the config that -c on the same line names.
func named(names func(config.Names) []string) completes {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		file := "config.yaml"
		if f := cmd.Flags().Lookup("config"); f != nil {
			file = f.Value.String()
		}
		return names(config.ReadNames(file)), cobra.ShellCompDirectiveNoFileComp
	}
}

// samplesAndFiles completes the samples built in, and files beside them.
func samplesAndFiles(w *world) completes {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		names, err := sampleNames(w.files)
		if err != nil {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return names, cobra.ShellCompDirectiveDefault
	}
}

// atMost completes nothing after n arguments.
func atMost(n int, complete completes) completes {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, typed)
	}
}

func yamlFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}
