package target_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

const secretWord = "CANARYSECRET"

// previewed is a target's preview, in which no secret may show.
func previewed(t *testing.T, to target.Target, m *target.Message) target.Preview {
	t.Helper()
	shows, ok := to.(target.Previewer)
	if !ok {
		t.Fatalf("%s shows no preview", to.Kind())
	}
	p, err := shows.Preview(m)
	if err != nil {
		t.Fatal(err)
	}
	all := p.Kind + p.Method + p.URL + p.Body + p.Subject + p.Text + p.HTML
	for _, l := range p.Header {
		all += l.Name + l.Value
	}
	if strings.Contains(all, secretWord) {
		t.Errorf("a secret shows: %+v", p)
	}
	if p.Kind != to.Kind() {
		t.Errorf("kind is %q", p.Kind)
	}
	return p
}

// headers are as lines, for a diff.
func headers(p target.Preview) string {
	var b strings.Builder
	for _, l := range p.Header {
		b.WriteString(l.Name + ": " + l.Value + "\n")
	}
	return b.String()
}

func TestPreviewOfHTTPIsWhatIsSentWithoutItsSecrets(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL()+"/"+secretWord+"/{{ id }}?t="+secretWord+"&who={{ full_name }}", func(c *target.HTTPConfig, _ *target.Deps) {
		c.Headers = map[string]secret.String{
			"X-Token": secret.New(secretWord), "X-Person": secret.New("{{ cifcod }}"), "X-Mixed": secret.New(secretWord + " {{ attempts }}"),
		}
		c.Auth.Bearer = secret.New(secretWord)
		c.Sign = []secret.String{secret.New("whsec_Q0FOQVJZU0VDUkVU"), secret.New("whsec_Q0FOQVJZU0VDUkVUMg==")}
		c.JSON = map[string]any{"case": "{{ id }}", "who": "{{ full_name }}", "tries": "{{ attempts }}"}
	})
	m := message(t, strings.Replace(sample, "Jon Doe", `O'Brien & <b>\"x\"`, 1))
	p := previewed(t, h, m)
	if r := h.Send(t.Context(), m); r.Outcome != event.Delivered {
		t.Fatal(r)
	}
	sent := receiver.Requests()[0]
	if diff := cmp.Diff(string(sent.Body), p.Body); diff != "" {
		t.Errorf("sent, previewed:\n%s", diff)
	}
	for _, l := range p.Header {
		if sent.Header.Get(l.Name) == "" {
			t.Errorf("%s was not sent", l.Name)
		}
		if !strings.Contains(l.Value, "[") && sent.Header.Get(l.Name) != l.Value {
			t.Errorf("%s: sent %q, previewed %q", l.Name, sent.Header.Get(l.Name), l.Value)
		}
	}
	host, _, _ := strings.Cut(strings.TrimPrefix(receiver.URL(), "http://"), "/")
	wantURL := "http://" + host + "/[redacted]8d2c9a0e-6f7b-4c35-9d1e-2b7a4c1f0e55[redacted]O%27Brien+%26+%3Cb%3E%22x%22"
	if p.URL != wantURL || p.Method != http.MethodPost {
		t.Errorf("%s %s, want %s", p.Method, p.URL, wantURL)
	}
	const want = `Authorization: [redacted]
Content-Type: application/json
Idempotency-Key: 0198c5a2-4f10-7abc-8def-0123456789ab.case-api
Traceparent: 00-0198c5a24f107abc37bc048d159e26ae-[span]-01
User-Agent: invitation-relay/1.2.3
Webhook-Id: 0198c5a2-4f10-7abc-8def-0123456789ab
Webhook-Signature: v1,[signature] v1,[signature]
Webhook-Timestamp: [1795398068]
X-Mixed: [redacted]3
X-Person: C-100234
X-Token: [redacted]
`
	if diff := cmp.Diff(want, headers(p)); diff != "" {
		t.Error(diff)
	}
}

func TestPreviewOfHTTPWithoutJSONIsTheBodyReceived(t *testing.T) {
	h := newHTTP(t, "https://user:"+secretWord+"@api.example/", nil)
	odd := "{ \"id\":\"i-1\",\n \"x\":1.0 }"
	if p := previewed(t, h, message(t, odd)); p.Body != odd || p.URL != "https://api.example/" {
		t.Errorf("%+v", p)
	}
}

func TestPreviewOfSlackIsWhatIsPosted(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	for _, change := range []func(*target.SlackConfig){
		nil,
		func(c *target.SlackConfig) { c.Text = "*{{ full_name }}* was rejected" },
	} {
		s := newSlack(t, receiver.URL()+"/services/"+secretWord, change)
		m := message(t, strings.Replace(sample, "Jon Doe", "<!channel> *x*", 1))
		p := previewed(t, s, m)
		s.Send(t.Context(), m)
		all := receiver.Requests()
		if diff := cmp.Diff(string(all[len(all)-1].Body), p.Body); diff != "" {
			t.Error(diff)
		}
		if !strings.HasSuffix(p.URL, "/[redacted]") || !strings.Contains(headers(p), "Content-Type: application/json") {
			t.Errorf("%s\n%s", p.URL, headers(p))
		}
	}
}

func TestPreviewSaysWhyAMessageCannotBeMade(t *testing.T) {
	s := newSlack(t, "https://hooks.slack.com/services/x", func(c *target.SlackConfig) { c.Text = "{{ confidence_score > 3 }}" })
	_, err := s.Preview(message(t, sample))
	if err == nil || !strings.Contains(err.Error(), "text cannot be filled in") {
		t.Error(err)
	}
}

func TestPreviewOfMailHasBothHalvesAndItsHeaders(t *testing.T) {
	c := target.EmailConfig{
		Host: "mail.example", From: "Relay <relay@example.org>", To: []string{"a@example.org", "b@example.org"},
		Username: "relay", Password: secret.New(secretWord),
	}
	c.SetDefaults()
	e, err := target.NewEmail("archive", c, target.Deps{Env: testEnv(t), Version: "1.2.3"})
	if err != nil {
		t.Fatal(err)
	}
	m := message(t, strings.Replace(sample, "Jon Doe", `O'Brien <b>\nBcc: x@example.org`, 1))
	for i, rcpt := range e.Recipients() {
		m.Recipient = rcpt
		p := previewed(t, e, m)
		if want := "To: <" + string("ab"[i]) + "@example.org>\n"; !strings.Contains(headers(p), want) || strings.Contains(headers(p), "\nBcc:") {
			t.Error(headers(p))
		}
		if p.Subject != "Verification rejected: O'Brien <b> Bcc: x@example.org (3 attempts)" ||
			!strings.Contains(p.Text, "O'Brien <b> Bcc") || !strings.Contains(p.HTML, "O&#39;Brien &lt;b&gt; Bcc") {
			t.Errorf("%+v", p)
		}
	}
	m.Recipient = "gone"
	if _, err := e.Preview(m); err == nil {
		t.Error("a recipient nobody knows has a mail")
	}
}

func TestPreviewOfTheLogIsItsLine(t *testing.T) {
	c := target.LogConfig{Level: "warn"}
	l, err := target.NewLog("journal", c, target.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	p := previewed(t, l, message(t, sample))
	if strings.Contains(p.Text, "Jon Doe") || !strings.HasPrefix(p.Text, "level=WARN msg=event ") || strings.Contains(p.Text, "\n") {
		t.Errorf("%q", p.Text)
	}
}

func TestPreviewOfSlackWithATokenShowsTheChannelAndNotTheToken(t *testing.T) {
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c := target.SlackConfig{Token: secret.New("xoxb-" + secretWord), Channel: "C1", APIURL: server.URL() + "/api"}
	s := buildSlack(t, c, target.Deps{Env: testEnv(t)})
	p := previewed(t, s, message(t, sample))
	if r := s.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered {
		t.Fatal(r)
	}
	if diff := cmp.Diff(string(slack.Messages()[0].JSON), p.Body); diff != "" {
		t.Error(diff)
	}
	if p.URL != server.URL()+"/api/chat.postMessage" || !strings.Contains(headers(p), "Authorization: [redacted]\n") {
		t.Errorf("%s\n%s", p.URL, headers(p))
	}
}
