package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Whatever command has a flag for a source, a target or a rule, its names come
// from the config, and below another command too.
func TestFlagsOfEveryCommandTakeNamesFromTheConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "relay.yaml")
	text := "sources: {s-1: {}}\ntargets: {t-1: {}, t-2: {}}\nrules: [{name: r-1}]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"source": "s-1", "target": "t-1 t-2", "rule": "r-1"} {
		var out bytes.Buffer
		root, parent := &cobra.Command{Use: "relay"}, &cobra.Command{Use: "events"}
		list := &cobra.Command{Use: "list", Run: func(*cobra.Command, []string) {}}
		var config string
		configFlag(list, &config)
		list.Flags().String(flag, "", "")
		parent.AddCommand(list)
		root.AddCommand(parent)
		withCompletion(&world{files: os.DirFS("../..")}, root)
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs([]string{"__complete", "events", "list", "-c", file, "--" + flag, ""})
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(out.String()), " "); got != want+" :4" {
			t.Errorf("--%s completes %q, want %q", flag, got, want)
		}
	}
}
