package admin

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
)

func TestOneEventIsReplayedAsWhatItIs(t *testing.T) {
	for _, c := range []struct{ path, answer, done string }{
		{anEvent + "/replay", `{"id":"` + anEventMade + `","duplicate":false}`, "replay to [] " + anEvent},
		{anEvent + "/replay?targets=archive,case-api,archive", `{"id":"` + anEventMade + `","duplicate":false}`, "replay to [archive,case-api] " + anEvent},
		{refusedID + "/replay", `{"id":"` + anEventMade + `","duplicate":true}`, "replay refused to [] " + refusedID},
	} {
		b, d := filledBench(t)
		w := b.ask("POST", "/api/v1/events/"+c.path)
		wantStatus(t, w, http.StatusOK)
		if got := w.Body.String(); got != c.answer+"\n" {
			t.Errorf("%s answers %s", c.path, got)
		}
		if diff := cmp.Diff([]string{c.done}, d.done); diff != "" {
			t.Errorf("%s: done (-want +got):\n%s", c.path, diff)
		}
	}
}

func TestReplayThatCannotBeSaysWhy(t *testing.T) {
	b, d := filledBench(t)
	for err, status := range map[error]int{
		event.ErrNotFound:    http.StatusNotFound,
		event.ErrUnavailable: http.StatusServiceUnavailable,
		&InvalidError{Problems: []string{"the body could not be decrypted"}}: http.StatusUnprocessableEntity,
	} {
		d.err = err
		wantProblem(t, b.ask("POST", "/api/v1/events/"+anEvent+"/replay"), status)
	}
	d.done = nil
	for path, status := range map[string]int{
		"no-id/replay":                        http.StatusBadRequest,
		anEvent + "/replay?force=1":           http.StatusBadRequest,
		refusedID + "/replay?targets=archive": http.StatusBadRequest,
		anEvent + "/replay?targets=archiv":    http.StatusNotFound,
		anEvent + "/replay?targets=archive,":  http.StatusNotFound,
		anEvent + "/replay?targets=old-slack": http.StatusNotFound, // the config has it no more
		"replay?source=x&targets=casse-api":   http.StatusNotFound,
	} {
		wantProblem(t, b.ask("POST", "/api/v1/events/"+path), status)
	}
	if d.done != nil {
		t.Errorf("done all the same: %q", d.done)
	}
}

func TestManyAreReplayedInTheirOrderAndWithoutWhatTheRelayMade(t *testing.T) {
	b, d := filledBench(t)
	s := b.cfg.Store.(*shelf)
	newest := s.events[0]
	newest.ID = mustID(t, "019a0000-0000-7000-8000-000000000002")
	test, alarm := newest, newest
	test.Kind, alarm.Kind = event.Test, event.Alarm
	s.events = append(s.events[:0:0], newest, test, alarm, s.events[0], s.events[1]) // the last one is a replay
	next := s.events[4].Cursor()

	w := b.ask("POST", "/api/v1/events/replay?source=preventor&targets=archive")
	wantStatus(t, w, http.StatusOK)
	if got := w.Body.String(); got != `{"matched":2,"changed":2,"failed":0,"next":"`+next+`"}`+"\n" {
		t.Errorf("answer is %s", got)
	}
	if diff := cmp.Diff([]string{"replay to [archive] " + anEvent + " " + newest.ID.String()}, d.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}

	d.done, d.one = nil, map[string]error{anEvent: &InvalidError{Problems: []string{"its body is erased"}}}
	if got := b.ask("POST", "/api/v1/events/replay?ticket=t-1").Body.String(); got != `{"matched":2,"changed":1,"failed":1,"next":"`+next+`"}`+"\n" {
		t.Errorf("with one that cannot be: %s", got)
	}
	d.one[anEvent] = event.ErrUnavailable
	if got := b.ask("POST", "/api/v1/events/replay?ticket=t-1").Body.String(); got != `{"matched":2,"changed":1,"failed":1,"next":"`+next+`"}`+"\n" {
		t.Errorf("with one that was not stored: %s", got)
	}
	d.err, d.one = event.ErrUnavailable, nil
	wantProblem(t, b.ask("POST", "/api/v1/events/replay?ticket=t-1"), http.StatusServiceUnavailable)

	d.done = nil
	if got := b.ask("POST", "/api/v1/events/replay?ticket=t-1&dry_run=true").Body.String(); got != `{"matched":2,"changed":0,"failed":0,"next":"`+next+`"}`+"\n" || d.done != nil {
		t.Errorf("a dry run answers %s, and does %q", got, d.done)
	}
}

func TestManyRefusedGoThroughIntakeAgain(t *testing.T) {
	b, d := filledBench(t)
	w := b.ask("POST", "/api/v1/events/replay?refused=true&since=7d")
	wantStatus(t, w, http.StatusOK)
	if got := w.Body.String(); got != `{"matched":1,"changed":0,"duplicates":1,"failed":0,"next":"`+refusedID+`"}`+"\n" {
		t.Errorf("answer is %s", got)
	}
	if diff := cmp.Diff([]string{"replay refused to [] " + refusedID}, d.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
}
