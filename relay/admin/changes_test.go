package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
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

func TestRefusedRequestCanBePutThroughAgain(t *testing.T) {
	const newID = "019a0000-0000-7000-8000-0000000000ff"
	var asked event.ID
	var result error
	b := newBench(t, func(c *Config) {
		c.Replay = func(_ context.Context, id event.ID) (event.ID, bool, error) {
			asked = id
			return mustID(t, newID), false, result
		}
	})
	w := b.ask("POST", "/api/v1/events/"+anEvent+"/replay")
	wantStatus(t, w, http.StatusOK)
	if got := w.Body.String(); got != `{"id":"`+newID+`","duplicate":false}`+"\n" || asked.String() != anEvent {
		t.Errorf("replayed %s, answered %s", asked, got)
	}
	for err, status := range map[error]int{
		event.ErrNotFound:    http.StatusNotFound,
		event.ErrUnavailable: http.StatusServiceUnavailable,
		&InvalidError{Problems: []string{"the body could not be decrypted"}}: http.StatusUnprocessableEntity,
	} {
		result = err
		wantProblem(t, b.ask("POST", "/api/v1/events/"+anEvent+"/replay"), status)
	}
	wantProblem(t, b.ask("POST", "/api/v1/events/no-id/replay"), http.StatusBadRequest)
	wantProblem(t, b.ask("POST", "/api/v1/events/"+anEvent+"/replay?force=1"), http.StatusBadRequest)
	wantProblem(t, b.ask("POST", "/api/v1/events/"+anEvent+"/replay", body("{}")), http.StatusBadRequest)
}

func TestWhatNobodyImplementsIsNotThere(t *testing.T) {
	b := newBench(t, nil)
	wantProblem(t, b.ask("POST", "/-/reload"), http.StatusNotFound)
	wantProblem(t, b.ask("POST", "/api/v1/events/"+anEvent+"/replay"), http.StatusNotFound)
}

func TestEveryChangeLeavesAnAuditLine(t *testing.T) {
	users := twoUsers(t)
	b := newBench(t, func(c *Config) {
		c.Users = func() []User { return users }
		c.Reload = func(context.Context) error { return nil }
		c.Replay = func(context.Context, event.ID) (event.ID, bool, error) { return event.ID{}, false, event.ErrNotFound }
	})
	b.ask("GET", "/api/v1/events", signIn("olga", "right-o"))
	if b.log.String() != "" {
		t.Errorf("a list left a line: %s", b.log)
	}
	b.ask("POST", "/-/reload", signIn("olga", "right-o"))
	b.ask("POST", "/api/v1/events/"+anEvent+"/replay", signIn("olga", "right-o"))
	b.ask("POST", "/-/reload", signIn("vera", "right-v"))
	b.ask("POST", "/-/reload", signIn("olga", "wrong"))
	var got []string
	for line := range strings.Lines(b.log.String()) {
		_, line, _ = strings.Cut(line, " level=")
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		`INFO msg="operator's change" component=audit user=olga action=reload status=200`,
		`INFO msg="operator's change" component=audit user=olga action=replay status=404 event_id=` + anEvent,
		`INFO msg="operator's change" component=audit user=vera action=reload status=403`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit log (-want +got):\n%s", diff)
	}
}
