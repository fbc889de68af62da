package target_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

func TestHTTPHeadersSayWhichEventAndDeliveryItIs(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), nil)
	m := message(t, sample)
	h.Send(t.Context(), m)
	h.Send(t.Context(), m)
	first, second := receiver.Requests()[0].Header, receiver.Requests()[1].Header
	want := map[string]string{
		"Webhook-Id": m.Event.ID.String(), "Idempotency-Key": m.DeliveryID,
		"User-Agent": "invitation-relay/1.2.3", "Webhook-Timestamp": "1795398068", "Webhook-Signature": "",
	}
	for name, value := range want {
		if got := first.Get(name); got != value {
			t.Errorf("%s: %q, want %q", name, got, value)
		}
	}
	form := regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-01$`)
	a, b := first.Get("Traceparent"), second.Get("Traceparent")
	if !form.MatchString(a) || !form.MatchString(b) || a[:35] != b[:35] || a == b || strings.Contains(a, strings.Repeat("0", 16)) {
		t.Errorf("want the same trace and another span: %q, %q", a, b)
	}
}

func TestHTTPSignsWithEverySecret(t *testing.T) {
	const one, two = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) {
		c.Sign = []secret.String{secret.New(one), secret.New(two)}
	})
	m := message(t, odd)
	m.Now = time.Time{} // not known: then it is now, and the library verifies the age too
	h.Send(t.Context(), m)
	got := receiver.Requests()[0]
	if n := len(strings.Split(got.Header.Get("Webhook-Signature"), " ")); n != 2 {
		t.Errorf("%d signatures, want 2", n)
	}
	for _, s := range []string{one, two} {
		w, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Verify(got.Body, got.Header); err != nil {
			t.Errorf("verify: %v", err)
		}
		if w.Verify([]byte(sample), got.Header) == nil {
			t.Error("another body verifies too")
		}
	}
}

func TestHTTPSignsEveryTryAnewWithTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []http.Header
		h := newHTTP(t, "http://cases.example/", func(c *target.HTTPConfig, d *target.Deps) {
			c.Sign = []secret.String{secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")}
			d.Quick = 2
			d.Transport = transport(func(r *http.Request) (*http.Response, error) {
				seen = append(seen, r.Header) // as it is: a try must not change another's
				time.Sleep(3 * time.Second)
				return answer(502, ""), nil
			})
		})
		if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Retry || r.Tries != 3 {
			t.Fatalf("got %+v", r)
		}
		for i := 1; i < len(seen); i++ {
			for _, name := range []string{"Webhook-Timestamp", "Webhook-Signature"} {
				if seen[i].Get(name) == seen[i-1].Get(name) {
					t.Errorf("try %d has the %s of the one before", i+1, name)
				}
			}
			for _, name := range []string{"Webhook-Id", "Idempotency-Key", "Traceparent", "User-Agent"} {
				if seen[i].Get(name) != seen[0].Get(name) {
					t.Errorf("try %d has another %s", i+1, name)
				}
			}
		}
	})
}

func TestHTTPHeadersAreTextsAndStayOneLine(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) {
		c.Headers = map[string]secret.String{
			"x-team": secret.New("risk"), "X-Person": secret.New("{{ full_name }}"),
			"content-type": secret.New("application/vnd.cases+json"),
		}
	})
	h.Send(t.Context(), message(t, `{"id":"i","full_name":"Jon\r\nX-Evil: 1\u0000Doe"}`))
	got := receiver.Requests()[0].Header
	if got.Get("X-Team") != "risk" || got.Get("Content-Type") != "application/vnd.cases+json" || got.Get("X-Evil") != "" ||
		got.Get("X-Person") != "Jon X-Evil: 1Doe" {
		t.Errorf("got %q", got)
	}
}

func TestHTTPIdentifiesItself(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	withUser := strings.Replace(receiver.URL(), "http://", "http://jon:s%40cret@", 1)
	for _, row := range []struct {
		url  string
		auth target.HTTPAuth
		want string
	}{
		{receiver.URL(), target.HTTPAuth{}, ""},
		{receiver.URL(), target.HTTPAuth{Bearer: secret.New("t0k")}, "Bearer t0k"},
		{receiver.URL(), target.HTTPAuth{Basic: &target.BasicAuth{Username: "jon", Password: secret.New("pä:ss")}}, "Basic am9uOnDDpDpzcw=="},
		{withUser, target.HTTPAuth{}, "Basic am9uOnNAY3JldA=="},
		{withUser + "/{{ id }}", target.HTTPAuth{}, "Basic am9uOnNAY3JldA=="},
	} {
		h := newHTTP(t, row.url, func(c *target.HTTPConfig, _ *target.Deps) { c.Auth = row.auth })
		h.Send(t.Context(), message(t, sample))
		all := receiver.Requests()
		if got := all[len(all)-1].Header.Get("Authorization"); got != row.want {
			t.Errorf("Authorization: %q, want %q", got, row.want)
		}
	}
}
