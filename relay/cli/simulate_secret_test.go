package cli

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestWrongUsageIsTwoAndPrintsNoResult(t *testing.T) {
	t.Chdir(t.TempDir())
	const canary = "canary-password"
	for _, args := range [][]string{
		{},
		{"--to", "localhost:8080"},
		{"--to", "ftp://127.0.0.1/x"},
		{"--to", "http://u:" + canary + "@127.0.0.1/x"},
		{"--to", "http://127.0.0.1/x?token=" + canary + "\x7f"},
		{"--to", "http://127.0.0.1/", "--user", "u"},
		{"--to", "http://127.0.0.1/", "--password-file", "f"},
		{"--to", "http://127.0.0.1/", "--count", "0"},
		{"--to", "http://127.0.0.1/", "--count", "many"},
		{"--to", "http://127.0.0.1/", "--duplicates=-1"},
		{"--to", "http://127.0.0.1/", "--rate", "0/s"},
		{"--to", "http://127.0.0.1/", "--rate", "5/fortnight"},
		{"--to", "http://127.0.0.1/", "--rate", "NaN"},
		{"--to", "http://127.0.0.1/", "--password", canary},
		{"--to", "http://127.0.0.1/", "rejected"},
	} {
		code, stdout, stderr := simulate(t, args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "\n  hint: ") {
			t.Errorf("%q: exit %d\nstdout: %s\nstderr: %s", args, code, stdout, stderr)
		}
		if strings.Contains(stderr, canary) {
			t.Errorf("%q: the secret is printed: %s", args, stderr)
		}
	}
}

func TestNoSecretIsPrintedWhateverHappens(t *testing.T) {
	const password = "canary-password"
	key := "canary-key-" + aKey[:21]
	answers := []http.HandlerFunc{
		nil, refusing(401, "no"), refusing(503, "no"), refusing(302, "no"),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	var all strings.Builder
	for i, answer := range answers {
		d := newRelayDouble(t, answer)
		if i == 0 {
			d.Close()
		}
		base := []string{"--to", d.URL + "/x?token=canary-token", "--user", "u", "--password-file", write(t, "p", password)}
		for _, more := range [][]string{{}, {"--json"}, {"--count", "30"}, {"--key-file", write(t, "k", key)}, {"--key-file", write(t, "k", key+"longer")}} {
			code, stdout, stderr := simulate(t, append(slices.Clone(base), more...)...)
			if code != 1 {
				t.Errorf("%d %v: exit %d", i, more, code)
			}
			all.WriteString(stdout + stderr)
		}
	}
	if strings.Contains(all.String(), "canary") || all.Len() == 0 {
		t.Errorf("a secret is printed:\n%s", all.String())
	}
}
