package cli

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/config"
	"invitation-relay/rules"
)

func TestReportOfFailedTestsReadsWell(t *testing.T) {
	t.Chdir("testdata")
	cfg := write(t, "relay.yaml", everything)
	code, text, _ := command(t, "test", "-c", cfg, "-v", "failing_test.yaml")
	if code != 1 {
		t.Errorf("exit %d", code)
	}
	t.Chdir("..")
	goldenText(t, "failing.txt", text)
	t.Chdir("testdata")
	_, text, _ = command(t, "test", "-c", cfg, "--json", "failing_test.yaml")
	t.Chdir("..")
	goldenText(t, "failing.json", text)
}

func TestDiffTellsWhatIsMissingAndWhatIsTooMuch(t *testing.T) {
	for _, c := range []struct{ want, got, diff string }{
		{"", "", "  "},
		{"a b c", "a b c", "  a|  b|  c"},
		{"a b c", "a c", "  a|- b|  c"},
		{"a c", "a b c", "  a|+ b|  c"},
		{"a b", "x y", "- a|- b|+ x|+ y"},
		{"a b c d", "b c e", "- a|  b|  c|- d|+ e"},
	} {
		got := strings.Join(diffLines(strings.Split(c.want, " "), strings.Split(c.got, " ")), "|")
		if got != c.diff {
			t.Errorf("%q, %q: %q", c.want, c.got, got)
		}
	}
}

// Whatever the lists: without what is too much a diff is what was expected, without
// what is missing it is what came.
func TestDiffHoldsBothItsSides(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := func() []string {
		out := make([]string, r.IntN(8))
		for i := range out {
			out[i] = string(rune('a' + r.IntN(4)))
		}
		return out
	}
	for range 2000 {
		want, got := list(), list()
		var left, right []string
		for _, line := range diffLines(want, got) {
			if line[0] != '+' {
				left = append(left, line[2:])
			}
			if line[0] != '-' {
				right = append(right, line[2:])
			}
		}
		if !slices.Equal(left, want) || !slices.Equal(right, got) {
			t.Fatalf("%v, %v: %v", want, got, diffLines(want, got))
		}
	}
}

func TestCoverageAsksEachRuleToMatchAndNotTo(t *testing.T) {
	c := newCoverage(&config.Config{Rules: []config.Rule{
		{Name: "a", When: "x", Enabled: true},
		{Name: "off", When: "x"},
		{Name: "always", When: " true ", Enabled: true},
		{Name: "b", When: "x", Enabled: true},
	}})
	say := func(percent int, never, always string) {
		t.Helper()
		if c.percent() != percent || strings.Join(c.neverMatched(), " ") != never || strings.Join(c.alwaysMatched(), " ") != always {
			t.Errorf("%d%%, never %v, always %v", c.percent(), c.neverMatched(), c.alwaysMatched())
		}
	}
	say(0, "a always b", "a b")
	c.add([]rules.Verdict{rules.Match, rules.NotEvaluated, rules.Match, rules.Error})
	say(40, "b", "a b")
	c.add([]rules.Verdict{rules.NoMatch, rules.NotEvaluated, rules.Match, rules.NotEvaluated})
	say(60, "b", "b")
	c.add([]rules.Verdict{rules.NoMatch, rules.NotEvaluated, rules.Match, rules.NoMatch})
	c.add([]rules.Verdict{rules.NoMatch, rules.NotEvaluated, rules.Match, rules.Shadowed})
	say(100, "", "")
	if none := newCoverage(&config.Config{}); none.percent() != 100 {
		t.Error("a config without rules is not covered")
	}
}

// A payload written in the test is what is sent: in the test's file order or not,
// its values as YAML has them.
func TestPayloadOfATestIsSentAsItIsWritten(t *testing.T) {
	d := testDry(t)
	for yaml, want := range map[string]string{
		`{id: i-1, n: 1.5, b: true, x: null, l: [1, a]}`: `{"b":true,"id":"i-1","l":[1,"a"],"n":1.5,"x":null}`,
		`{id: "1 < 2 & 3", t: 2026-01-01}`:               `{"id":"1 < 2 & 3","t":"2026-01-01"}`,
		`'{"id":'`:                                       `{"id":`,
		`[]`:                                             `[]`,
		`"${env:HOME}"`:                                  `${env:HOME}`,
		`""`:                                             ``,
	} {
		tests, problems := readTests("x_test.yaml", []byte("tests: [{name: x, payload: "+yaml+", expect: {status: 400}}]"), d)
		if len(problems) > 0 {
			t.Fatalf("%s: %v", yaml, problems)
		}
		if diff := cmp.Diff(want, string(tests[0].body.body)); diff != "" {
			t.Error(diff)
		}
	}
}

func testDry(t testing.TB) *dry {
	t.Helper()
	file := filepath.Join(t.TempDir(), "relay.yaml")
	if err := os.WriteFile(file, []byte(everything), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := newDry(&world{lookup: os.LookupEnv}, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// A test file may say anything: it is read, or its mistakes are told with their
// place, and what can be run runs.
func FuzzTestFile(f *testing.F) {
	for _, name := range []string{"testdata/failing_test.yaml", "../../testdata/rules_test.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("tests: [&a {name: *a, payload: *a, expect: {messages: {risk: {equals: {a: [*a]}}}}}]"))
	f.Add([]byte("tests: [{expect: {messages: {risk: , mail: {matches: ['(']}}}}, , {payload: !!binary x}]"))
	d := testDry(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "file") {
			return // no reading of whatever lies around
		}
		tests, problems := readTests("x_test.yaml", data, d)
		for _, p := range problems {
			if p.Line < 1 || p.Col < 1 || p.Message == "" || strings.ContainsAny(p.Message, "\n\x1b") {
				t.Errorf("%#v", p)
			}
		}
		for _, test := range tests {
			if _, err := test.check(t.Context(), d); err != nil {
				t.Error(err)
			}
		}
	})
}
