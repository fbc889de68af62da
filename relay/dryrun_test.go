package relay_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/rules"
)

const dryConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%[1]s"}
sources:
  plain: {path: /plain}
  enc: {path: /enc, encryption: {keys: ["a sample key of 32 bytes, public"]}}
rules:
  - {name: rejected, when: 'transaction_status == "REJECTED" && attempts >= 3', to: [slack, own, mail]}
  - {name: quiet, when: 'attempts > 0', to: [body], shadow: true}
  - {name: rest, when: unmatched, to: [body]}
targets:
  slack: {slack: {webhook_url: "%[2]s/services/T0/B0/x"}, rate: none}
  own: {http: {url: "%[2]s/{{ ticket }}", json: {who: "{{ full_name }}", tries: "{{ attempts }}"}}}
  body: {http: {url: "%[2]s/body"}}
  mail: {email: {host: 127.0.0.1, port: %[3]d, tls: none, from: relay@relay.example, to: [a@relay.example, b@relay.example]}, rate: none}
`

const dryBody = `{"id":"i-%d","full_name":"<!channel> O'Brien & \"x\"","ticket":"t/1","transaction_status":"%s","attempts":3}`

func dryRun(t *testing.T, yaml string) *relay.DryRun {
	t.Helper()
	cfg, problems := config.Parse("relay.yaml", []byte(yaml), config.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	d, err := relay.NewDryRun(cfg, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestDryRunMakesTheMessagesARelaySends(t *testing.T) {
	receiver, mail := relaytest.NewTarget(t), relaytest.StartSMTP(t)
	yaml := fmt.Sprintf(dryConfig, filepath.Join(t.TempDir(), "relay.db"), receiver.URL(), mail.Port())
	w, d := startWorld(t, yaml), dryRun(t, yaml)
	for i, status := range []string{"REJECTED", "ACCEPTED"} {
		body := fmt.Sprintf(dryBody, i, status)
		o, err := d.Run(t.Context(), relay.Webhook{Source: "plain", Body: []byte(body), At: time.Now()})
		if err != nil || o.Status != 202 {
			t.Fatal(o, err)
		}
		before, mails := len(receiver.Requests()), len(mail.Mails())
		code, answer := w.post("/plain", body)
		if code != o.Status {
			t.Fatalf("the relay answered %d", code)
		}
		id := strings.Split(answer, `"`)[3]
		var want, wantMail []string
		for _, m := range o.Messages() {
			if m.Err != nil {
				t.Fatal(m.Err)
			}
			if m.Kind == "email" {
				wantMail = append(wantMail, m.Recipient)
				continue
			}
			text := strings.NewReplacer(o.Event.ID.String(), id, o.Event.ID.Short(), id[len(id)-8:]).Replace(m.Body)
			if m.Kind == "slack" { // its footer has the minute
				text, _, _ = strings.Cut(text, "received ")
			}
			want = append(want, text)
		}
		w.until("all has arrived", func() bool {
			return len(receiver.Requests())-before == len(want) && len(mail.Mails())-mails == len(wantMail)
		})
		var got []string
		for _, r := range receiver.Requests()[before:] {
			text := string(r.Body)
			if strings.HasPrefix(r.URI, "/services") {
				text, _, _ = strings.Cut(text, "received ")
			}
			got = append(got, text)
		}
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
			t.Errorf("a dry run makes, the relay sent:\n%s", diff)
		}
	}
}

func TestDryRunIsTheSameEachTime(t *testing.T) {
	d := dryRun(t, fmt.Sprintf(dryConfig, "relay.db", "http://127.0.0.1:1", 2525))
	sent := relay.Webhook{Source: "plain", Body: fmt.Appendf(nil, dryBody, 1, "REJECTED"), At: time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)}
	var before string
	for range 3 {
		o, err := d.Run(t.Context(), sent)
		if err != nil {
			t.Fatal(err)
		}
		all := fmt.Sprintf("%v %+v %v", o.Event.ID, o.Messages(), o.Decision)
		if before != "" && all != before {
			t.Errorf("%s\n%s", before, all)
		}
		before = all
		if id, err := event.ParseID(o.Event.ID.String()); err != nil || id.Seq()>>12 != sent.At.UnixMilli() {
			t.Errorf("the id %v is not that of an event of that time: %v", o.Event.ID, err)
		}
	}
}

func TestDryRunExplainsWhatItDecides(t *testing.T) {
	d := dryRun(t, fmt.Sprintf(dryConfig, "relay.db", "http://127.0.0.1:1", 2525))
	o, err := d.Run(t.Context(), relay.Webhook{Source: "plain", Body: fmt.Appendf(nil, dryBody, 1, "ACCEPTED"), At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	var verdicts []rules.Verdict
	for _, e := range o.Explain() {
		verdicts = append(verdicts, e.Verdict)
	}
	if diff := cmp.Diff(o.Decision.Verdicts, verdicts); diff != "" || !slices.Equal(o.Decision.Targets, []string{"body"}) {
		t.Errorf("%s, %v", diff, o.Decision.Targets)
	}
}

func TestDryRunOfWhatIntakeRefusesSaysWhy(t *testing.T) {
	d := dryRun(t, fmt.Sprintf(dryConfig, "relay.db", "http://127.0.0.1:1", 2525))
	for source, want := range map[string]int{"plain": 422, "enc": 400} {
		o, err := d.Run(t.Context(), relay.Webhook{Source: source, Body: []byte(`{}`), At: time.Now()})
		if err != nil || o.Status != want || o.Reason == "" || o.Event != nil || o.Explain() != nil || o.Messages() != nil {
			t.Errorf("%s: %+v, %v", source, o, err)
		}
	}
	if _, err := d.Run(t.Context(), relay.Webhook{Source: "nowhere"}); err == nil {
		t.Error("a source that is not there took it")
	}
}

// check proves must_route for values as one expects them; what breaks it is a rule
// that fails.
func TestDryRunSaysWhichPromisesAnEventBreaks(t *testing.T) {
	yaml := strings.Replace(fmt.Sprintf(dryConfig, "relay.db", "http://127.0.0.1:1", 2525), "  - {name: rest, when: unmatched, to: [body]}",
		"  - {name: all, when: '(score ?? 0) > 1 || (score ?? 0) <= 1', to: [body]}", 1) + "must_route: ['attempts > 0', 'score != 7', 'attempts > 5']\n"
	yaml = strings.ReplaceAll(yaml, "{path: /", "{fields: {score: number}, path: /")
	d := dryRun(t, yaml)
	for body, want := range map[string][]string{
		`{"id":"i-1","attempts":1,"score":2}`:   nil,
		`{"id":"i-1","attempts":1,"score":"x"}`: {"attempts > 0", "score != 7"},
		`{"id":"i-1","attempts":0}`:             nil,
	} {
		o, err := d.Run(t.Context(), relay.Webhook{Source: "plain", Body: []byte(body), At: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, o.Broken()); diff != "" {
			t.Errorf("%s: %s", body, diff)
		}
	}
}
