package cli_test

import (
	"net/http"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"invitation-relay/relay/relaytest"
)

// hook is a Slack look-alike of one script, whose hook can be revoked.
type hook struct {
	*relaytest.Slack
	revoked atomic.Bool
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.revoked.Load() {
		relaytest.Body(http.StatusNotFound, "no_service")(w, r)
		return
	}
	h.Slack.ServeHTTP(w, r)
}

type hookKey struct{}

// startHook gives a script its look-alike: $SLACK_URL is the hook's address.
func startHook(e *testscript.Env) error {
	h := &hook{Slack: relaytest.NewSlack()}
	server, err := relaytest.Listen(h, nil)
	if err != nil {
		return err
	}
	e.Defer(server.Close)
	e.Values[hookKey{}] = h
	e.Setenv("SLACK_URL", server.URL()+"/services/T000/B000/CANARY")
	return nil
}

// slack makes the hook die or live, or demands that it got so many messages.
func slack(ts *testscript.TestScript, neg bool, args []string) {
	h := ts.Value(hookKey{}).(*hook)
	switch {
	case !neg && len(args) == 1 && args[0] == "dies":
		h.revoked.Store(true)
	case !neg && len(args) == 1 && args[0] == "lives":
		h.revoked.Store(false)
	case !neg && len(args) == 2 && args[0] == "has":
		waitFor(ts, "Slack has "+args[1]+" messages", func() bool { return countIs(len(h.Messages()), args[1]) })
	default:
		ts.Fatalf("usage: slack dies|lives, or slack has N")
	}
}
