package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay"
)

// command runs a command as Run does, and returns what it printed. What differs
// from build to build reads VERSION.
func command(t testing.TB, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	w := &world{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, lookup: os.LookupEnv, files: os.DirFS("../..")}
	root := newRoot(w)
	root.SetArgs(args)
	code = exitCode(root.ExecuteContext(t.Context()), &errs)
	return code, strings.ReplaceAll(out.String(), version(), "VERSION"), errs.String()
}

// everything is a config with every kind of target, and a secret wherever there
// can be one.
const everything = `
server: {listen: "127.0.0.1:8080"}
sources:
  preventor:
    path: /webhooks/invitation
    auth: {basic: [{username: vendor, password: CANARY-basic}], headers: [{name: X-Relay, value: CANARY-header}]}
    fields: {score: number}
  encrypted: {path: /encrypted, auth: {basic: [{username: vendor, password: CANARY-basic}]}, encryption: {keys: ["CANARY key of 32 bytes, private."]}}
rules:
  - {name: rejected, when: 'transaction_status == "REJECTED" && attempts >= 3', to: [risk, blocks, cases, raw]}
  - {name: scored, when: score > 0.5, to: [cases]}
  - {name: checked, when: 'any(payload.checks ?? [], .passed == false)', to: [mail], stop: true}
  - {name: rest, when: unmatched, to: [journal]}
targets:
  risk: {slack: {webhook_url: "https://user:CANARY-url@hooks.example/services/CANARY", text: "*{{ full_name }}* was rejected"}}
  blocks:
    slack:
      webhook_url: https://hooks.example/services/CANARY
      blocks: [{type: section, text: {type: mrkdwn, text: "{{ full_name }}: {{ attempts }}"}}]
  cases:
    http:
      url: https://cases.example/CANARY/{{ id }}?token=CANARY&who={{ full_name }}
      headers: {X-Token: CANARY-token, X-Person: "{{ cifcod }}", X-Both: "CANARY {{ cifcod }}"}
      auth: {bearer: CANARY-bearer}
      sign: [whsec_Q0FOQVJZQ0FOQVJZQ0FOQVJZ]
      json: {who: "{{ full_name }}", tries: "{{ attempts }}", late: "{{ received_at }}"}
  raw: {http: {url: "https://raw.example"}}
  mail:
    email: {host: mail.example, username: relay, password: CANARY-smtp, from: Relay <relay@relay.example>, to: [a@relay.example, b@relay.example], subject: "Failed: {{ full_name }}", html: "<b>{{ full_name }}</b>"}
  journal: {log: {}}
`

const hostile = `{"id": "i-1", "transaction_status": "REJECTED", "attempts": 3, "cifcod": "C-77", "full_name": "<!channel> \u001b]0;x\u0007 \u202eO'Brien & Söhne <x>",
 "checks": [{"name": "liveness", "passed": true}, {"name": "\u009b31m", "passed": false}], "\u001b[31mkey\u2066": "` + "\u202e\u009b31m\U000e0041" + `"}`

// goldenText compares with a file in testdata; UPDATE=1 writes it.
func goldenText(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got); UPDATE=1 rewrites it:\n%s", file, diff)
	}
}

func TestExplainOfEveryKindOfTargetReadsWell(t *testing.T) {
	cfg, body := write(t, "relay.yaml", everything), write(t, "hostile.json", hostile)
	code, text, _ := command(t, "explain", "-c", cfg, "--at", "2026-11-23T22:30:00Z", body)
	if code != 0 {
		t.Fatalf("exit %d", code)
	}
	goldenText(t, "explain.txt", text)
	code, text, _ = command(t, "explain", "-c", cfg, "--at", "2026-11-23T22:30:00Z", "--json", body)
	if code != 0 || !json.Valid([]byte(text)) {
		t.Fatalf("exit %d, %s", code, text)
	}
	goldenText(t, "explain.json", text)
}

// The JSON has the message as it leaves, whatever the terminal is shown.
func TestExplainAsJSONHasMessagesToTheByte(t *testing.T) {
	cfg, body := write(t, "relay.yaml", everything), write(t, "hostile.json", hostile)
	_, text, _ := command(t, "explain", "-c", cfg, "--json", body)
	var out relay.Explained
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	for _, m := range out.Messages {
		if m.Target == "raw" && m.Body != hostile {
			t.Errorf("%q", m.Body)
		}
	}
	if len(out.Messages) != 6 {
		t.Errorf("%d messages", len(out.Messages))
	}
}

// runs are explain and test, in all their forms, with hostile payloads and a config
// full of secrets.
func runs(t *testing.T) map[string]string {
	t.Helper()
	cfg, body := write(t, "relay.yaml", everything), write(t, "hostile.json", hostile)
	tests := write(t, "t_test.yaml", "tests:\n"+
		"  - {name: \"it \\e[31m fails\", file: "+body+", expect: {rules: [], messages: {risk: {equals: x, contains: \"\\u202e\"}, cases: {equals: {}}, raw: {lacks: Brien}, mail: {subject: \"\\x1b\"}}}}\n"+
		"  - {name: \"it \\u202e passes\", payload: {}, expect: {status: 422}}\n"+
		"  - {name: \"it \\e[0m is \\u009b mistaken\", payload: {id: 1}, expect: {rules: [\"\\e[31m\"]}, \"\\e[31m\": 1}\n")
	out := map[string]string{}
	for name, args := range map[string][]string{
		"explain":        {"explain", "-c", cfg, body},
		"explain --json": {"explain", "-c", cfg, "--json", body},
		"encrypted":      {"explain", "-c", cfg, "--source", "encrypted", body},
		"refused":        {"explain", "-c", cfg, "--source", "encrypted", "--plain", body},
		"wrong iv":       {"explain", "-c", cfg, "--iv", "AAAA", body},
		"test -v":        {"test", "-c", cfg, "-v", tests},
		"test --json":    {"test", "-c", cfg, "--json", tests},
	} {
		_, stdout, stderr := command(t, args...)
		if len(stdout) < 40 {
			t.Errorf("%s says little: %s %s", name, stdout, stderr)
		}
		out[name] = stdout + stderr
	}
	return out
}

func TestWhatAStrangerWroteCannotSteerTheTerminal(t *testing.T) {
	for name, text := range runs(t) {
		for _, r := range text {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%s: %U reaches the terminal", name, r)
			}
		}
	}
}

func TestNoSecretOfTheConfigIsExplained(t *testing.T) {
	for name, text := range runs(t) {
		for _, secret := range []string{"CANARY", "Q0FOQVJZ"} {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s: a secret shows: %s", name, text[max(0, i-80):min(len(text), i+40)])
			}
		}
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	var plain, coloured bytes.Buffer
	newPage(&plain).line("%s", newPage(&plain).paint(red, "x"))
	p := &page{w: &coloured, colour: true}
	p.line("%s", p.paint(red, "x"))
	if plain.String() != "x\n" || coloured.String() != "\x1b[31mx\x1b[0m\n" {
		t.Errorf("%q, %q", plain.String(), coloured.String())
	}
}
