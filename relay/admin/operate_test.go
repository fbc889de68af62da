package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestTargetIsHeldAndReleasedAndShownAsItIsThen(t *testing.T) {
	b, d := filledBench(t)
	w := b.ask("POST", "/api/v1/targets/case-api/hold?reason=maintenance+until+six")
	wantStatus(t, w, http.StatusOK)
	golden(t, "target-item.json", w.Body.Bytes())
	wantStatus(t, b.ask("POST", "/api/v1/targets/case-api/hold"), http.StatusOK)
	wantStatus(t, b.ask("POST", "/api/v1/targets/ops-mail/release"), http.StatusOK)
	want := []string{"hold case-api maintenance until six", "hold case-api held by hand", "release ops-mail"}
	if diff := cmp.Diff(want, d.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	if strings.Contains(b.log.String(), "until six") {
		t.Errorf("what an operator wrote is in the log: %s", b.log)
	}
	wantProblem(t, b.ask("POST", "/api/v1/targets/case-api/release?reason=x"), http.StatusBadRequest)
	wantProblem(t, b.ask("POST", "/api/v1/targets/case-api/hold?reason=a%0ab"), http.StatusBadRequest)

	for err, status := range map[error]int{event.ErrNotFound: http.StatusNotFound, errors.New("disk full"): http.StatusServiceUnavailable} {
		d.err = err
		wantProblem(t, b.ask("POST", "/api/v1/targets/case-api/hold"), status)
		wantProblem(t, b.ask("POST", "/api/v1/targets/case-api/release"), status)
	}
}

func TestMisspeltNameIsAnsweredWithTheOneThatWasMeant(t *testing.T) {
	b, d := filledBench(t)
	for path, want := range map[string]string{
		"targets/case-apy/hold":                   `there is no such target: did you mean "case-api"?`,
		"targets/ops-mial/release":                `there is no such target: did you mean "ops-mail"?`,
		"targets/archiv/send-test":                `there is no such target: did you mean "archive"?`,
		"targets/something%20else/hold":           `there is no such target`,
		"targets/archive/send-test?source=tiket":  `there is no such source: did you mean "tickets"?`,
		"explain?source=preventr":                 `there is no such source: did you mean "preventor"?`,
		"events/" + anEvent + "/replay?targets=x": `there is no such target`,
	} {
		if p := wantProblem(t, b.ask("POST", "/api/v1/"+path), http.StatusNotFound); p.Detail != want {
			t.Errorf("%s: %s, want %s", path, p.Detail, want)
		}
	}
	if d.done != nil {
		t.Errorf("done all the same: %q", d.done)
	}
}

func TestTargetThatIsGoneFromTheConfigIsNotTheOneThatWasMeant(t *testing.T) {
	b, d := filledBench(t)
	d.err = event.ErrNotFound // what the relay says of old-slack
	const gone = "there is no such target in the config any more: what waits for it is sent when it returns, or can be discarded"
	for path, want := range map[string]string{
		"targets/old-slack/hold":                          gone,
		"targets/old-slack/release":                       gone,
		"targets/old-slack/send-test":                     gone,
		"events/" + anEvent + "/replay?targets=old-slack": gone,
		"targets/old-slakc/hold":                          "there is no such target",
	} {
		if p := wantProblem(t, b.ask("POST", "/api/v1/"+path), http.StatusNotFound); p.Detail != want {
			t.Errorf("%s: %s, want %s", path, p.Detail, want)
		}
	}
}

func TestTestEventGoesToOneTarget(t *testing.T) {
	b, d := filledBench(t)
	w := b.ask("POST", "/api/v1/targets/ops-mail/send-test")
	wantStatus(t, w, http.StatusOK)
	golden(t, "send-test.json", w.Body.Bytes())
	wantStatus(t, b.ask("POST", "/api/v1/targets/ops-mail/send-test?source=tickets"), http.StatusOK)
	if diff := cmp.Diff([]string{"send-test ops-mail preventor", "send-test ops-mail tickets"}, d.done); diff != "" {
		t.Errorf("done (-want +got):\n%s", diff)
	}
	d.err = event.ErrNotFound // a target that is gone since
	wantProblem(t, b.ask("POST", "/api/v1/targets/ops-mail/send-test"), http.StatusNotFound)
	d.err = event.ErrUnavailable
	wantProblem(t, b.ask("POST", "/api/v1/targets/ops-mail/send-test"), http.StatusServiceUnavailable)
}

func TestExplainTakesAPayload(t *testing.T) {
	b, _ := filledBench(t)
	for query, source := range map[string]string{"": "preventor", "?source=tickets": "tickets"} {
		w := b.ask("POST", "/api/v1/explain"+query, body(`{"id":"i-1"}`))
		wantStatus(t, w, http.StatusOK)
		if got, want := w.Body.String(), `{"payload":"{\"id\":\"i-1\"}","source":"`+source+`"}`+"\n"; got != want {
			t.Errorf("answer is %s, want %s", got, want)
		}
	}
}

func TestStatusSaysWhetherAnythingIsWrong(t *testing.T) {
	for name, wrong := range map[string]func(*Config){
		"":           func(*Config) {},
		"not ready":  func(c *Config) { c.Ready = func(context.Context) error { return errors.New("stopping") } },
		"the reload": func(c *Config) { c.Reloaded = func() ReloadStatus { return ReloadStatus{} } },
		"a hold": func(c *Config) {
			c.Targets = func() []TargetStatus { return []TargetStatus{{Name: "a", Kind: "log", Held: true}} }
		},
		"dead letters": func(c *Config) { c.Store = filled(t) },
		"an alarm":     func(c *Config) { b, _ := filledBench(t); c.Alarms = b.cfg.Alarms },
	} {
		b := newBench(t, wrong)
		got := b.ask("GET", "/api/v1/status").Body.String()
		if ok := strings.HasPrefix(got, `{"ok":true,`); ok != (name == "") {
			t.Errorf("%q: %s", name, got)
		}
	}
	b := newBench(t, func(c *Config) {
		c.Alarms = func(context.Context) ([]outbox.Alarm, error) { return nil, event.ErrUnavailable }
	})
	wantProblem(t, b.ask("GET", "/api/v1/status"), http.StatusServiceUnavailable)
}
