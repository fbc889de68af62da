package target_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// samples are events a default message is made of, hostile ones too.
func samples() map[string]string {
	named := func(name string) string {
		b, _ := json.Marshal(name) // a string always has a form
		return strings.Replace(sample, `"Jon Doe"`, string(b), 1)
	}
	return map[string]string{
		"rejected":    sample,
		"accepted":    strings.NewReplacer("REJECTED", "ACCEPTED", `"attempts":3`, `"attempts":1`).Replace(sample),
		"unknown":     strings.NewReplacer("REJECTED", "UNDER_REVIEW", "COMPLETED", "RESENT").Replace(sample),
		"no_name":     strings.Replace(sample, `"Jon Doe"`, "null", 1),
		"invitation":  `{"id":"i-1","invitation_state":"EXPIRED"}`,
		"test":        `{}`,
		"mention":     named("<!channel> <@U012AB3CD> @here #general"),
		"link":        named("<https://evil.example|click> https://evil.example evil.example a@evil.example"),
		"format":      named("*bold* _italic_ ~struck~ `code` :tada:\n> quote"),
		"entities":    named("O'Brien & Söhne <x> &lt;!channel&gt;"),
		"rtl":         named("\u202eلمى \u2066x\u2069 שם\u200f"),
		"ids":         `{"id":"` + "`*x*` <!here>" + `","invitation_state":"COMPLETED","ticket":"a.b_c-1","cifcod":"` + strings.Repeat("9", 200) + `"}`,
		"emoji":       named("Jo👩‍👩‍👧n 🎉"),
		"newline":     named("Jon\nStatus: ACCEPTED\r\n\u2028*Ticket*\tx"),
		"long":        named(strings.Repeat("<ä&😀 ", 1000)),
		"progress":    `{"ticket":"t-1","event":"ticket.verification.in_progress","sub_event":"verification.liveness","flow_status":"IN_PROGRESS","disposition":"RETRY","remaining_attempts":2,"data":{"face":"x"}}`,
		"ticket_done": `{"ticket":"t-1","event":"ticket.verification.completed","flow_status":"REJECTED","disposition":"FAILED","risk_code":"R-17","confidence_score":0.42,"data":{}}`,
		"older":       `{"ticket":"t-1","created":1641600622454,"processed":1641600624552,"event":"verification.completed","status":"VERIFIED"}`,
		"json":        `{"type":"<!here> order.paid","amount":12.5,"ok":true,"items":[1,2],"<!channel>":"<!everyone>","who":null}`,
		"many":        `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12}`,
	}
}

// TestSlackDefaultMessagesAreTakenAndHarmless sends every sample to the
// look-alike, which checks it as Slack does; the golden files show what was
// sent and what a person sees of it.
func TestSlackDefaultMessagesAreTakenAndHarmless(t *testing.T) {
	slack, url := lookAlike(t)
	s := newSlack(t, url, nil)
	for name, body := range samples() {
		if r := s.Send(t.Context(), message(t, body)); r.Outcome != event.Delivered {
			t.Errorf("%s: %s (%s), %+v", name, r.Outcome, r.Reason, slack.Refused())
			continue
		}
		all := slack.Messages()
		m := all[len(all)-1]
		if live := m.Live(); len(live) > 0 {
			t.Errorf("%s: live: %q", name, live)
		}
		var b bytes.Buffer
		b.WriteString(m.Text() + "\n\n")
		if err := json.Indent(&b, m.JSON, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, "slack_"+name+".txt", append(b.Bytes(), '\n'))
	}
}

func TestSlackMarksWhatNoSenderCausedJustNow(t *testing.T) {
	slack, url := lookAlike(t)
	s := newSlack(t, url, nil)
	want := map[event.Kind]string{
		event.Received: "Verification rejected", event.Test: "[test] Verification rejected",
		event.Replayed: "[replay] Verification rejected",
	}
	for kind, title := range want {
		m := message(t, sample)
		m.Event.Kind = kind
		s.Send(t.Context(), m)
		all := slack.Messages()
		if text := all[len(all)-1].Text(); !strings.HasPrefix(text, title+"\n") {
			t.Errorf("%s: %s", kind, text)
		}
	}
}

func TestSlackOwnTextAndBlocksAreSentAsFilledIn(t *testing.T) {
	slack, url := lookAlike(t)
	s := newSlack(t, url, func(c *target.SlackConfig) {
		c.Text = "*{{ full_name }}* failed {{ attempts }} times, see <https://cases.example/{{ id }}|the case>"
		c.Blocks = []any{
			map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": "*{{ full_name }}*: {{ attempts }}"}},
			map[string]any{"type": "actions", "elements": []any{map[string]any{
				"type": "button", "text": map[string]any{"type": "plain_text", "text": "Open {{ full_name }}"},
				"url": "https://cases.example/{{ id }}?n={{ full_name }}",
			}}},
		}
	})
	const body = `{"id":"a/../b","full_name":"<!channel> & co","attempts":3}`
	if r := s.Send(t.Context(), message(t, body)); r.Outcome != event.Delivered {
		t.Fatalf("%+v %+v", r, slack.Refused())
	}
	golden(t, "slack_own.json", indent(t, slack.Messages()[0].JSON))
}

func TestSlackOwnBlocksAreCutToFit(t *testing.T) {
	slack, url := lookAlike(t)
	long := "{{ full_name }}"
	text := func(kind, s string) map[string]any { return map[string]any{"type": kind, "text": s} }
	var fields, elements, blocks []any
	for range 15 {
		fields = append(fields, text("mrkdwn", long))
		elements = append(elements, text("plain_text", long))
	}
	fields[0] = text("mrkdwn", "{{ cifcod }}") // empty: Slack refuses those
	blocks = append(blocks,
		map[string]any{"type": "header", "text": text("plain_text", long)},
		map[string]any{"type": "header", "text": text("plain_text", "{{ cifcod }}")},
		map[string]any{"type": "section", "text": text("mrkdwn", long), "fields": fields},
		map[string]any{"type": "section", "text": text("mrkdwn", " {{ cifcod }}")},
		map[string]any{"type": "context", "elements": elements},
		map[string]any{"type": "markdown", "text": long},
		map[string]any{"type": "rich_text", "elements": []any{map[string]any{"type": "rich_text_section", "elements": []any{
			map[string]any{"type": "text", "text": "{{ cifcod }}"}, map[string]any{"type": "text", "text": "x"},
		}}}},
		map[string]any{"type": "actions", "elements": []any{map[string]any{"type": "button", "text": text("plain_text", long)}}},
		map[string]any{"type": "image", "image_url": "https://i.example/{{ id }}.png", "alt_text": long},
	)
	s := newSlack(t, url, func(c *target.SlackConfig) { c.Text, c.Blocks = long, blocks })
	name := strings.Repeat("<ä&😀 ", 3000)
	b, err := json.Marshal(map[string]any{"id": "i", "full_name": name})
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Send(t.Context(), message(t, string(b))); r.Outcome != event.Delivered {
		t.Fatalf("%+v: %s", r, slack.Refused()[0].Why)
	}
	m := slack.Messages()[0]
	if len(m.Blocks) != 7 {
		t.Errorf("%d blocks, want those with something in them, 7", len(m.Blocks))
	}
	if live := m.Live(); len(live) > 0 {
		t.Errorf("live: %q", live)
	}
}

func TestSlackTextThatTurnsOutEmptyIsReplaced(t *testing.T) {
	slack, url := lookAlike(t)
	s := newSlack(t, url, func(c *target.SlackConfig) { c.Text = "{{ cifcod }}" })
	if r := s.Send(t.Context(), message(t, `{"id":"i","transaction_status":"REJECTED"}`)); r.Outcome != event.Delivered {
		t.Fatalf("%+v", r)
	}
	if got := slack.Messages()[0].Top; got != "Verification rejected" {
		t.Errorf("got %q", got)
	}
}

// TestEveryAnswerOfSlackHasTheOutcomeOfTheTable is DESIGN.md section 9 for Slack.
func TestEveryAnswerOfSlackHasTheOutcomeOfTheTable(t *testing.T) {
	table := map[event.Outcome][]string{
		event.Delivered: {"200 ok", "200 ", `200 {"ok":true}`, "200 ok\n", "200 thanks", "201 ok"},
		event.Rejected: {
			"400 invalid_payload", "400 invalid_blocks", "400 invalid_blocks_format", "400 no_text", "400 too_many_attachments",
			"400 msg_too_long", "400 missing_text_or_fallback_or_attachments", "400 words of their own", "413 ", "302 ", "501x",
			`200 {"ok":false,"error":"invalid_blocks"}`, `200 {"ok":false,"error":"no such word"}`, "200 invalid_payload",
		},
		event.Held: {
			"404 no_service", "404 no_service_id", "404 no_active_hooks", "404 no_team", "403 team_disabled", "404 channel_not_found",
			"410 channel_is_archived", "403 action_prohibited", "403 posting_to_general_channel_denied", "403 invalid_token",
			"400 user_not_found", `200 {"ok":false,"error":"not_in_channel"}`, `200 {"ok":false,"error":"is_archived"}`,
			"403 ", "404 <html>", "410 ", "401 ", "407 ", "200 <!DOCTYPE html><title>Sign in</title>",
		},
		event.Retry: {
			"500 rollup_error", "500 ", "502 <html>", "503 ", "504 ", "429 ", "429 ratelimited", "408 ",
			`200 {"ok":false,"error":"ratelimited"}`, `200 {"ok":false,"error":"internal_error"}`,
		},
	}
	for want, answers := range table {
		for _, a := range answers {
			status := 0
			if _, err := fmt.Sscanf(a, "%3d", &status); err != nil {
				t.Fatal(err)
			}
			s := slackAnswering(t, answer(status, a[4:]))
			r := s.Send(t.Context(), message(t, sample))
			if r.Outcome != want || r.Status != status || (r.Reason == "") != (want == event.Delivered) {
				t.Errorf("%s: %s (%s), want %s", a, r.Outcome, r.Reason, want)
			}
		}
	}
}

func TestSlackReasonsForAnOperator(t *testing.T) {
	var b bytes.Buffer
	for _, word := range slices.Sorted(maps.Keys(target.SlackWords())) {
		r := slackAnswering(t, answer(400, word)).Send(t.Context(), message(t, sample))
		fmt.Fprintf(&b, "%s\t%s\n", r.Outcome, r.Reason)
	}
	for _, status := range []int{302, 400, 401, 403, 404, 405, 410, 413, 429, 500, 501, 503} {
		r := slackAnswering(t, answer(status, "private words")).Send(t.Context(), message(t, sample))
		fmt.Fprintf(&b, "%s\t%s\n", r.Outcome, r.Reason)
	}
	golden(t, "slack_reasons.txt", b.Bytes())
}

func TestSlackRateLimitMakesTheTargetWait(t *testing.T) {
	slack, url := lookAlike(t)
	slack.Script(relaytest.Unavailable(429, "30"))
	s := newSlack(t, url, nil)
	if r := s.Send(t.Context(), message(t, sample)); r.Outcome != event.Retry || r.RetryAfter.Seconds() != 30 {
		t.Errorf("%+v", r)
	}
}

func TestSlackUserInTheURLIsSentAsBasicAuth(t *testing.T) {
	receiver := relaytest.NewTarget(t, relaytest.Body(200, "ok"))
	s := newSlack(t, strings.Replace(receiver.URL(), "://", "://jon:s%40cret@", 1), nil)
	s.Send(t.Context(), message(t, sample))
	if got := receiver.Requests()[0].Header.Get("Authorization"); got != "Basic am9uOnNAY3JldA==" {
		t.Errorf("Authorization: %q", got)
	}
}

// lookAlike starts a Slack look-alike and returns its webhook.
func lookAlike(t testing.TB) (*relaytest.Slack, string) {
	t.Helper()
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return slack, server.URL() + "/services/T00/B00/xyz"
}

// newSlack builds a Slack target that posts to url.
func newSlack(t testing.TB, url string, change func(*target.SlackConfig)) *target.Slack {
	t.Helper()
	c := target.SlackConfig{WebhookURL: secret.New(url)}
	if change != nil {
		change(&c)
	}
	return buildSlack(t, c, target.Deps{Env: testEnv(t), Version: "1.2.3"})
}

// slackAnswering builds a Slack target that gets this answer, each time.
func slackAnswering(t testing.TB, a *http.Response) *target.Slack {
	t.Helper()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return buildSlack(t, target.SlackConfig{WebhookURL: secret.New("https://hooks.slack.example/x")}, target.Deps{
		Env: testEnv(t), Transport: transport(func(*http.Request) (*http.Response, error) {
			again := *a
			again.Body = io.NopCloser(bytes.NewReader(body))
			return &again, nil
		}),
	})
}

func buildSlack(t testing.TB, c target.SlackConfig, d target.Deps) *target.Slack {
	t.Helper()
	c.SetDefaults()
	c.Check(d.Env, func(path string, _, _ int, msg, _ string) { t.Fatalf("check: %s %s", path, msg) })
	s, err := target.NewSlack("risk-slack", c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// indent makes JSON readable.
func indent(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(out.Bytes(), '\n')
}
