package relaytest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
)

// post sends a body and returns status, answer and error.
func post(t *testing.T, url, contentType, body string) (*http.Response, string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	answer, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err == nil {
		err = closed
	}
	return resp, string(answer), err
}

func TestTargetFollowsItsScriptAndRepeatsTheLastStep(t *testing.T) {
	target := relaytest.NewTarget(t,
		relaytest.Status(500), relaytest.RetryAfter(30), relaytest.Redirect(302, "/x"), relaytest.Body(200, "fine"))
	var got []int
	for range 6 {
		resp, _, err := post(t, target.URL()+"/in?a=1", "application/json", `{"a":1}`)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
		if resp.StatusCode == 429 && resp.Header.Get("Retry-After") != "30" {
			t.Error("no Retry-After")
		}
	}
	if want := []int{500, 429, 302, 200, 200, 200}; len(got) != len(want) || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] || got[5] != want[5] {
		t.Errorf("got %v, want %v", got, want)
	}
	seen, err := target.Wait(t.Context(), 6)
	if err != nil || len(seen) != 6 || seen[3].URI != "/in?a=1" || string(seen[3].Body) != `{"a":1}` || seen[3].Method != http.MethodPost {
		t.Errorf("%v %+v", err, seen)
	}
}

func TestTargetBreaksConnectionsOnRequest(t *testing.T) {
	for name, step := range map[string]relaytest.Step{
		"drop": relaytest.Drop(), "reset": relaytest.Reset(), "garbage": relaytest.Garbage(), "half": relaytest.Half(200),
	} {
		target := relaytest.NewTarget(t, step)
		if _, _, err := post(t, target.URL(), "text/plain", "x"); err == nil {
			t.Errorf("%s: no error", name)
		}
		if n := len(target.Requests()); n != 1 {
			t.Errorf("%s: %d requests seen, want 1", name, n)
		}
	}
}

func TestSlowTargetLetsGoOfAClientThatHasGone(t *testing.T) {
	target := relaytest.NewTarget(t, relaytest.Slow(time.Hour))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.URL(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	if _, err := target.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	target.Close() // returns only because the step has
}

func TestTargetWaitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := relaytest.NewTarget(t).Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
