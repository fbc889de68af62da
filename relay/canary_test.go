package relay_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/relaytest"
)

// canaries are what must never leave by a log line, a metric, an error, an
// answer, a list or a URL: who a person is, and every secret of the config.
var canaries = []string{
	"Canary Person", "C-CANARY-77", // full_name, cifcod
	"canary-basic-password", "canary-header-token", "canary-key-0123456789-ABCDEFGHIJ",
	"CANARYHOOK", "canary-url-token", "canary-bearer", "canary-smtp-password", "canary-recipient",
	"Y2FuYXJ5", // base64 of canary…
}

const canaryConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%[1]s"}
log: {level: debug}
sources:
  plain:
    path: /plain
    fields: {score: number}
    auth:
      basic: [{username: vendor, password: canary-basic-password}]
      headers: [{name: X-Relay-Token, value: canary-header-token}]
  enc:
    path: /enc
    auth: {basic: [{username: vendor, password: canary-basic-password}]}
    encryption: {keys: ["canary-key-0123456789-ABCDEFGHIJ"]}
rules:
  - {name: breaks, when: 'score > 3', to: [dead]}
  - {name: all, when: 'full_name != ""', to: [dead, gone, echo, moved, slack, mail]}
targets:
  dead:  {http: {url: "%[2]s/canary-url-token?t=canary-url-token", auth: {bearer: canary-bearer}}, retry: {initial: 1ms, max: 1ms, max_age: 1s, quick: 0}}
  gone:  {http: {url: "http://user:canary-url-token@127.0.0.1:1/canary-url-token"}, retry: {initial: 1ms, max: 1ms, max_age: 1s, quick: 1}}
  echo:  {http: {url: "%[3]s/{{ cifcod }}/canary-url-token", headers: {X-Name: "{{ full_name }}"}}, retry: {initial: 1ms, max: 1ms, max_age: 1s}}
  moved: {http: {url: "%[4]s/canary-url-token"}, retry: {initial: 1ms, max: 1ms, max_age: 1s}}
  slack: {slack: {webhook_url: "%[5]s/services/T0/B0/CANARYHOOK"}, rate: none, retry: {initial: 1ms, max: 1ms, max_age: 1s}}
  mail:  {email: {host: 127.0.0.1, port: %[6]d, tls: none, from: relay@relay.example, to: [canary-recipient@relay.example]}, rate: none, retry: {initial: 1ms, max: 1ms, max_age: 1s}}
`

// echo answers with all that it was sent, as a careless endpoint would.
func echo(status int) relaytest.Step {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s %v Canary Person C-CANARY-77", r.URL, r.Header)
	}
}

// operate looks at every event and delivery, and does everything that can be done.
func (w *world) operate() {
	see := func(method, path string) {
		_, answer := w.send(method, w.admin+path)
		w.seen = append(w.seen, method+" "+path[:strings.IndexAny(path+"?", "?")]+"\n"+answer)
	}
	for _, e := range append(w.list("/api/v1/events"), w.list("/api/v1/events?refused=true")...) {
		see(http.MethodGet, "/api/v1/events/"+e.ID)
		see(http.MethodPost, "/api/v1/events/"+e.ID+"/replay")
	}
	for _, d := range w.list("/api/v1/deliveries?limit=1000") {
		see(http.MethodGet, "/api/v1/deliveries/"+d.ID)
		see(http.MethodPost, "/api/v1/deliveries/"+d.ID+"/discard")
		see(http.MethodPost, "/api/v1/deliveries/"+d.ID+"/retry")
	}
	for _, name := range []string{"dead", "gone", "echo", "moved", "slack", "mail", "Canary%20Person"} {
		for _, what := range []string{"hold", "release", "send-test", "send-test?source=Canary%20Person"} {
			see(http.MethodPost, "/api/v1/targets/"+name+"/"+what)
		}
	}
	for _, path := range []string{
		"deliveries/retry?cifcod=C-CANARY-77", "deliveries/discard?state=dead&cifcod=C-CANARY-77", "events/replay?cifcod=C-CANARY-77",
		"events/replay?refused=true&since=1h", "events/Canary%20Person/replay", "deliveries/Canary%20Person/retry",
	} {
		see(http.MethodPost, "/api/v1/"+path)
	}
	see(http.MethodGet, "/api/v1/status")
}

func TestNoNameAndNoSecretLeavesByLogMetricErrorOrAPI(t *testing.T) {
	slack, slackServer, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(slackServer.Close)
	slack.Script(relaytest.Body(500, "Canary Person"), relaytest.Body(400, "invalid_payload C-CANARY-77"), relaytest.Body(404, "no_service"))
	mail := relaytest.StartSMTP(t, relaytest.SMTPWithScript(relaytest.SMTPRecipient,
		relaytest.SMTPAnswer{Code: 451, Text: "canary-recipient is busy"}, relaytest.SMTPAnswer{Code: 550, Text: "no canary-recipient here"}))
	dead := relaytest.NewTarget(t, echo(500), echo(400), echo(401))
	echoes := relaytest.NewTarget(t, echo(502), echo(422))
	moved := relaytest.NewTarget(t, relaytest.Redirect(302, "http://127.0.0.1:1/canary-url-token"))

	yaml := fmt.Sprintf(canaryConfig, filepath.Join(t.TempDir(), "relay.db"), dead.URL(), echoes.URL(), moved.URL(), slackServer.URL(), mail.Port())
	w := startWorld(t, yaml)
	person := `{"id":"i-%d","full_name":"Canary Person","cifcod":"C-CANARY-77","transaction_status":"REJECTED","attempts":3,"score":%s}`
	basic := "Basic dmVuZG9yOmNhbmFyeS1iYXNpYy1wYXNzd29yZA=="

	w.post("/plain", fmt.Sprintf(person, 1, `"Canary Person"`), "Authorization", basic, "X-Relay-Token", "canary-header-token")
	w.post("/plain", fmt.Sprintf(person, 2, `1`), "Authorization", basic, "X-Relay-Token", "canary-header-token")
	w.post("/plain", fmt.Sprintf(person, 3, `1`), "Authorization", basic, "X-Relay-Token", "canary-header-token-not")
	w.post("/plain", fmt.Sprintf(person, 4, `1`), "Authorization", "Basic Y2FuYXJ5OmNhbmFyeQ==")
	w.post("/plain", `{"id":"Canary Person","attempts":"C-CANARY-77"}`, "Authorization", basic, "X-Relay-Token", "canary-header-token")
	w.post("/plain", `{"full_name":"Canary Person",`, "Authorization", basic, "X-Relay-Token", "canary-header-token")
	w.post("/enc", fmt.Sprintf(person, 5, `1`), "Authorization", basic)
	w.post("/enc", "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5", "Authorization", basic, "x-pvt-cipher-iv", "Y2FuYXJ5Y2FuYXJ5Y2FuYQ==")
	w.post("/Canary%20Person?name=C-CANARY-77", "{}")

	w.until("every delivery has been tried", func() bool {
		tried := strings.Count(w.get("/api/v1/deliveries?limit=1000"), `"attempts":0`)
		return tried == 0
	})
	for _, path := range []string{
		"/metrics", "/readyz", "/livez", "/api/v1/events", "/api/v1/events?refused=true", "/api/v1/deliveries", "/api/v1/targets",
		"/api/v1/rules", "/api/v1/status", "/api/v1/events?cifcod=C-CANARY-77&x=1", "/api/v1/events?state=Canary+Person",
	} {
		w.seen = append(w.seen, path[:strings.IndexAny(path+"?", "?")]+"\n"+w.get(path))
	}
	w.operate()
	w.stop()
	w.seen = append(w.seen, "the log\n"+w.log.String())
	if !strings.Contains(w.log.String(), "retry") && !strings.Contains(w.log.String(), "attempt") {
		t.Error("the log says nothing of failed attempts: this test would see nothing")
	}
	for _, text := range w.seen {
		for _, c := range canaries {
			if i := strings.Index(text, c); i >= 0 {
				t.Errorf("%q is in %s: …%s…", c, text[:strings.Index(text, "\n")], text[max(0, i-200):min(len(text), i+100)])
			}
		}
	}
}
