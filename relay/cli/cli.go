// Package cli is the command line: it reads arguments, calls the parts, and
// says what happened.
//
// The rules of the terminal, in one place: results go to standard output, all
// else to standard error; exit 0 is done, 1 failed, 2 wrong usage; an error
// names the thing it is about and a second line hints at the next step; "-" is
// standard input; --json where a script may want it; colour only on a terminal
// and never with NO_COLOR; secrets are never flags.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes of Run.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Run runs one command and returns its exit code. The files are those built
// into the binary: config.example.yaml and testdata/samples. When ctx ends, the
// command winds up what it began.
func Run(ctx context.Context, args []string, files fs.FS, stdin io.Reader, stdout, stderr io.Writer) int {
	// net/http writes to the standard logger what a target sends unasked on an idle
	// connection, and has no switch for it: that may be about a person.
	log.SetOutput(io.Discard)
	w := &world{stdin: stdin, stdout: stdout, stderr: stderr, lookup: os.LookupEnv, files: files}
	root := newRoot(w)
	root.SetArgs(args)
	return exitCode(root.ExecuteContext(ctx), stderr)
}

// exitCode says what went wrong, unless the command has said so itself.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitDone
	}
	code, hint := exitFailed, ""
	if f, ok := errors.AsType[*failure](err); ok {
		code, hint = f.code, f.hint
	}
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(stderr, "invitation-relay: %v\n", err)
		if hint != "" {
			fmt.Fprintf(stderr, "  hint: %s\n", hint)
		}
	}
	return code
}

// errSaid is returned by a command that has already printed what was wrong.
var errSaid = errors.New("said")

const rootHelp = `invitation-relay receives Preventor's identity-verification webhook, plain or
encrypted, and forwards it to Slack, HTTP and email by rules. What it has
answered 2xx is on disk, and is delivered with retries over days.

usage:
  invitation-relay demo                      see it work, without any setting
  invitation-relay init                      write a config to start from
  invitation-relay check -c relay.yaml       find all mistakes in a config
  invitation-relay explain -c relay.yaml X   say why somebody heard of webhook X, or nobody
  invitation-relay test -c relay.yaml        run the tests of the rules
  invitation-relay diff -c relay.yaml NEW    say what would go elsewhere under NEW
  invitation-relay doctor -c relay.yaml      find what is wrong outside the config
  invitation-relay serve -c relay.yaml       run the relay
  invitation-relay targets list              say whether anything is wrong, in the relay that runs
  invitation-relay deliveries …              list, show, retry and discard its deliveries
  invitation-relay events …                  list, show and replay what came in
  invitation-relay backup -c relay.yaml X    copy the store, while it runs
  invitation-relay forget --cifcod ID        erase one person from the store
  invitation-relay store --help              change the store's key, save a damaged one
  invitation-relay simulate -c relay.yaml    be the vendor, and send a sample
  invitation-relay schema                    print the JSON Schema of the config
  invitation-relay completion bash           make the shell complete all of this
  invitation-relay version                   say what this binary is

Each command explains itself: invitation-relay COMMAND --help
`

func newRoot(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:                        "invitation-relay",
		SilenceUsage:               true,
		SilenceErrors:              true,
		SuggestionsMinimumDistance: 2,
		Args:                       cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUsage("no command given", "invitation-relay --help lists them; invitation-relay demo shows them at work")
			}
			hint := "invitation-relay --help lists them"
			if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
				hint = "did you mean " + strings.Join(s, " or ") + "?"
			}
			return wrongUsage(fmt.Sprintf("no command %q", args[0]), hint)
		},
	}
	root.SetIn(w.stdin)
	root.SetOut(w.stdout)
	root.SetErr(w.stderr)
	root.AddCommand(newServe(w), newCheck(w), newInit(w), newDemo(w), newSimulate(w), newVersion(w))
	root.AddCommand(newExplain(w), newTest(w), newDiff(w), newSchema(w), newCompletion(w), newDoctor(w))
	root.AddCommand(newEvents(w), newDeliveries(w), newTargets(w), newBackup(w), newForget(w), newStore(w))
	root.CompletionOptions.DisableDefaultCmd = true // ours explains itself as the others do
	withCompletion(w, root)
	setHelp(root, rootHelp)
	wrapUsage(root)
	return root
}

// setHelp makes the hand-written text the whole of a command's help.
func setHelp(cmd *cobra.Command, text string) {
	cmd.Long = text
	cmd.SetHelpFunc(func(c *cobra.Command, _ []string) { fmt.Fprint(c.OutOrStdout(), c.Long) })
}

// wrapUsage makes wrong flags and arguments of every command exit with 2.
func wrapUsage(cmd *cobra.Command) {
	wrong := func(c *cobra.Command, err error) error { return wrongUsage(err.Error(), c.CommandPath()+" --help") }
	cmd.SetFlagErrorFunc(wrong)
	for _, c := range cmd.Commands() {
		if args := c.Args; args != nil {
			c.Args = func(c *cobra.Command, a []string) error {
				if err := args(c, a); err != nil {
					return wrong(c, err)
				}
				return nil
			}
		}
		wrapUsage(c)
	}
}
