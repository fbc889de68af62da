package target_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// findings are the places a check complains about, with positions where it has some.
func findings(t *testing.T, check func(*rules.Env, target.Report)) []string {
	t.Helper()
	var got []string
	check(testEnv(t), func(path string, line, col int, msg, _ string) {
		if msg == "" {
			t.Errorf("%s: no message", path)
		}
		if line > 0 {
			path = fmt.Sprintf("%s:%d:%d", path, line, col)
		}
		got = append(got, path)
	})
	slices.Sort(got)
	return got
}

// TestHTTPCheckFindsEachMistake changes one setting of valid ones.
func TestHTTPCheckFindsEachMistake(t *testing.T) {
	headers := func(kv ...string) func(*target.HTTPConfig) {
		return func(c *target.HTTPConfig) {
			c.Headers = map[string]secret.String{}
			for i := 0; i < len(kv); i += 2 {
				c.Headers[kv[i]] = secret.New(kv[i+1])
			}
		}
	}
	url := func(s string) func(*target.HTTPConfig) { return func(c *target.HTTPConfig) { c.URL = secret.New(s) } }
	table := []struct {
		name   string
		change func(*target.HTTPConfig)
		want   []string
	}{
		{"nothing", func(*target.HTTPConfig) {}, nil},
		{"http and a port", url("http://127.0.0.1:8080"), nil},
		{"values in path and query", url("https://x.example/{{ id }}?a={{ attempts }}"), nil},
		{"escaped braces", url("https://x.example/%7B%7B"), nil},
		{"no url", url(""), []string{"url"}},
		{"no scheme", url("x.example/in"), []string{"url"}},
		{"another scheme", url("ftp://x.example/in"), []string{"url"}},
		{"no host", url("https:///in"), []string{"url"}},
		{"a port that is none", url("http://x.example:65536/in"), []string{"url"}},
		{"port 0", url("http://x.example:0/in"), []string{"url"}},
		{"the last port", url("http://x.example:65535/in"), nil},
		{"a value in the host", url("https://{{ id }}.example/"), []string{"url"}},
		{"a name that is none", url("https://x.example/{{ idd }}"), []string{"url:1:22"}},
		{"method", func(c *target.HTTPConfig) { c.Method = "GET" }, []string{"method"}},
		{"method in lower case", func(c *target.HTTPConfig) { c.Method = "put" }, []string{"method"}},
		{"own headers", headers("X-Team", "risk", "Content-Type", "application/x+json", "X-Name", "{{ full_name }}"), nil},
		{
			"our headers", headers("webhook-id", "x", "idempotency-key", "x", "TraceParent", "x", "user-agent", "x", "webhook-signature", "x"),
			[]string{"headers.TraceParent", "headers.idempotency-key", "headers.user-agent", "headers.webhook-id", "headers.webhook-signature"},
		},
		{
			"headers of the connection", headers("Connection", "close", "Transfer-Encoding", "x", "TE", "x", "Host", "x", "content-length", "1", "Upgrade", "x"),
			[]string{"headers.Connection", "headers.Host", "headers.TE", "headers.Transfer-Encoding", "headers.Upgrade", "headers.content-length"},
		},
		{"a name no header has", headers("X Team", "x", "X-Täm", "x", "", "x"), []string{"headers.", "headers.X Team", "headers.X-Täm"}},
		{"one header twice", headers("X-A", "1", "x-a", "2"), []string{"headers.x-a"}},
		{"a line break in a header", headers("X-A", "key\n"), []string{"headers.X-A"}},
		{"a wrong name in a header", headers("X-A", "{{ full_nam }}"), []string{"headers.X-A:1:4"}},
		{"authorization twice", func(c *target.HTTPConfig) {
			headers("authorization", "x")(c)
			c.Auth.Bearer = secret.New("t")
		}, []string{"headers.authorization"}},
		{"json", func(c *target.HTTPConfig) {
			c.JSON = map[string]any{"a": []any{"{{ id }}", map[string]any{"b": "{{ idd }}"}}}
		}, []string{"json.a[1].b:1:4"}},
		{"timeout", func(c *target.HTTPConfig) { c.Timeout = -time.Second }, []string{"timeout"}},
		{"success", func(c *target.HTTPConfig) { c.Success = "2xx;204" }, []string{"success"}},
		{"success 1xx", func(c *target.HTTPConfig) { c.Success = "100" }, []string{"success"}},
		{"success 600", func(c *target.HTTPConfig) { c.Success = "600" }, []string{"success"}},
		{"success, nothing", func(c *target.HTTPConfig) { c.Success = "," }, []string{"success"}},
		{"success, odd", func(c *target.HTTPConfig) { c.Success = "2x0" }, []string{"success"}},
		{"two ways to identify", func(c *target.HTTPConfig) {
			c.Auth = target.HTTPAuth{Bearer: secret.New("t"), Basic: &target.BasicAuth{Username: "u"}}
		}, []string{"auth"}},
		{"a user in url and auth", func(c *target.HTTPConfig) {
			url("https://u:p@x.example/")(c)
			c.Auth.Bearer = secret.New("t")
		}, []string{"auth"}},
		{"a colon in the user", func(c *target.HTTPConfig) { c.Auth.Basic = &target.BasicAuth{Username: "u:p"} }, []string{"auth.basic.username"}},
		{"basic without anything", func(c *target.HTTPConfig) { c.Auth.Basic = &target.BasicAuth{} }, []string{"auth.basic"}},
		{"a newline after the token", func(c *target.HTTPConfig) { c.Auth.Bearer = secret.New("t\n") }, []string{"auth.bearer"}},
		{"sign", func(c *target.HTTPConfig) {
			c.Sign = []secret.String{secret.New("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), secret.New("whsec_"), secret.New("not base64")}
		}, []string{"sign[1]", "sign[2]"}},
		{"half a client certificate", func(c *target.HTTPConfig) { c.TLS.CertFile = "c.pem" }, []string{"tls"}},
		{"tls without TLS", func(c *target.HTTPConfig) {
			url("http://x.example/")(c)
			c.TLS.CAFile = "ca.pem"
		}, []string{"tls"}},
	}
	for _, row := range table {
		c := target.HTTPConfig{URL: secret.New("https://x.example/in")}
		c.SetDefaults()
		row.change(&c)
		if diff := cmp.Diff(row.want, findings(t, c.Check)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", row.name, diff)
		}
	}
}

// TestSlackCheckFindsEachMistake changes one setting of valid ones.
func TestSlackCheckFindsEachMistake(t *testing.T) {
	token := func(change func(*target.SlackConfig)) func(*target.SlackConfig) {
		return func(c *target.SlackConfig) {
			c.WebhookURL, c.Token, c.Channel = secret.String{}, secret.New("xoxb-1"), "C1"
			if change != nil {
				change(c)
			}
		}
	}
	block := func(b any) func(*target.SlackConfig) { return func(c *target.SlackConfig) { c.Blocks = []any{b} } }
	table := []struct {
		name   string
		change func(*target.SlackConfig)
		want   []string
	}{
		{"nothing", func(*target.SlackConfig) {}, nil},
		{"no url", func(c *target.SlackConfig) { c.WebhookURL = secret.String{} }, []string{"webhook_url"}},
		{"no scheme", func(c *target.SlackConfig) { c.WebhookURL = secret.New("hooks.slack.com/x") }, []string{"webhook_url"}},
		{"an expression in the url", func(c *target.SlackConfig) { c.WebhookURL = secret.New("https://h.example/{{ id }}") }, []string{"webhook_url"}},
		{"channel without token", func(c *target.SlackConfig) { c.Channel, c.ThreadBy = "C1", "ticket" }, []string{"channel", "thread_by"}},
		{"token and url", func(c *target.SlackConfig) { c.Token = secret.New("xoxb-1") }, []string{"token"}},
		{"api_url without token", func(c *target.SlackConfig) { c.APIURL = "https://slack.example/api" }, []string{"api_url"}},
		{"a channel without anything", func(c *target.SlackConfig) { c.WebhookURL, c.Channel = secret.String{}, "C1" }, []string{"token"}},
		{"a token and a channel", token(nil), nil},
		{"a token without a channel", token(func(c *target.SlackConfig) { c.Channel = "" }), []string{"channel"}},
		{"a channel of expressions", token(func(c *target.SlackConfig) { c.Channel = "{{ id }}" }), []string{"channel"}},
		{"a channel with a line break", token(func(c *target.SlackConfig) { c.Channel = "C1\n" }), []string{"channel"}},
		{"an app-level token", token(func(c *target.SlackConfig) { c.Token = secret.New("xapp-1") }), []string{"token"}},
		{"a token with a line break", token(func(c *target.SlackConfig) { c.Token = secret.New("xoxb-1\n") }), []string{"token"}},
		{"a webhook as the token", token(func(c *target.SlackConfig) { c.Token = secret.New("https://hooks.slack.com/services/T/B/x") }), []string{"token"}},
		{"an API elsewhere", token(func(c *target.SlackConfig) { c.APIURL = "https://slack.example/api/" }), nil},
		{"an API over ftp", token(func(c *target.SlackConfig) { c.APIURL = "ftp://slack.example/api" }), []string{"api_url"}},
		{"an API with a query", token(func(c *target.SlackConfig) { c.APIURL = "https://slack.example/api?a" }), []string{"api_url"}},
		{"an API with a user", token(func(c *target.SlackConfig) { c.APIURL = "https://u:p@slack.example/api" }), []string{"api_url"}},
		{"an API of expressions", token(func(c *target.SlackConfig) { c.APIURL = "https://slack.example/{{ id }}" }), []string{"api_url"}},
		{"an API with its method", token(func(c *target.SlackConfig) { c.APIURL = "https://slack.example/api/chat.postMessage" }), []string{"api_url"}},
		{"threads", token(func(c *target.SlackConfig) { c.ThreadBy = "ticket" }), nil},
		{"threads by nothing", token(func(c *target.SlackConfig) { c.ThreadBy = "id + nam" }), []string{"thread_by:1:6"}},
		{"text", func(c *target.SlackConfig) { c.Text = "hello\n{{ nam }}" }, []string{"text:2:4"}},
		{"timeout", func(c *target.SlackConfig) { c.Timeout = -1 }, []string{"timeout"}},
		{"blocks", block(map[string]any{"type": "divider"}), nil},
		{"no blocks", func(c *target.SlackConfig) { c.Blocks = []any{} }, nil},
		{"51 blocks", func(c *target.SlackConfig) { c.Blocks = slices.Repeat([]any{map[string]any{"type": "divider"}}, 51) }, []string{"blocks"}},
		{"a block that is none", block("section"), []string{"blocks[0]"}},
		{"no type", block(map[string]any{}), []string{"blocks[0]"}},
		{"a type that is none", block(map[string]any{"type": "sektion"}), []string{"blocks[0].type"}},
		{"a wrong name in a block", block(map[string]any{"type": "header", "text": map[string]any{"type": "plain_text", "text": "{{ nam }}"}}), []string{"blocks[0].text.text:1:4"}},
		{"a wrong name in a url", block(map[string]any{"type": "image", "alt_text": "x", "image_url": "https://x.example/{{ nam }}"}), []string{"blocks[0].image_url:1:22"}},
		{"a value that chooses the server", block(map[string]any{"type": "image", "alt_text": "x", "image_url": "{{ id }}"}), []string{"blocks[0].image_url:1:1"}},
	}
	for _, row := range table {
		c := target.SlackConfig{WebhookURL: secret.New("https://hooks.slack.com/services/T/B/x")}
		c.SetDefaults()
		row.change(&c)
		if diff := cmp.Diff(row.want, findings(t, c.Check)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", row.name, diff)
		}
	}
}

func TestFilesThatAreMissingStopTheTargetFromBeingBuilt(t *testing.T) {
	for _, conf := range []target.ClientTLS{
		{CAFile: "/nonexistent/ca.pem"},
		{CAFile: file(t, "empty.pem", nil)},
		{CertFile: "/nonexistent/c.pem", KeyFile: "/nonexistent/k.pem"},
	} {
		c := target.HTTPConfig{URL: secret.New("https://x.example/in"), TLS: conf}
		c.SetDefaults()
		if _, err := target.NewHTTP("case-api", c, target.Deps{Env: testEnv(t)}); err == nil {
			t.Errorf("%+v is taken", conf)
		}
	}
}
