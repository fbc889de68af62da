package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", os.Getenv("UPDATE") != "", "rewrite the golden files")

// canary is what variables in tests hold: it must appear in no message.
const canary = "cAnArY"

// testWorld is the environment of testdata/.
var testWorld = map[string]string{
	"CANARY": canary,
	"WHEN":   canary + ` == "` + canary + `"`,
	"KEY33":  canary + "-0123456789-0123456789-0123",
	"HIDDEN": `full_name == "` + canary + `"`,
}

func lookupTest(name string) (string, bool) {
	v, ok := testWorld[name]
	return v, ok
}

// TestEachWrongFileIsReportedAtItsPlace has a file for each mistake, named after
// it, and beside it all that check says of it.
func TestEachWrongFileIsReportedAtItsPlace(t *testing.T) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			c, problems := Load(file, Options{Lookup: lookupTest})
			var got strings.Builder
			for _, p := range problems {
				p.File = filepath.Base(p.File)
				got.WriteString(p.String() + "\n")
			}
			if len(problems) == 0 {
				t.Error("nothing is wrong with it")
			}
			if (c == nil) != (problems.Err() != nil) {
				t.Errorf("config %v with error %v", c != nil, problems.Err())
			}
			if strings.Contains(got.String(), canary) {
				t.Error("shows the value of a variable")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
