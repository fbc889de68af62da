package target_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// tokenStep answers with a token.
func tokenStep(name string, seconds int) relaytest.Step {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d}`, name, seconds)
	}
}

// newOAuth builds a target that fetches its tokens at tokenURL.
func newOAuth(t *testing.T, url, tokenURL string, change func(*target.HTTPConfig, *target.Deps)) *target.HTTP {
	t.Helper()
	return newHTTP(t, url, func(c *target.HTTPConfig, d *target.Deps) {
		c.Auth.OAuth2 = &target.OAuth2{
			TokenURL: secret.New(tokenURL), ClientID: "relay", ClientSecret: secret.New(canary + "secret"), Scopes: []string{"a", "b"},
		}
		if change != nil {
			change(c, d)
		}
	})
}

func TestATokenIsFetchedOnceForManyWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []*http.Request
		h := newOAuth(t, "http://cases.example/", "http://id.example/token", func(_ *target.HTTPConfig, d *target.Deps) {
			d.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "id.example" {
					if got := r.Header.Get("Authorization"); got != "Bearer token-1" {
						t.Errorf("sent with %q", got)
					}
					return answer(200, ""), nil
				}
				mu.Lock()
				asked = append(asked, r)
				mu.Unlock()
				time.Sleep(time.Second) // so that the others come while it is on its way
				return answer(200, `{"access_token":"token-1","token_type":"bearer","expires_in":3600}`, "Content-Type", "application/json"), nil
			})
		})
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered || r.Tries != 1 {
					t.Errorf("got %+v", r)
				}
			})
		}
		wg.Wait()
		if len(asked) != 1 {
			t.Fatalf("%d requests for a token, want 1", len(asked))
		}
		form, err := asked[0].GetBody()
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(form)
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("relay:"+canary+"secret"))
		if got := asked[0]; got.Method != "POST" || got.Header.Get("Authorization") != basic || string(body) != "grant_type=client_credentials&scope=a+b" {
			t.Errorf("asked with %s %v %s", got.Method, got.Header, body)
		}
	})
}

func TestATokenIsKeptUntilShortlyBeforeItsEnd(t *testing.T) {
	for life, kept := range map[int]time.Duration{3600: 3570 * time.Second, 40: 30 * time.Second, 0: 1000 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			fetched := 0
			h := newOAuth(t, "http://cases.example/", "http://id.example/token", func(_ *target.HTTPConfig, d *target.Deps) {
				d.Transport = transport(func(r *http.Request) (*http.Response, error) {
					if r.URL.Host != "id.example" {
						return answer(200, ""), nil
					}
					fetched++
					return answer(200, fmt.Sprintf(`{"access_token":"t","token_type":"Bearer","expires_in":%d}`, life), "Content-Type", "application/json"), nil
				})
			})
			send := func() { h.Send(t.Context(), message(t, sample)) }
			send()
			time.Sleep(kept - time.Millisecond)
			if send(); fetched != 1 {
				t.Errorf("%ds: fetched %d times before its end", life, fetched)
			}
			time.Sleep(time.Millisecond)
			if send(); life > 0 && fetched != 2 || life == 0 && fetched != 1 {
				t.Errorf("%ds: fetched %d times after %s", life, fetched, kept)
			}
		})
	}
}

func TestATokenThatIsNotTakenIsReplacedOnceWithinTheAttempt(t *testing.T) {
	endpoint := relaytest.NewTarget(t, relaytest.Status(401), relaytest.Status(200), relaytest.Status(401), relaytest.Status(401))
	issuer := relaytest.NewTarget(t, tokenStep("old", 3600), tokenStep("new", 3600), tokenStep("newer", 3600))
	h := newOAuth(t, endpoint.URL(), issuer.URL(), nil)
	if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered || r.Tries != 2 {
		t.Errorf("got %+v", r)
	}
	if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Held || r.Status != 401 || r.Tries != 2 {
		t.Errorf("got %+v", r)
	}
	var used []string
	for _, r := range endpoint.Requests() {
		used = append(used, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	if got := strings.Join(used, " "); got != "old new new newer" || len(issuer.Requests()) != 3 {
		t.Errorf("used %s, after %d requests for one", got, len(issuer.Requests()))
	}
}

// TestWhyThereIsNoToken: each failure of the token endpoint has its outcome and its sentence, and nothing of what
// it wrote, of its address or of the secret is in one. The event is not sent.
func TestWhyThereIsNoToken(t *testing.T) {
	said := func(code int, word string) relaytest.Step {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"error":%q,"error_description":%q,"error_uri":%q}`, word, canary, canary)
		}
	}
	closed := relaytest.NewTarget(t)
	closed.Close()
	at := func(steps ...relaytest.Step) string { return relaytest.NewTarget(t, steps...).URL() + "/" + canary }
	for _, row := range []struct {
		name, url string
		want      event.Outcome
		says      string
	}{
		{"wrong secret", at(said(401, "invalid_client")), event.Held, "client_secret"},
		{"wrong secret, by 400", at(said(400, "invalid_client")), event.Held, "client_secret"},
		{"an error under a 200", at(said(200, "unauthorized_client")), event.Held, "client_secret"},
		{"wrong scope", at(said(400, "invalid_scope")), event.Held, "scopes"},
		{"wrong kind", at(said(400, "unsupported_grant_type")), event.Held, "client credentials"},
		{"words", at(relaytest.Body(403, canary)), event.Held, "client_secret"},
		{"words of a 400", at(relaytest.Body(400, canary)), event.Held, "check auth.oauth2"},
		{"nothing there", at(relaytest.Body(404, canary)), event.Held, "404"},
		{"down", at(relaytest.Body(500, canary)), event.Retry, "500"},
		{"busy", at(said(400, "temporarily_unavailable")), event.Retry, "just now"},
		{"too many", at(relaytest.Unavailable(429, "40")), event.Retry, "429"},
		{"moved", at(relaytest.Redirect(302, "http://127.0.0.1:1/"+canary)), event.Held, "redirects"},
		{"moved to nowhere", at(relaytest.Redirect(302, ":"+canary+"%zz")), event.Held, "redirects"},
		{"a page", at(relaytest.Body(200, "<html>"+canary)), event.Held, "no token in it"},
		{"no token", at(relaytest.Body(200, `{"token":"`+canary+`"}`)), event.Held, "no token in it"},
		{"a token of two lines", at(tokenStep("a\n"+canary, 10)), event.Held, "no token in it"},
		{"endless", at(relaytest.Body(200, strings.Repeat(canary, 1<<17))), event.Held, "no token in it"},
		{"cut", at(relaytest.Half(200)), event.Retry, "connection broke"},
		{"dropped", at(relaytest.Drop()), event.Retry, "connection broke"},
		{"slow", at(relaytest.Slow(time.Minute)), event.Retry, "did not answer"},
		{"closed", closed.URL() + "/" + canary, event.Retry, "nothing listens"},
		{"metadata", "http://169.254.169.254/" + canary, event.Held, "metadata"},
		{"no TLS", strings.Replace(at(), "http:", "https:", 1), event.Retry, "does not speak TLS"},
	} {
		endpoint := relaytest.NewTarget(t)
		h := newOAuth(t, endpoint.URL(), row.url, func(c *target.HTTPConfig, _ *target.Deps) { c.Timeout = time.Second })
		r := h.Send(t.Context(), message(t, sample))
		if r.Outcome != row.want || r.Status != 0 || !strings.Contains(r.Reason, "token") || !strings.Contains(r.Reason, row.says) || !strings.HasSuffix(r.Reason, wayOut[row.want]) {
			t.Errorf("%s: %+v, want %s (%s)", row.name, r, row.want, row.says)
		}
		if row.name == "too many" && r.RetryAfter != 40*time.Second {
			t.Errorf("%s: Retry-After is %s", row.name, r.RetryAfter)
		}
		clean(t, row.name, h, r)
		found := h.Probe(t.Context(), time.Second)
		if len(found) != 1 || found[0].Level != target.Fail || strings.Contains(found[0].Text, canary) {
			t.Errorf("%s: a probe finds %+v", row.name, found)
		}
		if n := len(endpoint.Requests()); n > 0 {
			t.Errorf("%s: sent %d times without a token", row.name, n)
		}
	}
}

// TestWhoWaitsForATokenDoesNotStopWithTheOneWhoFetchesIt: the next one fetches.
func TestWhoWaitsForATokenDoesNotStopWithTheOneWhoFetchesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		h := newOAuth(t, "http://cases.example/", "http://id.example/token", func(_ *target.HTTPConfig, d *target.Deps) {
			d.Transport = transport(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host != "id.example" {
					return answer(200, ""), nil
				}
				if fetched++; fetched == 1 {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}
				return answer(200, `{"access_token":"t"}`, "Content-Type", "application/json"), nil
			})
		})
		first, stop := context.WithCancel(t.Context())
		var one, two target.Result
		var wg sync.WaitGroup
		wg.Go(func() { one = h.Send(first, message(t, sample)) })
		synctest.Wait()
		wg.Go(func() { two = h.Send(t.Context(), message(t, sample)) })
		synctest.Wait()
		stop()
		wg.Wait()
		if one.Outcome != event.Retry || !strings.Contains(one.Reason, "cut short") || two.Outcome != event.Delivered {
			t.Errorf("the first %+v, the second %+v", one, two)
		}
	})
}

func TestATokenIsShownAsAPlaceholderAndProbed(t *testing.T) {
	endpoint, issuer := relaytest.NewTarget(t), relaytest.NewTarget(t, tokenStep(canary, 3600))
	h := newOAuth(t, endpoint.URL(), issuer.URL(), nil)
	p, err := h.Preview(message(t, sample))
	if err != nil || !strings.Contains(fmt.Sprint(p.Header), "{Authorization Bearer [token]}") || len(issuer.Requests()) != 0 {
		t.Errorf("%v %v", p.Header, err)
	}
	if found := h.Probe(t.Context(), time.Second); len(found) < 2 || found[0].Level != target.OK || found[1].Level != target.OK || len(issuer.Requests()) != 1 {
		t.Errorf("found %v", found)
	}
	if len(endpoint.Requests()) != 0 {
		t.Error("the endpoint was asked")
	}
}

func TestMistakesInOAuth2AreFound(t *testing.T) {
	good := target.OAuth2{TokenURL: secret.New("https://id.example/token"), ClientID: "relay", ClientSecret: secret.New(canary)}
	for path, change := range map[string]func(*target.OAuth2){
		"":                            func(*target.OAuth2) {},
		"auth.oauth2.token_url":       func(o *target.OAuth2) { o.TokenURL = secret.New("id.example/" + canary) },
		"auth.oauth2.token_url ":      func(o *target.OAuth2) { o.TokenURL = secret.New("https://" + canary + "@id.example/") },
		"auth.oauth2.token_url  ":     func(o *target.OAuth2) { o.TokenURL = secret.New("https://id.example/{{ id }}" + canary) },
		"auth.oauth2.client_id":       func(o *target.OAuth2) { o.ClientID = "" },
		"auth.oauth2.client_secret":   func(o *target.OAuth2) { o.ClientSecret = secret.String{} },
		"auth.oauth2.scopes[1]":       func(o *target.OAuth2) { o.Scopes = []string{"a", canary + " b"} },
		"auth.oauth2.client_secret  ": func(o *target.OAuth2) { *o = target.OAuth2{TokenURL: o.TokenURL, ClientID: "a"} },
	} {
		o, found := good, ""
		change(&o)
		c := target.HTTPConfig{URL: secret.New("https://api.example"), Auth: target.HTTPAuth{OAuth2: &o}}
		c.SetDefaults()
		c.Check(testEnv(t), func(path string, _, _ int, msg, hint string) {
			found += path
			if strings.Contains(msg+hint, canary) {
				t.Errorf("%s: %s %s", path, msg, hint)
			}
		})
		if found != strings.TrimSpace(path) {
			t.Errorf("found %q, want %q", found, path)
		}
	}
}
