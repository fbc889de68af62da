package relay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

const operateConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:STORE"}
log: {level: debug}
sources: {plain: {path: /plain, fields: {score: number}}, tickets: {path: /tickets, preset: idv-ticket}}
rules:
  - {name: rejected, when: 'transaction_status == "REJECTED" && full_name != ""', to: [hook]}
  - {name: rest, when: unmatched, to: []}
targets:
  hook: {http: {url: "HOOK"}}
  other: {http: {url: "OTHER", json: {half: "{{ score / 2 }}", name: "{{ full_name }}"}}}
`

// operated is a world whose deliveries go to two receivers.
func operated(t *testing.T, hook, other *relaytest.Target) *world {
	return startWorld(t, strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "HOOK", hook.URL(), "OTHER", other.URL()).Replace(operateConfig))
}

const rejection = `{"id":"i-%d","transaction_status":"REJECTED","full_name":"Canary Person","cifcod":"C-CANARY-77","attempts":3,"score":1}`

// api makes a request, demands a status and reads the answer into v.
func (w *world) api(method, path string, want int, v any) {
	w.t.Helper()
	status, answer := w.send(method, w.admin+path)
	if status != want {
		w.t.Fatalf("%s %s is answered %d %s, want %d", method, path, status, answer, want)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(answer), v); err != nil {
			w.t.Fatal(err)
		}
	}
}

// shown is of an event, or a delivery, what the tests look at.
type shown struct {
	ID, Kind, State, Subject, Target, BodyShown string
	Attempts                                    int
	Body                                        map[string]any
	Targets                                     []string
	History                                     []struct{ Outcome, State, Reason string }
	Deliveries                                  []shown
	Rules                                       []struct {
		Name, Verdict, When string
		Parts               []struct {
			Text   string
			Depth  int
			Values []any
		}
	}
}

func (w *world) list(path string) []shown {
	w.t.Helper()
	var page struct{ Items []shown }
	w.api(http.MethodGet, path, http.StatusOK, &page)
	return page.Items
}

func (w *world) untilStates(n int, state string) []shown {
	w.t.Helper()
	path := "/api/v1/deliveries?limit=1000&state=" + state
	w.until(fmt.Sprintf("%d deliveries are %s", n, state), func() bool { return len(w.list(path)) == n })
	return w.list(path)
}

func TestDeadLetterIsSentWhenItIsRetriedByHand(t *testing.T) {
	hook := relaytest.NewTarget(t, relaytest.Status(400))
	w := operated(t, hook, relaytest.NewTarget(t))
	w.accepted(fmt.Sprintf(rejection, 1))
	dead := w.untilStates(1, "dead")[0]
	hook.Script(relaytest.Status(200))

	var now shown
	w.api(http.MethodPost, "/api/v1/deliveries/"+dead.ID+"/retry", http.StatusOK, &now)
	if now.ID != dead.ID {
		t.Errorf("answered with %+v", now)
	}
	w.untilStates(1, "delivered")
	w.api(http.MethodGet, "/api/v1/deliveries/"+dead.ID, http.StatusOK, &now)
	first, second, last := now.History[0], now.History[1], now.History[len(now.History)-1]
	if first.Outcome != "rejected" || first.State != "dead" || second.Outcome != "" || second.State != "pending" || second.Reason != "retried by hand" || last.Outcome != "delivered" {
		t.Errorf("history %+v", now.History)
	}

	w.api(http.MethodPost, "/api/v1/deliveries/"+dead.ID+"/discard", http.StatusUnprocessableEntity, nil)
	if s := w.list("/api/v1/deliveries")[0]; s.State != "delivered" {
		t.Errorf("what was delivered is %s", s.State)
	}
}

func TestManyDeadLettersAreRetriedOrDiscardedPageByPage(t *testing.T) {
	hook := relaytest.NewTarget(t, relaytest.Status(400))
	w := operated(t, hook, relaytest.NewTarget(t))
	for i := range 7 {
		w.accepted(fmt.Sprintf(rejection, i))
	}
	w.untilStates(7, "dead")

	type counted struct {
		Matched, Changed, Busy int
		Next                   string
	}
	var c counted
	w.api(http.MethodPost, "/api/v1/deliveries/retry?target=hook&dry_run=true", http.StatusOK, &c)
	if diff := cmp.Diff(counted{Matched: 7}, c); diff != "" {
		t.Errorf("a dry run (-want +got):\n%s", diff)
	}
	w.api(http.MethodPost, "/api/v1/deliveries/discard?target=hook&state=dead&id=i-3", http.StatusOK, &c)
	if diff := cmp.Diff(counted{Matched: 1, Changed: 1}, c); diff != "" {
		t.Errorf("one of an invitation (-want +got):\n%s", diff)
	}
	w.untilStates(1, "discarded")

	w.api(http.MethodPost, "/api/v1/targets/hook/hold?reason=while+we+look", http.StatusOK, nil)
	sum, calls := 0, 0
	for next := ""; calls == 0 || next != ""; calls++ {
		c = counted{}
		w.api(http.MethodPost, "/api/v1/deliveries/retry?target=hook&limit=4&cursor="+next, http.StatusOK, &c)
		sum, next = sum+c.Changed, c.Next
	}
	if sum != 6 || calls != 2 {
		t.Errorf("%d retried in %d calls, want 6 in 2", sum, calls)
	}
	if n := len(w.untilStates(6, "pending")); n != 6 || len(hook.Requests()) != 7 {
		t.Errorf("%d wait, %d requests although the target is held", n, len(hook.Requests()))
	}
	hook.Script(relaytest.Status(200))
	w.api(http.MethodPost, "/api/v1/targets/hook/release", http.StatusOK, nil)
	w.untilStates(6, "delivered")
}

func TestChangesOfManyShareCommits(t *testing.T) {
	w := operated(t, relaytest.NewTarget(t), relaytest.NewTarget(t))
	w.api(http.MethodPost, "/api/v1/targets/hook/hold", http.StatusOK, nil)
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			resp, err := http.Post(w.hooks+"/plain", "application/json", strings.NewReader(fmt.Sprintf(rejection, i)))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	wg.Wait()
	commits := func() (n int) {
		for line := range strings.Lines(w.get("/metrics")) {
			if text, ok := strings.CutPrefix(line, "relay_commit_seconds_count "); ok {
				n, _ = strconv.Atoi(strings.TrimSpace(text))
			}
		}
		return n
	}
	for _, call := range []struct {
		path string
		most int
	}{
		{"/api/v1/deliveries/retry?target=hook&state=pending", 150}, // each is read once more before, while the last ones are committed
		{"/api/v1/events/replay?target=hook", 60},                   // 64 at once, and what they left in the queue
	} {
		before := commits()
		var c struct{ Matched, Changed int }
		w.api(http.MethodPost, call.path, http.StatusOK, &c)
		if n := commits() - before; c.Changed != 300 || n == 0 || n > call.most {
			t.Errorf("%s: %d of %d changed in %d commits, want at most %d", call.path, c.Changed, c.Matched, n, call.most)
		}
	}
}

func TestWhatWasDeliveredIsSentAgainWhenItIsRetried(t *testing.T) {
	w := operated(t, relaytest.NewTarget(t), relaytest.NewTarget(t))
	w.accepted(fmt.Sprintf(rejection, 1))
	one := w.untilStates(1, "delivered")[0]
	w.api(http.MethodPost, "/api/v1/deliveries/"+one.ID+"/retry", http.StatusOK, nil)
	w.until("it is delivered twice", func() bool {
		var now shown
		w.api(http.MethodGet, "/api/v1/deliveries/"+one.ID, http.StatusOK, &now)
		return now.State == "delivered" && now.Attempts == 2
	})
}

func TestEventIsReplayedAsANewOneThatSaysSo(t *testing.T) {
	hook, other := relaytest.NewTarget(t), relaytest.NewTarget(t)
	w := operated(t, hook, other)
	w.accepted(fmt.Sprintf(rejection, 1))
	first := w.untilStates(1, "delivered")[0]
	id, _, _ := strings.Cut(first.ID, ".")

	var made struct {
		ID        string
		Duplicate bool
	}
	w.api(http.MethodPost, "/api/v1/events/"+id+"/replay", http.StatusOK, &made)
	w.untilStates(2, "delivered")
	var replayed shown
	w.api(http.MethodGet, "/api/v1/events/"+made.ID, http.StatusOK, &replayed)
	if made.ID == id || made.Duplicate || replayed.Kind != "replayed" || replayed.Subject != "i-1" || replayed.Rules[0].Verdict != "match" {
		t.Errorf("%s of %s is %+v", made.ID, id, replayed)
	}
	if found := w.list("/api/v1/events?cifcod=C-CANARY-77"); len(found) != 2 {
		t.Errorf("by the customer id %d events are found, want both: a copy must be erased with the person", len(found))
	}

	w.api(http.MethodPost, "/api/v1/events/"+id+"/replay?targets=other", http.StatusOK, &made)
	w.untilStates(3, "delivered")
	w.api(http.MethodGet, "/api/v1/events/"+made.ID, http.StatusOK, &replayed)
	if diff := cmp.Diff([]string{"other"}, replayed.Targets); diff != "" || len(replayed.Rules) != 0 {
		t.Errorf("to one target: rules %+v, targets (-want +got):\n%s", replayed.Rules, diff)
	}

	var c struct{ Matched, Changed, Failed int }
	w.api(http.MethodPost, "/api/v1/events/replay?id=i-1&targets=hook,other", http.StatusOK, &c)
	if c.Matched != 1 || c.Changed != 1 || c.Failed != 0 {
		t.Errorf("many: %+v, want the one that was sent", c)
	}
	w.untilStates(5, "delivered")
	if len(hook.Requests()) != 3 || len(other.Requests()) != 2 {
		t.Errorf("%d and %d requests, want 3 and 2", len(hook.Requests()), len(other.Requests()))
	}
	w.api(http.MethodPost, "/api/v1/events/"+id[:24]+"000000000000/replay", http.StatusNotFound, nil)
}

func TestTestEventIsDeliveredAndMovesNoCounterOfARule(t *testing.T) {
	hook, other := relaytest.NewTarget(t), relaytest.NewTarget(t)
	w := operated(t, hook, other)
	counters := func() (lines []string) {
		for line := range strings.Lines(w.get("/metrics")) {
			if strings.HasPrefix(line, "relay_rule_evaluations_total") || strings.HasPrefix(line, "relay_webhooks_total") || strings.HasPrefix(line, "relay_must_route") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	before := counters()
	var made struct {
		ID         string
		Deliveries []string
	}
	w.api(http.MethodPost, "/api/v1/targets/other/send-test", http.StatusOK, &made)
	w.untilStates(1, "delivered")
	var e shown
	w.api(http.MethodGet, "/api/v1/events/"+made.ID, http.StatusOK, &e)
	if e.Kind != "test" || len(e.Rules) != 0 || e.Deliveries[0].ID != made.Deliveries[0] || len(hook.Requests()) != 0 {
		t.Errorf("made %+v, event %+v", made, e)
	}
	if got := string(other.Requests()[0].Body); got != `{"half":0.25,"name":"Jon Doe"}` {
		t.Errorf("the target got %s", got)
	}
	if diff := cmp.Diff(before, counters()); diff != "" {
		t.Errorf("counters (-before +after):\n%s", diff)
	}

	w.api(http.MethodPost, "/api/v1/targets/hook/send-test?source=tickets", http.StatusOK, nil)
	w.untilStates(2, "delivered")
	if got := string(hook.Requests()[0].Body); !strings.Contains(got, "ticket.verification.completed") {
		t.Errorf("the target got %s", got)
	}
	w.api(http.MethodPost, "/api/v1/events/"+made.ID+"/replay", http.StatusUnprocessableEntity, nil)
	if sent, _ := w.post("/plain", string(other.Requests()[0].Body)); sent == http.StatusOK {
		t.Error("a webhook is a duplicate of a test")
	}
}

func TestEventShowsTheRulesThatDecidedAndTheirValues(t *testing.T) {
	w := operated(t, relaytest.NewTarget(t), relaytest.NewTarget(t))
	w.accepted(fmt.Sprintf(rejection, 1))
	id := w.list("/api/v1/events")[0].ID
	changed := strings.Replace(*w.yaml.Load(), `full_name != ""`, `attempts > 7`, 1)
	w.yaml.Store(&changed)
	if status, answer := w.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	for query, want := range map[string]string{"": "C***", "?body=full": "Canary Person", "?body=none": ""} {
		var e shown
		w.api(http.MethodGet, "/api/v1/events/"+id+query, http.StatusOK, &e)
		if r := e.Rules[0]; r.When != `transaction_status == "REJECTED" && full_name != ""` || r.Verdict != "match" || e.Rules[1].Verdict != "no_match" {
			t.Errorf("%q: rules %+v", query, e.Rules)
		}
		if want == "" {
			if len(e.Rules[0].Parts) != 0 || e.Body != nil {
				t.Errorf("%q: %+v", query, e)
			}
			continue
		}
		if got := e.Body["full_name"]; got != want {
			t.Errorf("%q: the body has the name %v, want %s", query, got, want)
		}
		parts := e.Rules[0].Parts
		if got := parts[len(parts)-1]; got.Text != "full_name" || got.Values[0] != want || got.Depth != 2 {
			t.Errorf("%q: the last part is %+v, want full_name %s", query, got, want)
		}
	}
}

func TestExplainByAPISaysWhatADryRunSays(t *testing.T) {
	w := operated(t, relaytest.NewTarget(t), relaytest.NewTarget(t))
	run := dryRun(t, *w.yaml.Load())
	for _, body := range []string{fmt.Sprintf(rejection, 1), `{"id":"i-1","attempts":"x"}`, `{`, `{"id":"` + strings.Repeat("x", 300<<10) + `"}`} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.admin+"/api/v1/explain?source=plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		status, answer := w.do(req)
		var got struct {
			ReceivedAt time.Time `json:"received_at"`
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s (%v)", status, answer, err)
		}
		o, err := run.Stored(&event.Event{ID: event.ID{}, Source: "plain", ReceivedAt: got.ReceivedAt, Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(o.Explained("plain", false, got.ReceivedAt))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(withoutID(t, string(want)), withoutID(t, answer)); diff != "" {
			t.Errorf("%.60s (-dry +api):\n%s", body, diff)
		}
	}
	if len(w.list("/api/v1/events")) != 0 {
		t.Error("something was stored")
	}
}

// withoutID is an explanation without what follows from the event's id.
func withoutID(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, "event_id")
	for _, msg := range m["messages"].([]any) {
		delete(msg.(map[string]any), "headers")
	}
	return m
}
