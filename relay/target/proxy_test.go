package target_test

import (
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// proxy lets everything through, or answers with status to everything.
type proxy struct {
	*relaytest.Server
	status int

	mu   sync.Mutex
	seen []string // method, what was asked for, and the credentials
}

func newProxy(t *testing.T, status int) *proxy {
	t.Helper()
	p := &proxy{status: status}
	var err error
	if p.Server, err = relaytest.Listen(p, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.seen...)
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, r.Method+" "+cmp.Or(r.URL.Host, r.Host)+" "+r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	if p.status != 0 {
		http.Error(w, canary, p.status)
		return
	}
	if r.Method != http.MethodConnect {
		r.RequestURI = ""
		r.Header.Del("Proxy-Authorization")
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer func() { _ = resp.Body.Close() }()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	there, err := net.Dial("tcp", r.Host)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(there, here); _ = there.Close() })
	both.Go(func() { _, _ = io.Copy(here, there); _ = here.Close() })
	both.Wait()
}

// through makes a target go through a proxy, with a user.
func through(proxyURL string) func(*target.HTTPConfig, *target.Deps) {
	return func(c *target.HTTPConfig, _ *target.Deps) {
		c.Proxy = secret.New(strings.Replace(proxyURL, "://", "://relay:"+canary+"@", 1))
	}
}

func TestAProxyOfTheConfigIsGoneThrough(t *testing.T) {
	cert, pem := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	user := "Basic " + base64.StdEncoding.EncodeToString([]byte("relay:"+canary))
	for method, receiver := range map[string]*relaytest.Target{
		"POST":    relaytest.NewTarget(t),
		"CONNECT": relaytest.NewTLSTarget(t, &tls.Config{Certificates: []tls.Certificate{cert}}),
	} {
		p := newProxy(t, 0)
		h := newHTTP(t, receiver.URL()+"/in", func(c *target.HTTPConfig, d *target.Deps) {
			through(p.URL())(c, d)
			if method == "CONNECT" {
				c.TLS.CAFile = file(t, "ca.pem", pem)
			}
		})
		if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered {
			t.Errorf("%s: %+v", method, r)
		}
		host := receiver.URL()[strings.Index(receiver.URL(), "//")+2:]
		if seen := p.requests(); len(seen) != 1 || seen[0] != method+" "+host+" "+user {
			t.Errorf("%s: the proxy saw %q", method, seen)
		}
		if got := receiver.Requests(); len(got) != 1 || got[0].URI != "/in" || got[0].Header.Get("Proxy-Authorization") != "" {
			t.Errorf("%s: the endpoint saw %+v", method, got)
		}
		if found := h.Probe(t.Context(), time.Second); len(found) != 2 || found[1].Level != target.OK {
			t.Errorf("%s: a probe finds %v", method, found)
		}
	}
}

func TestWhatAProxyDoesHasItsOutcome(t *testing.T) {
	closed := newProxy(t, 0)
	closed.Close()
	for _, row := range []struct {
		name, url, proxy string
		want             event.Outcome
		says             string
	}{
		{"wants credentials", "https://cases.example/", newProxy(t, 407).URL(), event.Held, "credentials"},
		{"wants credentials for http", "http://cases.example/", newProxy(t, 407).URL(), event.Held, "credentials"},
		{"refuses", "https://cases.example/", newProxy(t, 403).URL(), event.Held, "does not let us through"},
		{"cannot", "https://cases.example/", newProxy(t, 502).URL(), event.Retry, "could not reach"},
		{"is busy", "https://cases.example/", newProxy(t, 503).URL(), event.Retry, "could not reach"},
		{"is not there", "https://cases.example/", closed.URL(), event.Retry, "proxy cannot be reached"},
		{"is not TLS", "https://cases.example/", strings.Replace(newProxy(t, 0).URL(), "http:", "https:", 1), event.Retry, "proxy cannot be reached"},
		{"is at a metadata address", "http://cases.example/", "http://169.254.169.254", event.Held, "metadata"},
	} {
		h := newHTTP(t, row.url+canary, through(row.proxy))
		r := h.Send(t.Context(), message(t, sample))
		if r.Outcome != row.want || !strings.Contains(r.Reason, row.says) || !strings.HasSuffix(r.Reason, wayOut[row.want]) {
			t.Errorf("%s: %+v, want %s (%s)", row.name, r, row.want, row.says)
		}
		clean(t, row.name, h, r)
	}
}

// TestNoAddressThatNoTargetMayHaveIsAskedForThroughAProxy: the proxy would connect to it in our name.
func TestNoAddressThatNoTargetMayHaveIsAskedForThroughAProxy(t *testing.T) {
	p := newProxy(t, 200)
	for _, host := range []string{
		"169.254.169.254", "[fe80::1]", "0.0.0.0", "224.0.0.1", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[::]",
		"2852039166", "0xa9fea9fe", "169.254.43518", "0251.0376.0251.0376", "169.254.169.254.",
	} {
		for _, scheme := range []string{"http://", "https://"} {
			h := newHTTP(t, scheme+host+"/latest", through(p.URL()))
			if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Held || !strings.Contains(r.Reason, "no target may have") {
				t.Errorf("%s%s: %+v", scheme, host, r)
			}
		}
	}
	if seen := p.requests(); len(seen) > 0 {
		t.Errorf("the proxy was asked: %q", seen)
	}
}

// TestAProxyOfTheEnvironmentIsNotUsed runs in a process of its own, since net/http reads these variables once.
func TestAProxyOfTheEnvironmentIsNotUsed(t *testing.T) {
	if os.Getenv("RELAY_TEST_PROXIED") != "" {
		h := newHTTP(t, "http://nobody.invalid/", nil)
		if r := h.Send(t.Context(), message(t, sample)); r.Outcome != event.Retry {
			t.Errorf("got %+v", r)
		}
		return
	}
	p := newProxy(t, 200)
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAProxyOfTheEnvironmentIsNotUsed$")
	c.Env = append(os.Environ(), "RELAY_TEST_PROXIED=1")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		c.Env = append(c.Env, name+"="+p.URL())
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if seen := p.requests(); len(seen) > 0 {
		t.Errorf("the proxy was asked: %q", seen)
	}
}

func TestAProxyThatIsNoneIsAMistakeThatQuotesNothing(t *testing.T) {
	for _, text := range []string{"proxy." + canary, "ftp://" + canary, "http://", "http://x.example/" + canary, "http://{{ id }}" + canary + "/", "http://%zz" + canary} {
		c, found := target.HTTPConfig{URL: secret.New("https://api.example"), Proxy: secret.New(text)}, 0
		c.SetDefaults()
		c.Check(testEnv(t), func(path string, _, _ int, msg, hint string) {
			found++
			if path != "proxy" || strings.Contains(msg+hint, canary) {
				t.Errorf("%s: %s %s %s", text, path, msg, hint)
			}
		})
		if found != 1 {
			t.Errorf("%s: %d mistakes", text, found)
		}
	}
}
