package config

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const examplePath = "../../config.example.yaml"

func nobody(string) (string, bool) { return "", false }

func readExample(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parseExample(t *testing.T, lookup func(string) (string, bool)) *Config {
	t.Helper()
	c, problems := Parse("config.example.yaml", readExample(t), Options{Lookup: lookup})
	for _, p := range problems {
		t.Error(p)
	}
	if c == nil {
		t.Fatal("no config")
	}
	return c
}

func TestExamplePassesWithoutAnyVariable(t *testing.T) {
	c := parseExample(t, nobody)
	for got, want := range map[string]string{
		c.Server.Listen: "127.0.0.1:8080", c.Admin.Listen: "127.0.0.1:9090", c.StorePath(): "relay.db",
		c.Sources["preventor"].Path:           "/webhooks/invitation",
		c.Sources["preventor-encrypted"].Path: "/webhooks/invitation-encrypted",
		strings.Join(c.Set.Names(), " "):      "rejected every-case accepted rest",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if _, err := c.Sources["preventor-encrypted"].Encryption.RawKeys(); err != nil {
		t.Error(err)
	}
}

func TestExampleTakesItsAddressesFromVariables(t *testing.T) {
	world := map[string]string{
		"RELAY_LISTEN": "127.0.0.1:0", "RELAY_ADMIN_LISTEN": "127.0.0.1:0", "RELAY_STORE": "sqlite:/tmp/x.db",
		"PREVENTOR_PASSWORD": "p", "PREVENTOR_SECRET": "hex:" + strings.Repeat("00", 32),
		"SLACK_URL": "http://127.0.0.1:1/services/a/b/c", "CASE_API_URL": "http://127.0.0.1:2/",
		"SMTP_HOST": "mail.example", "SMTP_PORT": "465", "SMTP_TLS": "implicit",
	}
	asked := make(map[string]bool)
	c := parseExample(t, func(name string) (string, bool) {
		asked[name] = true
		v, ok := world[name]
		return v, ok
	})
	for name := range world {
		if !asked[name] {
			t.Errorf("%s is not asked for", name)
		}
	}
	mail := c.Targets["archive"].Email
	for got, want := range map[string]string{
		c.Server.Listen: "127.0.0.1:0", c.StorePath(): "/tmp/x.db", mail.Host: "mail.example", mail.TLS: "implicit",
		c.Targets["case-api"].HTTP.URL.Reveal():                 "http://127.0.0.1:2/",
		c.Targets["risk-slack"].Slack.WebhookURL.Reveal():       "http://127.0.0.1:1/services/a/b/c",
		c.Sources["preventor"].Auth.Basic[0].Password.Reveal():  "p",
		c.Sources["preventor-encrypted"].Auth.Basic[0].Username: "preventor",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if mail.Port != 465 {
		t.Errorf("port %d", mail.Port)
	}
}

// TestExampleShowsEverySetting: whoever reads it has seen them all.
func TestExampleShowsEverySetting(t *testing.T) {
	example := string(readExample(t))
	for _, s := range settings() {
		if len(s.way) == 0 {
			continue
		}
		if key, ok := s.way[len(s.way)-1].(string); ok && key != "x" && !strings.Contains(example, key+":") {
			t.Errorf("%s is not in it", s.path())
		}
	}
}

// TestExampleShowsTheDefaults: what is written there changes nothing, but for
// what it needs to run.
func TestExampleShowsTheDefaults(t *testing.T) {
	c := parseExample(t, nobody)
	bare := mustParse(t, `
sources: {s: {path: /s, auth: {anonymous: true}}}
rules: [{name: r, when: "true", to: [http, slack, email, log]}]
targets:
  http: {http: {url: "https://api.example"}}
  slack: {slack: {webhook_url: "https://hooks.example/x"}}
  email: {email: {host: mail.example, from: a@relay.example, to: [b@relay.example]}}
  log: {log: {}}
`)
	same := func(what string, a, b any, ignore ...string) {
		t.Helper()
		skip := cmp.FilterPath(func(p cmp.Path) bool {
			f, ok := p.Last().(cmp.StructField)
			return ok && strings.Contains(" "+strings.Join(ignore, " ")+" ", " "+f.Name()+" ")
		}, cmp.Ignore())
		none := cmp.FilterValues(func(x, y any) bool { return empty(x) && empty(y) }, cmp.Ignore())
		if diff := cmp.Diff(a, b, sameSecrets, skip, none); diff != "" {
			t.Errorf("%s (-default +example)\n%s", what, diff)
		}
	}
	same("server", bare.Server, c.Server, "Listen")
	same("admin", bare.Admin, c.Admin)
	same("store", bare.Store, c.Store)
	same("alarms", bare.Alarms, c.Alarms)
	same("privacy", bare.Privacy, c.Privacy)
	same("log", bare.Log, c.Log)
	same("source", bare.Sources["s"], c.Sources["preventor"], "Name", "Path", "Auth")
	same("rule", bare.Rules[0], c.Rules[0], "Name", "When", "To")
	same("http", bare.Targets["http"], c.Targets["case-api"], "Name", "URL")
	same("slack", bare.Targets["slack"], c.Targets["risk-slack"], "Name", "WebhookURL")
	same("email", bare.Targets["email"], c.Targets["archive"], "Name", "Host", "From", "To", "Port", "TLS")
	same("log", bare.Targets["log"], c.Targets["journal"], "Name")
}

func empty(x any) bool {
	v := reflect.ValueOf(x)
	return !v.IsValid() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}
