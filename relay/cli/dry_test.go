package cli

import (
	"strings"
	"testing"
)

func TestConfigWithABlankInItsNameIsQuotedInTheHint(t *testing.T) {
	file := write(t, "my relay.yaml", "admin: {listen: \"127.0.0.1:1\"}\nsources: {}\n")
	want := "hint: invitation-relay check -c '" + file + "' also shows the warnings\n"
	for _, args := range [][]string{{"doctor"}, {"explain", "rejected"}, {"backup", "copy.db"}, {"forget", "--cifcod", "x"}} {
		if code, _, stderr := command(t, append(args, "-c", file)...); code != exitFailed || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, no %q in\n%s", args[0], code, want, stderr)
		}
	}
}
