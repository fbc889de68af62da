package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's config and its test file, as they stand there, work; and explain
// says what it says there.
func TestReadmeShowsWhatExplainAndTestDo(t *testing.T) {
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(data)
	folder := t.TempDir()
	put := func(name, text string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	t.Setenv("PREVENTOR_PASSWORD", "a-password")
	t.Setenv("SLACK_URL", "https://hooks.slack.com/services/T0/B0/x")
	t.Setenv("CASE_API_URL", "https://cases.example/")
	cfg := put("relay.yaml", block(t, readme, `sources:\n`))
	put("rules_test.yaml", block(t, readme, `tests:\n`))
	put("dashboard-test.json", "{}")
	if code, stdout, stderr := command(t, "test", "-c", cfg); code != 0 || !strings.Contains(stdout, "2 passed, 0 failed") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	second := put("second.json", `{"id": "i-1", "transaction_status": "REJECTED", "attempts": 2}`)
	_, stdout, _ := command(t, "explain", "-c", cfg, second)
	shown := regexp.MustCompile(`(?m)^    rule rejected: no match\n(    .+\n)+`).FindString(readme)
	if shown = strings.ReplaceAll("\n"+shown, "\n    ", "\n"); len(shown) < 100 || !strings.Contains(stdout, strings.TrimSpace(shown)) {
		t.Errorf("the README shows\n%s\nexplain says\n%s", shown, stdout)
	}
}

// block is the YAML block that begins like this.
func block(t *testing.T, text, begin string) string {
	t.Helper()
	m := regexp.MustCompile("(?s)```yaml\n(" + begin + ".*?)```").FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no block that begins with %s", begin)
	}
	return m[1]
}
