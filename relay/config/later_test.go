package config

import (
	"strings"
	"testing"
)

// TestWhatComesLaterIsRefused: each setting of the design that does nothing yet
// is refused when it is set to anything but its default, and not before.
func TestWhatComesLaterIsRefused(t *testing.T) {
	const (
		log = "targets: {x: {log: {}, "
	)
	for _, c := range []struct{ path, head, set, same, tail string }{
		{"targets.x.digest", log, "digest: {every: 1m}", "digest: {every: 0s, max: 50}", "}}"},
		{"targets.x.digest", log, "digest: {max: 49}", "digest: {}", "}}"},
	} {
		rest := minimal
		if strings.HasPrefix(c.path, "targets.") {
			rest = strings.Replace(strings.Split(minimal, "targets:")[0], "[api]", "[x]", 1)
		}
		_, problems := parse(t, c.head+c.set+c.tail+"\n"+rest)
		found := false
		for _, p := range problems {
			found = found || p.Message == c.path+": not yet supported" && p.Line == 1 && !p.Warning
		}
		if !found {
			t.Errorf("%s: %s", c.set, problems)
		}
		if _, problems := parse(t, c.head+c.same+c.tail+"\n"+rest); len(problems) > 0 {
			t.Errorf("%s: %s", c.same, problems)
		}
	}
	_, problems := parse(t, "store: {url: 'postgres://relay@db.example/relay'}\n"+minimal)
	if !strings.Contains(problems.Error(), "store.url: PostgreSQL is not yet supported") {
		t.Errorf("%s", problems)
	}
}
