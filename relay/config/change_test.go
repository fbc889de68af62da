package config

import (
	"os"
	"strings"
	"testing"
)

// TestChangeOneSettingOfAValidConfig changes one line of full.yaml, and says what
// is wrong with it then: nothing, or a problem in that line.
func TestChangeOneSettingOfAValidConfig(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	full := string(data)
	for _, c := range []struct{ from, to, want string }{
		{"listen: 192.0.2.1:8443", "listen: :0", ""},
		{"listen: 192.0.2.1:8443", "listen: localhost:8443", ""},
		{"listen: 192.0.2.1:8443", "listen: 192.0.2.1:65536", "server.listen: the port must be 0 to 65535"},
		{"listen: 192.0.2.1:8443", "listen: http://192.0.2.1:8443", "server.listen: must be host:port"},
		{"listen: 192.0.2.1:8443", "listen: ''", "server.listen: must be host:port"},
		{"listen: 192.0.2.1:8443", "listen: 192.0.2.2:9443", ""},
		{"listen: 192.0.2.1:9443", "listen: :8443", "admin.listen: the same port as server.listen"},
		{"listen: 192.0.2.1:9443", "listen: 192.0.2.2:8443", ""},
		{"shutdown_timeout: 1m30s", "shutdown_timeout: 1s", ""},
		{"shutdown_timeout: 1m30s", "shutdown_timeout: 999ms", "server.shutdown_timeout: must be 1s to 1h"},
		{"client_ca_file: full.yaml", "client_ca_file: .", "server.tls.client_ca_file: this is a folder, not a file"},
		{"jZAgcfl7p92ldGxad68LJZdL17lhWy", "jZAgcfl7p92ldGxad68LJZdL17lhW", "admin.users[0].password_hash: not a bcrypt hash"},
		{"password_hash: $2b$10$", "password_hash: $2y$12$", ""},
		{"role: operator", "role: viewer", ""},
		{"role: operator", "role:", ""},
		{"role: operator", "role: ''", "admin.users[0].role: must be one of: viewer, operator"},
		{"- name: ops", "- name: 'o:ps'", "admin.users[0].name: must not contain a colon or a line break"},
		{"url: sqlite:/var/lib/relay/relay.db", "url: sqlite:relay.db", ""},
		{"url: sqlite:/var/lib/relay/relay.db", "url: sqlite://relay.db", "store.url: after sqlite: stands the path of a file and nothing else"},
		{"url: sqlite:/var/lib/relay/relay.db", "url: 'sqlite:relay.db?mode=ro'", "store.url: after sqlite: stands the path of a file and nothing else"},
		{"url: sqlite:/var/lib/relay/relay.db", "url: sqlite:folder/", "store.url: no file is named after sqlite:"},
		{"url: sqlite:/var/lib/relay/relay.db", "url: postgresql://db.example/relay", "store.url: PostgreSQL is not yet supported"},
		{"retention: 1d12h", "retention: 0s", "store.retention: must be 1m to 36500d"},
		{"max_pending: 50_000", "max_pending: 0", "store.max_pending: must be 1 to 1000000000"},
		{"path: /webhooks/tickets", "path: /", ""},
		{"path: /webhooks/tickets", "path: /webhooks/tickets/", ""},
		{"path: /webhooks/tickets", "path: /metricsx", ""},
		{"path: /webhooks/tickets", "path: /metrics/x", "sources.second-of-the-alphabet.path: /metrics is an address of the admin listener"},
		{"path: /webhooks/tickets", "path: /api", "sources.second-of-the-alphabet.path: /api is an address of the admin listener"},
		{"path: /webhooks/tickets", "path: /webhooks/../tickets", "sources.second-of-the-alphabet.path: must not contain //, /./ or /../"},
		{"path: /webhooks/tickets", "path: /webhooks/%41", "sources.second-of-the-alphabet.path: a path is made of letters, digits, /, -, ., _ and ~"},
		{"path: /webhooks/tickets", "path: /webhooks/ä", "sources.second-of-the-alphabet.path: a path is made of letters, digits, /, -, ., _ and ~"},
		{"path: /webhooks/any", "path: /webhooks/tickets", `sources.first.path: source "second-of-the-alphabet" has the same path`},
		{"value: 0123", "value: ''", "sources.second-of-the-alphabet.auth.headers[0].value: must not be empty"},
		{"value: 0123", "value: ' 0123'", "sources.second-of-the-alphabet.auth.headers[0].value: a header cannot begin or end with a blank or a line break"},
		{"name: X-Relay-Token", "name: x-pvt-cipher-iv", "sources.second-of-the-alphabet.auth.headers[0].name: this header has a meaning of its own"},
		{"name: X-Relay-Token", "name: Authorization", ""},
		{"auth: {anonymous: true}", "auth: {anonymous: true, allow_from: [192.0.2.1]}", "warning: sources.first.auth.anonymous: what else stands in auth must hold all the same"},
		{"auth: {anonymous: true}", "auth: {allow_from: [192.0.2.1]}", ""},
		{"auth: {anonymous: true}", "auth: {allow_from: [192.0.2.1, '::/0']}", "sources.first: anybody on the network could send events to it"},
		{"auth: {anonymous: true}", "auth: {}", "sources.first: anybody on the network could send events to it"},
		{"signature: [whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3]", "signature: [MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3]", ""},
		{"signature: [whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3]", "signature: [whsec_MDEyMw==]", "warning: sources.second-of-the-alphabet.auth.signature[0]: the secret is 4 bytes, 24 to 64 are usual"},
		{"max_body: 1MiB", "max_body: 64MiB", ""},
		{"max_body: 1MiB", "max_body: 0", "sources.second-of-the-alphabet.max_body: must be 1 to 64MiB"},
		{"dedupe: {window: 1h, key: ticket}", "dedupe: {window: 0s}", ""},
		{"dedupe: {window: 1h, key: ticket}", "dedupe: {window: 91d}", "sources.second-of-the-alphabet.dedupe.window: must be 0s to 90d"},
		{"dedupe: {window: 1h, key: ticket}", "dedupe: {key: ticket + }", "sources.second-of-the-alphabet.dedupe.key: "},
		{"keep_refused: {for: 1d, max: 10}", "keep_refused: {for: 0s, max: 0}", ""},
		{"keep_refused: {for: 1d, max: 10}", "keep_refused: {max: -1}", "sources.second-of-the-alphabet.keep_refused.max: must be 0 to 1000000"},
		{"name: first-rule", "name: _first", "rules[0].name: a name is made of a-z"},
		{"name: first-rule", "name: 1st_rule-", ""},
		{"name: first-rule", "name: drop", ""},
		{"retry: {initial: 100ms,", "retry: {initial: 1ms,", ""},
		{"retry: {initial: 100ms,", "retry: {initial: 0s,", "targets.zeta.retry.initial: must be 1ms to 365d"},
		{"retry: {initial: 100ms,", "retry: {initial: 3m,", "targets.zeta.retry.max: initial must not be longer than max"},
		{"max_age: 0s", "max_age: -1s", "targets.zeta.retry.max_age: must be 0s to 365d"},
		{"quick: 0", "quick: -1", "targets.zeta.retry.quick: must be 0 to 10"},
		{"rate: 30/m", "rate: none", ""},
		{"concurrency: 2", "concurrency: 1024", ""},
		{"concurrency: 2", "concurrency: 1025", "targets.zeta.concurrency: must be 1 to 1024"},
		{"log: {level: debug, format: json}", "log: {level: error, format: text}", ""},
		{"log: {level: debug, format: json}", "log: {level: DEBUG}", `log.level: "DEBUG" is none of`},
		{"to: [gamma, zeta], backlog_age: 30m", "to: [], backlog_age: 0s", ""},
		{"log: {level: debug, format: json}", "privacy: {fields: [full_name, cifcod]}", ""},
		{"to: [gamma, zeta]", "to: [gamma, zet]", `alarms.to[1]: there is no target "zet"`},
		{`must_route: [region == "EU"]`, "must_route: []", ""},
		{`must_route: [region == "EU"]`, `must_route: [regio == "EU"]`, `must_route[0]: unknown name "regio"`},
	} {
		if strings.Count(full, c.from) != 1 {
			t.Fatalf("%q is not once in full.yaml", c.from)
		}
		before, _, _ := strings.Cut(full, c.from)
		line := 1 + strings.Count(before, "\n")
		_, problems := Parse("testdata/full.yaml", []byte(strings.Replace(full, c.from, c.to, 1)), Options{Lookup: nobody})
		if c.to == "name: drop" {
			line, c.want = line+6, `rule "drop": rules[0] has the same name`
		}
		switch {
		case c.want == "" && len(problems) > 0:
			t.Errorf("%s: %s", c.to, problems[0])
		case c.want != "" && len(problems) == 0:
			t.Errorf("%s is taken", c.to)
		case c.want != "":
			_, message, _ := strings.Cut(problems[0].String(), ": ")
			// A section is reported at its key, one line up where it is an entry of its own.
			if !strings.HasPrefix(message, c.want) || problems[0].Line != line && !strings.HasPrefix(c.want, "sources.first: ") {
				t.Errorf("%s in line %d: %s", c.to, line, problems[0])
			}
		}
	}
}

// TestAllMistakesAreReportedAtOnce: one run of check is enough.
func TestAllMistakesAreReportedAtOnce(t *testing.T) {
	_, problems := parse(t, `
sever: {}
log: {level: loud, formt: json}
sources:
  Preventor: {path: webhooks, preset: invite, auth: {basic: [{username: a, password: "${env:NONE}"}]}}
rules:
  - {name: all, when: transaction_statu == "REJECTED", to: [api, nowhere]}
  - {name: all, when: attempts, to: [api]}
targets:
  api: {http: {url: "https://api.example/cases", timeout: 5}, rate: fast, concurrency: 0}
`)
	want := []string{
		"2:1", "3:14", "3:20", "5:3", "5:21", "5:39", "5:86",
		"7:23", "7:66", "8:12", "8:23", "10:59", "10:69", "10:88",
	}
	var got []string
	for _, p := range problems {
		_, rest, _ := strings.Cut(p.String(), ":")
		got = append(got, strings.Join(strings.SplitN(rest, ":", 3)[:2], ":"))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("want %v, got %v\n%s", want, got, problems)
	}
}
