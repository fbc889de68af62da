package cli

import (
	"strings"
	"testing"
)

func TestForgetIsNoSuccessWhileADamagedEventMayBeHers(t *testing.T) {
	f := newFakeRelay(t).on("POST forget", `{"events":3,"damaged":1}`)
	code, stdout, stderr := f.operate(t, "forget", "--cifcod", "canary")
	if code != exitFailed || !strings.HasPrefix(stdout, "forgotten: 3 events ") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
	for _, want := range []string{"1 event is damaged: nobody can tell about whom, ", "move the damaged store away"} {
		if !strings.Contains(stderr, want) || strings.Contains(stderr, "canary") {
			t.Errorf("no %q in\n%s", want, stderr)
		}
	}
}
