package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
)

const checkHelp = `usage: invitation-relay check [-c FILE] [--strict] [--json]

Reads a config, as serve would, and prints every mistake at once as
file:line:col: message, with a hint where there is something to suggest.
Exits 1 if there is one. Warnings fail only with --strict.

  -c, --config FILE   the config (default config.yaml)
      --strict        warnings fail too
      --json          one JSON array, for editors and CI

example: invitation-relay check -c config.example.yaml
`

func newCheck(w *world) *cobra.Command {
	var file string
	var strict, asJSON bool
	cmd := &cobra.Command{
		Use:  "check",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, problems := config.Load(file, config.Options{Lookup: w.lookup})
			if err := unreadable(problems); err != nil {
				return err
			}
			bad := problems.Err() != nil || strict && len(problems) > 0
			if asJSON {
				if err := printProblemsJSON(w, problems); err != nil {
					return err
				}
			} else {
				printProblems(w, problems)
				if !bad {
					fmt.Fprintf(w.stdout, "%s: ok\n", file)
				}
			}
			if bad {
				return errSaid
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&strict, "strict", false, "")
	cmd.Flags().BoolVar(&asJSON, "json", false, "")
	setHelp(cmd, checkHelp)
	return cmd
}

// configFlag adds -c, the same in every command that reads a config.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVarP(file, "config", "c", "config.yaml", "")
}

// unreadable is the error of a config that could not even be read.
func unreadable(problems config.Problems) error {
	err := problems.Err()
	if !errors.Is(err, config.ErrRead) {
		return nil
	}
	hint := "name it with -c FILE, or write one with: invitation-relay init"
	if isHere(initFile) {
		hint = "there is a " + initFile + " here: -c " + initFile
	}
	return &failure{code: exitFailed, hint: hint, err: err}
}

func isHere(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func printProblems(w *world, problems config.Problems) {
	for _, p := range problems {
		fmt.Fprintln(w.stdout, p)
	}
}

// finding is a problem as --json prints it.
type finding struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
	Severity string `json:"severity"`
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

func printProblemsJSON(w *world, problems config.Problems) error {
	e := json.NewEncoder(w.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // && stays readable
	return e.Encode(findings(problems))
}

// findings are problems as --json prints them.
func findings(problems config.Problems) []finding {
	out := make([]finding, 0, len(problems))
	for _, p := range problems {
		f := finding{p.File, p.Line, p.Col, "error", p.Message, p.Hint}
		if p.Warning {
			f.Severity = "warning"
		}
		out = append(out, f)
	}
	return out
}
