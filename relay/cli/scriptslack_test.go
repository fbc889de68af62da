package cli_test

import (
	"net/http"
	"regexp"
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

// hookKey is under which name a script has a look-alike: slack, or ops.
type hookKey string

// startHooks gives a script its look-alikes: $SLACK_URL is the address of slack's
// hook, and $OPS_URL that of ops's, where alarms may go.
func startHooks(e *testscript.Env) error {
	for name, variable := range map[hookKey]string{"slack": "SLACK_URL", "ops": "OPS_URL"} {
		h := &hook{Slack: relaytest.NewSlack()}
		server, err := relaytest.Listen(h, nil)
		if err != nil {
			return err
		}
		e.Defer(server.Close)
		e.Values[name] = h
		e.Setenv(variable, server.URL()+"/services/T000/B000/CANARY")
	}
	return nil
}

// slack makes a hook die or live, or demands that it got so many messages, of
// which the last matches.
func slack(name hookKey) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		h := ts.Value(name).(*hook)
		switch {
		case !neg && len(args) == 1 && args[0] == "dies":
			h.revoked.Store(true)
		case !neg && len(args) == 1 && args[0] == "lives":
			h.revoked.Store(false)
		case !neg && len(args) >= 2 && len(args) <= 3 && args[0] == "has":
			waitFor(ts, string(name)+" has "+args[1]+" messages", func() bool { return countIs(len(h.Messages()), args[1]) })
			if len(args) == 2 {
				return
			}
			pattern, err := regexp.Compile(args[2])
			ts.Check(err)
			got := h.Messages()
			if last := string(got[len(got)-1].JSON); !pattern.MatchString(last) {
				ts.Fatalf("the last message of %s does not match %s:\n%s", name, args[2], last)
			}
		default:
			ts.Fatalf("usage: %s dies|lives, or %s has N [PATTERN]", name, name)
		}
	}
}
