package admin

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReloadSaysEverythingThatIsWrong(t *testing.T) {
	var result error
	b := newBench(t, func(c *Config) { c.Reload = func(context.Context) error { return result } })

	w := b.ask("POST", "/-/reload")
	wantStatus(t, w, http.StatusOK)
	if got := w.Body.String(); got != `{"reloaded":true}`+"\n" {
		t.Errorf("answer is %s", got)
	}

	result = &InvalidError{Problems: []string{"relay.yaml:3:1: unknown key", "relay.yaml:9:5: no such target"}}
	p := wantProblem(t, b.ask("POST", "/-/reload"), http.StatusUnprocessableEntity)
	if diff := cmp.Diff([]string{"relay.yaml:3:1: unknown key", "relay.yaml:9:5: no such target"}, p.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}

	result = errors.New("listen on port 80: permission denied")
	p = wantProblem(t, b.ask("POST", "/-/reload"), http.StatusInternalServerError)
	if diff := cmp.Diff([]string{"listen on port 80: permission denied"}, p.Problems); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}
