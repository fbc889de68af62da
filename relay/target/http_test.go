package target_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// odd is a body that any re-encoding would change.
const odd = `{ "id":"i-1",  "full_name":"O'Brien \u0026 S\u00f6hne <x>", "big":12345678901234567890, "f":1.0,` + "\n" + ` "attempts":3 }`

func TestHTTPSendsTheBytesReceived(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL()+"/in?a=b%2Fc", nil)
	r := h.Send(t.Context(), message(t, odd))
	if want := (target.Result{Outcome: event.Delivered, Status: 200, Tries: 1}); r != want {
		t.Fatalf("got %+v, want %+v", r, want)
	}
	got := receiver.Requests()[0]
	if string(got.Body) != odd || got.Method != "POST" || got.URI != "/in?a=b%2Fc" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %s %v\n%s", got.Method, got.URI, got.Header, got.Body)
	}
	if n := got.Header.Get("Content-Length"); n == "" || got.Header.Get("Transfer-Encoding") != "" || got.Header.Get("Accept-Encoding") != "" {
		t.Errorf("a plain body with its length is wanted: %v", got.Header)
	}
}

// TestHTTPTriesAgainAtOnceOnlyAfterABlip: connection errors and 502 to 504, and
// nothing that will not be better in a second.
func TestHTTPTriesAgainAtOnceOnlyAfterABlip(t *testing.T) {
	table := []struct {
		name  string
		quick int
		seen  []any // statuses, errors, or "Retry-After" for a 503 with one
		tries int
		want  event.Outcome
	}{
		{"delivered", 2, []any{200}, 1, event.Delivered},
		{"a gateway's blip", 2, []any{502, 503, 200}, 3, event.Delivered},
		{"504", 2, []any{504, 200}, 2, event.Delivered},
		{"a cut connection", 2, []any{io.EOF, 200}, 2, event.Delivered},
		{"no end of it", 2, []any{503}, 3, event.Retry},
		{"switched off", 0, []any{503}, 1, event.Retry},
		{"switched off, cut", 0, []any{io.EOF}, 1, event.Retry},
		{"500", 2, []any{500}, 1, event.Retry},
		{"408", 2, []any{408}, 1, event.Retry},
		{"429", 2, []any{429}, 1, event.Retry},
		{"501", 2, []any{501}, 1, event.Rejected},
		{"503 that says when", 2, []any{"Retry-After"}, 1, event.Retry},
		{"time-out", 2, []any{context.DeadlineExceeded}, 1, event.Retry},
		{"refused for good after a blip", 2, []any{502, 401}, 2, event.Held},
	}
	for _, row := range table {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries, began := 0, time.Now()
				h := newHTTP(t, "http://cases.example/", func(_ *target.HTTPConfig, d *target.Deps) {
					d.Quick = row.quick
					d.Transport = transport(func(*http.Request) (*http.Response, error) {
						this := row.seen[min(tries, len(row.seen)-1)]
						tries++
						switch this := this.(type) {
						case int:
							return answer(this, "words"), nil
						case error:
							return nil, this
						}
						return answer(503, "", "Retry-After", "86400"), nil
					})
				})
				got := h.Send(t.Context(), message(t, sample))
				if got.Outcome != row.want || got.Tries != row.tries || tries != row.tries {
					t.Errorf("%s after %d tries (%d reported), want %s after %d", got.Outcome, tries, got.Tries, row.want, row.tries)
				}
				if took := time.Since(began); took > 2*time.Second || row.tries > 1 && took == 0 {
					t.Errorf("waited %s in all", took)
				}
			})
		})
	}
}

func TestHTTPRetryAfterIsHandedOnAndNeverSleptThrough(t *testing.T) {
	receiver := relaytest.NewTarget(t,
		relaytest.RetryAfter(30), relaytest.Unavailable(503, "120"), relaytest.RetryAfter(10_000_000),
		relaytest.Unavailable(500, "30"), relaytest.RetryAfter(-1))
	h := newHTTP(t, receiver.URL(), func(_ *target.HTTPConfig, d *target.Deps) { d.Quick = 2 })
	var got []time.Duration
	for range 5 {
		got = append(got, h.Send(t.Context(), message(t, sample)).RetryAfter)
	}
	want := []time.Duration{30 * time.Second, 2 * time.Minute, 24 * time.Hour, 0, 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHTTPRedirectIsRejectedAndNothingIsSentThere(t *testing.T) {
	elsewhere := relaytest.NewTarget(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for _, location := range []string{elsewhere.URL(), ":bad:", ""} {
			receiver := relaytest.NewTarget(t, relaytest.Redirect(status, location))
			h := newHTTP(t, receiver.URL(), func(_ *target.HTTPConfig, d *target.Deps) { d.Quick = 2 })
			if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Rejected || r.Status != status || r.Tries != 1 {
				t.Errorf("%d to %q: %+v", status, location, r)
			}
		}
	}
	if n := len(elsewhere.Requests()); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

// TestHTTPOneConnectionServesAllSendsFailedOnesToo would see one more for each
// answer not read to its end, and for each failure (go-retryablehttp closes idle
// connections then).
func TestHTTPOneConnectionServesAllSendsFailedOnesToo(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	receiver := relaytest.NewTarget(t,
		relaytest.Status(200), relaytest.Status(500), relaytest.Body(503, long), relaytest.Body(200, long),
		relaytest.Status(204), relaytest.Status(401), relaytest.Redirect(302, "/x"), relaytest.RetryAfter(1), relaytest.Status(200))
	h := newHTTP(t, receiver.URL(), nil)
	for range 12 {
		h.Send(t.Context(), message(t, sample))
	}
	if n := receiver.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestHTTPAFailureLeavesOtherSendersTheirConnections(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), nil)
	together := func() {
		var arrived, sent sync.WaitGroup
		arrived.Add(8)
		receiver.Script(func(w http.ResponseWriter, r *http.Request) {
			arrived.Done()
			arrived.Wait() // so that each needs a connection of its own
			relaytest.Status(200)(w, r)
		})
		for range 8 {
			sent.Go(func() { h.Send(t.Context(), message(t, sample)) })
		}
		sent.Wait()
	}
	together()
	receiver.Script(relaytest.Status(503))
	h.Send(t.Context(), message(t, sample))
	together()
	if n := receiver.Connections(); n != 8 {
		t.Errorf("%d connections, want the 8 there were before the failure", n)
	}
}

func TestHTTPAnEndlessAnswerIsLeftAlone(t *testing.T) {
	left := make(chan bool, 1)
	endless := relaytest.Step(func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 14 { // 64 MiB: more than fits between the two
			if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
				left <- true
				return
			}
		}
		left <- false
	})
	h := newHTTP(t, relaytest.NewTarget(t, endless).URL(), nil)
	if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered {
		t.Errorf("got %+v", r)
	}
	if !<-left {
		t.Error("all of it was read")
	}
}

func TestHTTPJSONKeepsTypesAndEscapesNothingForHTML(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) {
		c.JSON = map[string]any{
			"name": "{{ full_name }}", "tries": "{{ attempts }}", "late": "{{ attempts >= 3 }}",
			"text": "{{ full_name }} & co: {{ attempts }}", "list": []any{1, "{{ payload }}", nil},
		}
	})
	h.Send(t.Context(), message(t, `{"id":"i","full_name":"<b>\"O'Brien\" & Söhne</b>","attempts":3}`))
	const want = `{"late":true,"list":[1,{"attempts":3,"full_name":"<b>\"O'Brien\" & Söhne</b>","id":"i"},null],` +
		`"name":"<b>\"O'Brien\" & Söhne</b>","text":"<b>\"O'Brien\" & Söhne</b> & co: 3","tries":3}`
	got := receiver.Requests()[0].Body
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if !json.Valid(got) {
		t.Error("not JSON")
	}
}

func TestHTTPValuesCannotChangeWhereTheURLLeads(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL()+"/cases/{{ id }}/events?name={{ full_name }}&n={{ attempts }}", nil)
	h.Send(t.Context(), message(t, `{"id":"../../admin?x=1#y","full_name":"a&b=c d/é","attempts":3}`))
	got := receiver.Requests()[0].URI
	path, query, _ := strings.Cut(got, "?")
	if strings.Count(path, "/") != 3 || strings.Contains(path, "..") || query != "name=a%26b%3Dc+d%2F%C3%A9&n=3" {
		t.Errorf("got %s", got)
	}
}

func TestHTTPATextThatCannotBeFilledInIsRejectedAndNothingIsSent(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	for _, change := range []func(*target.HTTPConfig){
		func(c *target.HTTPConfig) { c.JSON = map[string]any{"a": "{{ payload.full_name.nothing }}"} },
		func(c *target.HTTPConfig) {
			c.Headers = map[string]secret.String{"X-A": secret.New("{{ payload.full_name.nothing }}")}
		},
		func(c *target.HTTPConfig) { c.URL = secret.New(c.URL.Reveal() + "/{{ payload.full_name.nothing }}") },
	} {
		h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) { change(c) })
		r := h.Send(t.Context(), message(t, sample))
		if r.Outcome != event.Rejected || r.Status != 0 || r.Tries != 1 || strings.Contains(r.Reason, "Jon") {
			t.Errorf("got %+v", r)
		}
	}
	if n := len(receiver.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestHTTPAJSONThatGrowsBeyondAMebibyteIsRejectedAndNothingIsSent(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) {
		c.JSON = map[string]any{"a": strings.Repeat("{{ full_name }}", 100)}
	})
	if r := h.Send(t.Context(), message(t, `{"full_name":"`+strings.Repeat("x", 10_000)+`"}`)); r.Outcome != event.Delivered {
		t.Errorf("got %+v", r)
	}
	r := h.Send(t.Context(), message(t, `{"full_name":"`+strings.Repeat("x", 11_000)+`"}`))
	if r.Outcome != event.Rejected || !strings.Contains(r.Reason, "larger than 1 MiB") || len(receiver.Requests()) != 1 {
		t.Errorf("got %+v after %d requests", r, len(receiver.Requests()))
	}
}

// TestHTTPSaysWhyItIsSent: an event as it was received needs no word, and an alarm is not put into json of the config's.
func TestHTTPSaysWhyItIsSent(t *testing.T) {
	for kind, want := range map[event.Kind]string{event.Received: "", event.Replayed: "replayed", event.Test: "test", event.Alarm: "alarm"} {
		receiver := relaytest.NewTarget(t)
		h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) { c.JSON = map[string]any{"a": 1} })
		m := message(t, sample)
		m.Event.Kind = kind
		h.Send(t.Context(), m)
		got := receiver.Requests()[0]
		if got.Header.Get("Webhook-Kind") != want || (string(got.Body) == sample) != (kind == event.Alarm) {
			t.Errorf("%s: %v %s", kind, got.Header, got.Body)
		}
	}
}
