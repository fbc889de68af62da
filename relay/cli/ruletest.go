package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"invitation-relay/relay/config"
)

const testHelp = `usage: invitation-relay test [-c FILE] [-v] [--json] [--min-coverage PERCENT] [FILE...]

Runs tests of the rules: payloads, and what is expected of them. Without a FILE it
runs the *_test.yaml beside the config. Nothing is stored and nothing is sent.
A test that fails shows the difference, and why the rule that surprised decided as
it did. Exits 1 when one fails.

  -c, --config FILE          the config (default config.yaml)
  -v, --verbose              tests that pass, too
      --min-coverage PERCENT fail when tests show less: that each rule matches in
                             some test, and does not in some other
      --json                 one JSON object, for scripts

A test file:

  tests:
    - name: a third rejection rings the risk channel
      payload: {id: i-1, transaction_status: REJECTED, attempts: 3}
      expect:
        rules: [rejected]                  # exactly these match, in this order
        targets: [risk-slack, case-api]    # exactly these get it
        messages:
          risk-slack: {contains: [rejected, 3 attempts], lacks: "<!channel>"}
    - name: what the dashboard sends is refused
      file: samples/dashboard-test.json    # relative to the test file
      expect: {status: 422}

Of a message: equals, contains, lacks, matches (regular expressions), and of a mail
its subject. Beside these, source, iv and plain are as in explain; received_at is
2026-01-01T12:00:00Z unless set; expect has also shadow and errors, lists of rules.

example: invitation-relay test -c config.example.yaml testdata/rules_test.yaml
`

// testRun is one run of test.
type testRun struct {
	configFile    string
	verbose, json bool
	minCoverage   int
}

func newTest(w *world) *cobra.Command {
	x := &testRun{}
	cmd := &cobra.Command{
		Use:  "test",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return x.run(cmd.Context(), w, args)
		},
	}
	configFlag(cmd, &x.configFile)
	f := cmd.Flags()
	f.BoolVarP(&x.verbose, "verbose", "v", false, "")
	f.BoolVar(&x.json, "json", false, "")
	f.IntVar(&x.minCoverage, "min-coverage", 0, "")
	setHelp(cmd, testHelp)
	return cmd
}

func (x *testRun) run(ctx context.Context, w *world, files []string) error {
	if x.minCoverage < 0 || x.minCoverage > 100 {
		return wrongUsage("--min-coverage is 0 to 100", "--min-coverage 100 demands all of it")
	}
	d, err := newDry(w, x.configFile)
	if err != nil {
		return err
	}
	defer d.Close()
	if len(files) == 0 {
		if files, err = testsBeside(x.configFile); err != nil {
			return err
		}
	}
	rep := &testReport{coverage: newCoverage(d.cfg), least: x.minCoverage}
	for _, file := range files {
		if err := rep.runFile(ctx, d, file); err != nil {
			return err
		}
	}
	if x.json {
		err = writeJSON(w.stdout, rep.json(d.cfg))
	} else {
		newPage(w.stdout).tested(rep, d.cfg, x.verbose)
	}
	if err == nil && !rep.good() {
		return errSaid
	}
	return err
}

// testsBeside are the test files in the folder of the config.
func testsBeside(configFile string) ([]string, error) {
	folder := filepath.Dir(configFile)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("look for test files: %w", err)
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); !e.IsDir() && (strings.HasSuffix(name, "_test.yaml") || strings.HasSuffix(name, "_test.yml")) {
			files = append(files, filepath.Join(folder, name))
		}
	}
	if len(files) == 0 {
		return nil, wrongUsage("no test file named, and no *_test.yaml beside "+configFile, "invitation-relay test --help shows what one looks like")
	}
	return files, nil
}

// testReport is what became of all tests.
type testReport struct {
	problems config.Problems
	results  []*testResult
	unread   int // test files without a test that could be counted
	coverage *coverage
	least    int // per cent
}

func (r *testReport) runFile(ctx context.Context, d *dry, file string) error {
	data, err := os.ReadFile(file) //nolint:gosec // the user names the file
	if err != nil {
		return &failure{code: exitFailed, msg: "read tests", err: err, hint: "without a FILE, the *_test.yaml beside the config are run"}
	}
	tests, problems := readTests(file, data, d)
	r.problems = append(r.problems, problems...)
	if len(tests) == 0 {
		r.unread++
	}
	for _, t := range tests {
		result, err := t.check(ctx, d)
		if err != nil {
			return errors.Join(fmt.Errorf("run test %q", t.Name), err)
		}
		result.file = file
		r.results = append(r.results, result)
		if result.outcome != nil && result.outcome.Event != nil {
			r.coverage.add(result.outcome.Decision.Verdicts)
		}
	}
	return nil
}

// counts are how many tests passed and failed; a file nobody could read counts as
// one that failed.
func (r *testReport) counts() (passed, failed int) {
	for _, t := range r.results {
		if t.passed() {
			passed++
		}
	}
	return passed, len(r.results) - passed + r.unread
}

func (r *testReport) good() bool {
	_, failed := r.counts()
	return failed == 0 && len(r.problems) == 0 && r.covered()
}

// covered reports whether the coverage is what --min-coverage asks for.
func (r *testReport) covered() bool { return r.coverage.percent() >= r.least }
