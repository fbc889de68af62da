package admin

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
)

const deadOne = anEvent + ".ops-mail.77b0"

func TestOneDeliveryIsRetriedOrDiscardedAndShownAsItIsThen(t *testing.T) {
	for _, what := range []string{"retry", "discard"} {
		b, d := filledBench(t)
		w := b.ask("POST", "/api/v1/deliveries/"+deadOne+"/"+what)
		wantStatus(t, w, http.StatusOK)
		golden(t, "delivery-item.json", w.Body.Bytes())
		if diff := cmp.Diff([]string{what + " " + deadOne}, d.done); diff != "" {
			t.Errorf("done (-want +got):\n%s", diff)
		}
		for err, status := range map[error]int{
			ErrBusy:                                http.StatusConflict,
			event.ErrUnavailable:                   http.StatusServiceUnavailable,
			&InvalidError{Problems: []string{"…"}}: http.StatusUnprocessableEntity,
		} {
			d.err = err
			wantProblem(t, b.ask("POST", "/api/v1/deliveries/"+deadOne+"/"+what), status)
		}
		wantProblem(t, b.ask("POST", "/api/v1/deliveries/"+anEvent+".nobody/"+what), http.StatusNotFound)
		wantProblem(t, b.ask("POST", "/api/v1/deliveries/x/"+what), http.StatusBadRequest)
		wantProblem(t, b.ask("POST", "/api/v1/deliveries/"+deadOne+"/"+what+"?force=true"), http.StatusBadRequest)
	}
}

func TestManyAreCountedOnePageACall(t *testing.T) {
	b, d := filledBench(t)
	s := b.cfg.Store.(*shelf)
	d.one = map[string]error{
		anEvent + ".case-api":      ErrBusy,
		anEvent + ".ops-mail.3fa9": &InvalidError{Problems: []string{"its body is erased"}},
	}
	next := s.deliveries[3].Cursor()
	for _, c := range []struct{ query, state, answer, done string }{
		{"retry?target=ops-mail", "dead", `{"matched":4,"changed":2,"busy":1,"next":"` + next + `"}`, "retry"},
		{"retry?since=7d&state=delivered&limit=20&cursor=" + next, "delivered", `{"matched":4,"changed":2,"busy":1,"next":"` + next + `"}`, "retry"},
		{"retry?event=" + anEvent + "&dry_run=true", "dead", `{"matched":4,"changed":0,"busy":0,"next":"` + next + `"}`, ""},
		{"discard?id=i-1&state=dead", "dead", `{"matched":4,"changed":2,"busy":1,"next":"` + next + `"}`, "discard"},
		{"discard?until=7d&state=pending&dry_run=true", "pending", `{"matched":4,"changed":0,"busy":0,"next":"` + next + `"}`, ""},
	} {
		d.done = nil
		w := b.ask("POST", "/api/v1/deliveries/"+c.query)
		wantStatus(t, w, http.StatusOK)
		if got := strings.TrimSpace(w.Body.String()); got != c.answer {
			t.Errorf("%s answers %s, want %s", c.query, got, c.answer)
		}
		if done, _, _ := strings.Cut(strings.Join(d.done, "|"), " "); done != c.done {
			t.Errorf("%s: done %q, want %q", c.query, d.done, c.done)
		}
		if s.asked.State != c.state || s.asked.Limit != 500 && s.asked.Limit != 20 {
			t.Errorf("%s: the store was asked for %+v", c.query, s.asked)
		}
	}
	s.more = false
	if got := b.ask("POST", "/api/v1/deliveries/retry?target=ops-mail").Body.String(); !strings.Contains(got, `"next":""`) {
		t.Errorf("the last page says %s", got)
	}
}

func TestManyThatTheStoreDoesNotTakeAreAnErrorToRepeat(t *testing.T) {
	b, d := filledBench(t)
	d.one = map[string]error{deadOne: errors.Join(errors.New("disk full"), event.ErrUnavailable)}
	w := b.ask("POST", "/api/v1/deliveries/retry?target=ops-mail")
	wantProblem(t, w, http.StatusServiceUnavailable)
	if !strings.Contains(b.log.String(), `action="retry many" status=503 matched=4 changed=3 busy=0`) {
		t.Errorf("the audit log does not say what was changed all the same: %s", b.log)
	}
}

func TestNothingIsDoneToEverythingAtOnce(t *testing.T) {
	b, d := filledBench(t)
	for query, want := range map[string]string{
		"deliveries/retry":                                "a filter is needed",
		"deliveries/retry?state=dead&limit=10":            "a filter is needed",
		"deliveries/retry?target=":                        "a filter is needed",
		"deliveries/discard?target=ops-mail":              "state is needed: pending or dead",
		"deliveries/discard?state=dead":                   "a filter is needed",
		"deliveries/discard?target=x&state=delivered":     "state is one of pending, dead",
		"deliveries/retry?target=x&limit=1001":            "limit is a number from 1 to 1000",
		"deliveries/retry?target=x&dry_run=1":             "dry_run is true or false",
		"deliveries/retry?target=x&dry-run=true":          `did you mean "dry_run"?`,
		"deliveries/retry?target=x&state=ded":             `did you mean "dead"?`,
		"deliveries/retry?event=i-1":                      "event is an event's id",
		"events/replay":                                   "a filter is needed",
		"events/replay?refused=true":                      "a filter is needed",
		"events/replay?refused=true&ticket=t-1":           "ticket does not go with refused=true",
		"events/replay?refused=true&id=x&targets=archive": "targets does not go with what was refused",
		"events/replay?source=preventor&state=dead":       "state is one of pending, finished",
	} {
		p := wantProblem(t, b.ask("POST", "/api/v1/"+query), http.StatusBadRequest)
		if !strings.Contains(p.Detail, want) {
			t.Errorf("%s: %s, want %s", query, p.Detail, want)
		}
	}
	if d.done != nil {
		t.Errorf("done all the same: %q", d.done)
	}
}

func TestEventFilterIsOnBothLists(t *testing.T) {
	for _, list := range []string{"events", "deliveries"} {
		b, _ := filledBench(t)
		s := b.cfg.Store.(*shelf)
		wantStatus(t, b.ask("GET", "/api/v1/"+list+"?event="+anEvent), http.StatusOK)
		if s.asked.Event != mustID(t, anEvent) || s.of != list {
			t.Errorf("%s: the store was asked for %+v of %s", list, s.asked, s.of)
		}
		wantProblem(t, b.ask("GET", "/api/v1/"+list+"?event=i-1"), http.StatusBadRequest)
	}
}
