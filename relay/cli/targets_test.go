package cli

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTargetsListSaysWhatIsWrongAndWhatHelps(t *testing.T) {
	const ready = `{"ready":true,"not_ready":""}`
	for name, c := range map[string]struct {
		item, status string
		want         []string // of what is wrong, and what helps
	}{
		"well":    {`{"name":"x","kind":"http","pending":3,"oldest_pending_seconds":60}`, ready, nil},
		"waiting": {`{"name":"x","kind":"http","pending":3,"oldest_pending_seconds":60,"waiting_until":"2999-01-01T00:00:00Z"}`, ready, nil},
		"held": {
			`{"name":"x","kind":"slack","held":true,"held_since":"2026-11-23T02:14:00Z","held_reason":"the hook is gone"}`, ready,
			[]string{"x is held since ", ": the hook is gone", "invitation-relay targets release x "},
		},
		"by hand": {`{"name":"x","kind":"slack","held":true,"by_hand":true,"held_reason":"moves"}`, ready, []string{"x is held by hand: moves", "targets release x"}},
		"behind":  {`{"name":"x","kind":"http","pending":3,"oldest_pending_seconds":1000}`, ready, []string{"x is behind: its oldest delivery waits for 16m", "deliveries list --state pending --target x"}},
		"dead":    {`{"name":"x","kind":"http","dead":1204}`, ready, []string{"x has 1,204 dead letters", "deliveries list --state dead --target x"}},
		"gone":    {`{"name":"x","kind":"","pending":1}`, ready, []string{"x is gone from the config, and 1 delivery waits for it", "deliveries discard --state pending --target x"}},
		"full":    {`{"name":"x","kind":"http"}`, `{"ready":false,"not_ready":"the store takes no write now"}`, []string{"the relay takes no webhooks: the store takes no write now"}},
		"reload":  {`{"name":"x","kind":"http"}`, `{"ready":true,"reload":{"ok":false}}`, []string{"the config was refused at its last reload"}},
		"alarm": {
			`{"name":"x","kind":"http"}`, `{"ready":true,"alarms":[{"alarm":"rule_error","subject":"risky","event_id":"` + anEvent + `"}]}`,
			[]string{"alarm rule_error of risky\n", "events show " + anEvent},
		},
		"alarm of what is shown": {`{"name":"x","kind":"http"}`, `{"ready":true,"alarms":[{"alarm":"target_held","subject":"x"}]}`, nil},
	} {
		f := newFakeRelay(t).on("GET targets", `{"items":[`+c.item+`],"next":""}`).on("GET status", c.status)
		code, stdout, stderr := f.operate(t, "targets", "list", "--exit-code")
		if wantCode := min(len(c.want), 1); code != wantCode || stderr != "" {
			t.Errorf("%s: exit %d\n%s%s", name, code, stdout, stderr)
		}
		if strings.Contains(stdout, "all well") != (c.want == nil) {
			t.Errorf("%s:\n%s", name, stdout)
		}
		for _, want := range c.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q in\n%s", name, want, stdout)
			}
		}
		if code, _, _ := f.operate(t, "targets", "list"); code != 0 {
			t.Errorf("%s: exit %d without --exit-code", name, code)
		}
	}
}

func TestSendTestWaitsForTheEnd(t *testing.T) {
	const id = anEvent + ".x"
	pending := `{"id":"` + id + `","state":"pending","attempts":1,"last_outcome":"retry","last_status":503,"last_reason":"busy"}`
	for name, c := range map[string]struct {
		delivery []string
		target   string
		code     int
		want     string
	}{
		"delivered": {[]string{pending, `{"state":"delivered","attempts":2}`}, `{"name":"x"}`, 0, "attempt 1: retry 503: busy\n" + id + " is delivered\n"},
		"rejected":  {[]string{`{"state":"dead","attempts":1,"last_outcome":"rejected","last_status":400}`}, `{"name":"x"}`, 1, id + " is dead: rejected 400\n  hint: invitation-relay deliveries show " + id},
		"held":      {[]string{pending}, `{"name":"x","held":true,"held_reason":"the hook is gone"}`, 1, "x is held, so the test waits with all else: the hook is gone\n  hint: when that is mended: invitation-relay targets release x"},
		"never":     {[]string{pending}, `{"name":"x"}`, 1, id + " was not delivered within 30s\n  hint: it is still tried: "},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeRelay{answers: map[string][]string{}}
			f.on("POST targets/x/send-test", `{"id":"`+anEvent+`","deliveries":["`+id+`"]}`).
				on("GET deliveries/"+id, c.delivery...).on("GET targets", `{"items":[`+c.target+`],"next":""}`)
			api := newAdminAPI("http://relay")
			api.client.Transport = f
			var out, errs bytes.Buffer
			s := &sendTest{wait: true, timeout: 30 * time.Second}
			code := exitCode(s.run(t.Context(), &world{stdout: &out, stderr: &errs}, api, "x"), &errs)
			got := strings.ReplaceAll(errs.String(), "invitation-relay: ", "")
			if code != c.code || out.String() != anEvent+"\n" || !strings.Contains(got, c.want) {
				t.Errorf("%s: exit %d\n%s%s", name, code, &out, got)
			}
		})
	}
}

// RoundTrip answers without a network, for tests whose clock is not the real one.
func (f *fakeRelay) RoundTrip(r *http.Request) (*http.Response, error) {
	w := &memory{header: http.Header{}, status: http.StatusOK}
	f.ServeHTTP(w, r)
	return &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(&w.Buffer), Request: r}, r.Context().Err()
}

type memory struct {
	bytes.Buffer
	header http.Header
	status int
}

func (m *memory) Header() http.Header    { return m.header }
func (m *memory) WriteHeader(status int) { m.status = status }

func TestTargetsOfReplayCompleteBehindCommas(t *testing.T) {
	file := write(t, "relay.yaml", "targets: {a: {}, b: {}}\n")
	_, stdout, _ := operateAs(t, nil, "", "__complete", "events", "replay", "-c", file, "--to", "a,")
	if diff := cmp.Diff("a,b\n:6\n", stdout); diff != "" {
		t.Error(diff)
	}
}
