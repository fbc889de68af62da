package config

import (
	"net/netip"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// minimal is as little as a config can be.
const minimal = `
sources:
  preventor: {path: /webhooks/invitation, auth: {anonymous: true}}
rules:
  - {name: all, when: "true", to: [api]}
targets:
  api: {http: {url: "https://api.example/cases"}}
`

func parse(t testing.TB, text string) (*Config, Problems) {
	t.Helper()
	return Parse("relay.yaml", []byte(text), Options{Lookup: lookupTest})
}

func mustParse(t testing.TB, text string) *Config {
	t.Helper()
	c, problems := parse(t, text)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// sameSecrets compares by value, which cmp cannot see otherwise.
var sameSecrets = cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() })

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func TestEverySettingReachesItsField(t *testing.T) {
	c, problems := Load("testdata/full.yaml", Options{Lookup: nobody})
	for _, p := range problems {
		t.Errorf("%s", p)
	}
	if c == nil {
		t.Fatal("no config")
	}
	file := filepath.Join("testdata", "full.yaml")
	s := secret.New
	want := &Config{
		Path: "testdata/full.yaml",
		Server: Server{
			Listen:          "192.0.2.1:8443",
			TLS:             ServerTLS{file, file, file},
			TrustedProxies:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::1/128")},
			ShutdownTimeout: 90 * time.Second,
		},
		Admin: Admin{
			Listen: "192.0.2.1:9443",
			Users:  []User{{"ops", s("$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"), RoleOperator}},
		},
		Store: Store{URL: s("sqlite:/var/lib/relay/relay.db"), Retention: 36 * time.Hour, MaxPending: 50_000},
		Sources: map[string]*Source{
			"second-of-the-alphabet": {
				Name: "second-of-the-alphabet", Path: "/webhooks/tickets", Preset: "idv-ticket",
				Auth: Auth{
					Basic:     []BasicAuth{{"preventor", s("old one")}, {"preventor", s("new one")}},
					Headers:   []HeaderAuth{{"X-Relay-Token", s("0123")}},
					Signature: []secret.String{s("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")},
					AllowFrom: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
				},
				Encryption: Encryption{
					Keys: []secret.String{
						s("0123456789abcdef0123456789abcdef"),
						s("hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
						s("base64:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
					},
					AcceptPlaintextUntil: time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC),
				},
				MaxBody:     1 << 20,
				Fields:      map[string]string{"region": "string", "score": "number"},
				Dedupe:      Dedupe{time.Hour, "ticket"},
				KeepRefused: KeepRefused{day, 10},
			},
			"first": {
				Name: "first", Path: "/webhooks/any", Preset: "json", Auth: Auth{Anonymous: true},
				MaxBody: 256 << 10, Dedupe: Dedupe{Window: 7 * day}, KeepRefused: KeepRefused{7 * day, 1000},
			},
		},
		Rules: []Rule{
			{Name: "first-rule", When: `region == "EU"`, To: []string{"zeta", "alpha"}, Stop: true, Shadow: true},
			{Name: "drop", When: "unmatched", To: []string{}, Enabled: true},
			{Name: "others", When: "true", To: []string{"beta", "gamma"}, Enabled: true},
		},
		MustRoute: []string{`region == "EU"`},
		Targets: map[string]*Target{
			"zeta": {
				Name: "zeta",
				Slack: &target.SlackConfig{
					WebhookURL: s("https://hooks.example/services/T000/B000/secret"),
					Text:       "{{ ticket }}",
					Blocks:     []any{map[string]any{"type": "section", "text": map[string]any{"type": "plain_text", "text": "{{ ticket }}"}}},
					Timeout:    3 * time.Second,
				},
				Rate: Rate{30, time.Minute}, Concurrency: 2, Digest: Digest{Max: 50},
				Retry: Retry{100 * time.Millisecond, 2 * time.Minute, 0, 0},
			},
			"alpha": {
				Name: "alpha",
				HTTP: &target.HTTPConfig{
					URL: s("https://api.example/cases"), Method: "PUT",
					Headers: map[string]secret.String{"X-Team": s("risk")},
					JSON:    map[string]any{"case": "{{ ticket }}", "flags": []any{1, 2.5, true, nil, "0123-text"}},
					Timeout: time.Second, Success: "200,202",
					Auth: target.HTTPAuth{Basic: &target.BasicAuth{Username: "relay", Password: s("something")}},
					Sign: []secret.String{s("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")},
					TLS:  target.ClientTLS{CAFile: file, CertFile: file, KeyFile: file},
				},
				Concurrency: 64, Digest: Digest{Max: 50},
				Retry: Retry{5 * time.Second, time.Hour, 72 * time.Hour, 2},
			},
			"beta": {
				Name: "beta",
				Email: &target.EmailConfig{
					Host: "mail.example", Port: 465, TLS: "implicit", Username: "relay", Password: s("something"), Auth: "auto",
					From: "relay@relay.example", To: []string{"archive@relay.example"},
					Subject: "{{ ticket }}", Text: "{{ ticket }}", HTML: "<p>{{ ticket }}</p>", Timeout: 5 * time.Second,
				},
				Rate: Rate{5, time.Second}, Concurrency: 2, Digest: Digest{Max: 50},
				Retry: Retry{5 * time.Second, time.Hour, 72 * time.Hour, 2},
			},
			"gamma": {
				Name: "gamma", Log: &target.LogConfig{Level: "debug"},
				Concurrency: 1, Digest: Digest{Max: 50}, Retry: Retry{5 * time.Second, time.Hour, 72 * time.Hour, 2},
			},
		},
		Alarms:  Alarms{[]string{"gamma", "zeta"}, 30 * time.Minute, day},
		Privacy: Privacy{Fields: []string{"full_name", "cifcod"}},
		Log:     Log{"debug", "json"},
	}
	ours := cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && (f.Name() == "Env" || f.Name() == "Set" || f.Name() == "Must" || f.Name() == "sourceOrder" || f.Name() == "targetOrder")
	}, cmp.Ignore())
	if diff := cmp.Diff(want, c, sameSecrets, comparePrefixes, ours, cmp.AllowUnexported(Config{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSourcesAndTargetsKeepTheFilesOrder(t *testing.T) {
	c, problems := Load("testdata/full.yaml", Options{Lookup: nobody})
	if c == nil {
		t.Fatal(problems)
	}
	var got []string
	for _, s := range c.SourcesInOrder() {
		got = append(got, s.Name)
	}
	for _, tg := range c.TargetsInOrder() {
		got = append(got, tg.Name+" "+tg.Kind())
	}
	want := []string{"second-of-the-alphabet", "first", "zeta slack", "alpha http", "beta email", "gamma log"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWhatIsLeftOutHasItsDefault(t *testing.T) {
	c := mustParse(t, minimal)
	want := new(Config)
	setDefaults(want)
	for _, section := range []string{"Server", "Admin", "Store", "Alarms", "Privacy", "Log"} {
		a := reflect.ValueOf(want).Elem().FieldByName(section).Interface()
		b := reflect.ValueOf(c).Elem().FieldByName(section).Interface()
		if diff := cmp.Diff(a, b, sameSecrets); diff != "" {
			t.Errorf("%s (-want +got)\n%s", section, diff)
		}
	}
	if c.Set == nil || c.Env == nil {
		t.Error("rules are not compiled")
	}
	if got := c.StorePath(); got != "relay.db" {
		t.Errorf("the store is at %s", got)
	}
}

func TestNullSectionsHaveTheirDefaults(t *testing.T) {
	text := strings.Replace(minimal, "rules:", "server:\nadmin: ~\nstore: {url: null}\nalarms:\nlog:\n  level:\nrules:", 1)
	text = strings.Replace(text, "auth: {anonymous: true}", "auth: {anonymous: true, basic: }, dedupe: , max_body: null", 1)
	if diff := cmp.Diff(mustParse(t, minimal), mustParse(t, text), sameSecrets, cmp.AllowUnexported(Config{}), cmp.FilterPath(func(p cmp.Path) bool {
		f, ok := p.Last().(cmp.StructField)
		return ok && (f.Name() == "Env" || f.Name() == "Set" || f.Name() == "Must")
	}, cmp.Ignore())); diff != "" {
		t.Errorf("(-without +null)\n%s", diff)
	}
}

func TestNullKindOfTargetIsThatKind(t *testing.T) {
	c := mustParse(t, strings.Replace(minimal, `{http: {url: "https://api.example/cases"}}`, "\n    log:", 1))
	if got := c.Targets["api"].Kind(); got != "log" {
		t.Errorf("kind %q", got)
	}
}

// TestDefaultsDependOnTheKind: what people tune differs from kind to kind.
func TestDefaultsDependOnTheKind(t *testing.T) {
	for kind, want := range map[string]Target{
		`http: {url: "https://api.example"}`:                                        {Concurrency: 64},
		`slack: {webhook_url: "https://hooks.example/x"}`:                           {Concurrency: 1, Rate: Rate{1, time.Second}},
		`email: {host: mail.example, from: a@relay.example, to: [b@relay.example]}`: {Concurrency: 2, Rate: Rate{5, time.Second}},
		`log: {}`: {Concurrency: 1},
	} {
		c := mustParse(t, strings.Replace(minimal, `http: {url: "https://api.example/cases"}`, kind, 1))
		if got := c.Targets["api"]; got.Concurrency != want.Concurrency || got.Rate != want.Rate {
			t.Errorf("%s: %d at a time, rate %v", kind, got.Concurrency, got.Rate)
		}
	}
}

// TestStringsAreTakenAsWritten: a password of digits keeps its zeros.
func TestStringsAreTakenAsWritten(t *testing.T) {
	for _, value := range []string{"0123", "1e3", "0x10", "true", "2027-03-31", "1_000", ".5", "<<"} {
		text := strings.Replace(minimal, "{anonymous: true}", "{basic: [{username: "+value+", password: "+value+"}]}", 1)
		b := mustParse(t, text).Sources["preventor"].Auth.Basic[0]
		if b.Username != value || b.Password.Reveal() != value {
			t.Errorf("%s became %s", value, b.Username)
		}
	}
}

func TestMergeKeysAndAliasesWork(t *testing.T) {
	c := mustParse(t, `
sources:
  one: &base
    path: /one
    auth: &auth {basic: [{username: preventor, password: something}]}
    max_body: 1KiB
  two: {<<: *base, path: /two}
  three:
    <<: [{dedupe: {window: 1h}, max_body: 2KiB}, *base]
    path: /three
  four: {path: /four, auth: *auth}
rules:
  - {name: all, when: "true", to: &all [api]}
  - {name: again, when: "true", to: *all}
targets:
  api: {http: {url: "https://api.example/cases"}}
`)
	for name, want := range map[string]Source{
		"one":   {Path: "/one", MaxBody: 1 << 10, Dedupe: Dedupe{Window: 7 * day}},
		"two":   {Path: "/two", MaxBody: 1 << 10, Dedupe: Dedupe{Window: 7 * day}},
		"three": {Path: "/three", MaxBody: 2 << 10, Dedupe: Dedupe{Window: time.Hour}},
		"four":  {Path: "/four", MaxBody: 256 << 10, Dedupe: Dedupe{Window: 7 * day}},
	} {
		got := c.Sources[name]
		if got.Path != want.Path || got.MaxBody != want.MaxBody || got.Dedupe != want.Dedupe || len(got.Auth.Basic) != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := c.Rules[1].To; len(got) != 1 || got[0] != "api" {
		t.Errorf("to: %v", got)
	}
}

// TestAliasesCannotBlowUpAFile: nine levels of nine make 400 million nodes.
func TestAliasesCannotBlowUpAFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("l0: &l0 [x, x, x, x, x, x, x, x, x]\n")
	for _, level := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		below := "*l" + string(level[0]-1)
		b.WriteString("l" + level + ": &l" + level + " [" + strings.Repeat(below+", ", 9) + "]\n")
	}
	text := strings.ReplaceAll(minimal, "{http: {url", "{http: {json: *l8, url")
	_, problems := parse(t, b.String()+text)
	if !strings.Contains(problems.Error(), "too large once its aliases are followed") {
		t.Errorf("%s", problems)
	}
}

func TestFileThatCannotBeReadIsAnErrorOfItsOwn(t *testing.T) {
	c, problems := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	if c != nil || len(problems) != 1 {
		t.Fatalf("%v, %v", c, problems)
	}
	if got := problems[0].String(); !strings.HasSuffix(got, "none.yaml: cannot read the config: no such file or directory") {
		t.Error(got)
	}
}
