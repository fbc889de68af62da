package target_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/target"
)

// burst are messages a minute apart.
func burst(t testing.TB, bodies ...string) []*target.Message {
	t.Helper()
	var ms []*target.Message
	for i, body := range bodies {
		m := message(t, body)
		m.Event.ReceivedAt = received.Add(time.Duration(i) * time.Minute)
		ms = append(ms, m)
	}
	return ms
}

// person is the sample with another name, status and ticket.
func person(name, status, ticket string) string {
	b, _ := json.Marshal(name) // a string always has a form
	return strings.NewReplacer(`"Jon Doe"`, string(b), "REJECTED", status, "3f0b7c52-91de-4f4a-8a57-0c6c1f2d9b10", ticket).Replace(sample)
}

// seen is a message as a golden file has it: what a person sees, and what was sent.
func seen(t *testing.T, m relaytest.SlackMessage) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(m.Top + "\n\n" + m.Text() + "\n\n")
	if err := json.Indent(&b, m.JSON, "", "  "); err != nil {
		t.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

func TestSlackDigestIsOneReadableMessage(t *testing.T) {
	slack, s := workspace(t, nil)
	ms := burst(t, person("Jon Doe", "REJECTED", "t-1"), person("O'Brien & Söhne", "ACCEPTED", "t-2"), person("", "REJECTED", "t-3"),
		person("Ana", "REJECTED", "t-4"), person("<!channel> *x*", "ACCEPTED", "`t`-5"), person("Li", "REJECTED", "t-6"), person("Bo", "REJECTED", "t-7"))
	ms[3].Event.Kind = event.Replayed
	if r := s.SendDigest(t.Context(), ms); r.Outcome != event.Delivered || r.Tries != 1 {
		t.Fatalf("%+v %+v", r, slack.Refused())
	}
	m := slack.Messages()[0]
	if live := m.Live(); len(live) > 0 {
		t.Errorf("live: %q", live)
	}
	golden(t, "slack_digest.txt", seen(t, m))
}

func TestSlackDigestIsCutToWhatSlackTakes(t *testing.T) {
	slack, s := workspace(t, nil)
	for n, more := range map[int]string{2: "", 50: "", 51: "… and 1 more", 1000: "… and 950 more"} {
		if r := s.SendDigest(t.Context(), burst(t, slices.Repeat([]string{sample}, n)...)); r.Outcome != event.Delivered {
			t.Fatalf("%d: %+v %+v", n, r, slack.Refused())
		}
		all := slack.Messages()
		text := all[len(all)-1].Text()
		if !strings.HasPrefix(text, fmt.Sprint(n, " verifications rejected\n")) || strings.Contains(text, "more") != (more != "") || !strings.Contains(text, more) {
			t.Errorf("%d:\n%.200s", n, text)
		}
	}
	long := person(strings.Repeat("<ä&😀 ", 1000), strings.Repeat("WORSE<&> ", 500), strings.Repeat("t", 5000))
	if r := s.SendDigest(t.Context(), burst(t, slices.Repeat([]string{long}, 100)...)); r.Outcome != event.Delivered || r.Reason != "" {
		t.Fatalf("%+v %+v", r, slack.Refused())
	}
}

// TestSlackDigestDoesNotTellWhatTheConfigsOwnWordsLeaveOut: whoever wrote a text
// without names wants none in a digest.
func TestSlackDigestDoesNotTellWhatTheConfigsOwnWordsLeaveOut(t *testing.T) {
	section := []any{map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": "{{ id }}"}}}
	for want, change := range map[string]func(*target.SlackConfig, *target.Deps){
		"*case* t-1\n*case* t-2": func(c *target.SlackConfig, _ *target.Deps) { c.Text = "*case*\n{{ ticket }}" },
		"*Verification rejected* · 3 attempts · `t-1` · 01:41:07\n*Verification rejected* · 3 attempts · `t-2` · 01:42:07": func(c *target.SlackConfig, _ *target.Deps) { c.Blocks = section },
	} {
		slack, s := workspace(t, change)
		if r := s.SendDigest(t.Context(), burst(t, person("Jon Doe", "REJECTED", "t-1"), person("Ana", "REJECTED", "t-2"))); r.Outcome != event.Delivered {
			t.Fatalf("%+v %+v", r, slack.Refused())
		}
		text, _ := slack.Messages()[0].Blocks[1]["text"].(map[string]any)
		if text["text"] != want {
			t.Errorf("got %q, want %q", text["text"], want)
		}
	}
}

func TestSlackDigestWhoseFormIsRefusedStillSaysEachEvent(t *testing.T) {
	slack, s := workspace(t, nil)
	slack.Script(relaytest.Body(200, `{"ok":false,"error":"invalid_blocks"}`))
	if r := s.SendDigest(t.Context(), burst(t, person("Jon Doe", "REJECTED", "t-1"), person("<!here>", "REJECTED", "t-2"))); r.Outcome != event.Delivered || r.Tries != 2 {
		t.Fatalf("%+v", r)
	}
	m := slack.Messages()[0]
	const want = "2 verifications rejected\n*Verification rejected* · Jon Doe · 3 attempts · `t-1` · 01:41:07\n" +
		"*Verification rejected* · &lt;!here&gt; · 3 attempts · `t-2` · 01:42:07"
	if m.Top != want || len(m.Live()) > 0 {
		t.Errorf("got %q", m.Top)
	}
}

// TestSlackDigestHasALineForEveryEventThatCountsAsDelivered: however long they are.
func TestSlackDigestHasALineForEveryEventThatCountsAsDelivered(t *testing.T) {
	slack, s := workspace(t, func(c *target.SlackConfig, _ *target.Deps) {
		c.Text = "{{ ticket }} " + strings.Repeat("of whom there is much to say, ", 20)
	})
	var bodies []string
	for i := range target.MaxSlackDigest {
		bodies = append(bodies, person("Jon Doe", "REJECTED", fmt.Sprintf("t-%02d.", i)))
	}
	if r := s.SendDigest(t.Context(), burst(t, bodies...)); r.Outcome != event.Delivered || r.Tries != 1 {
		t.Fatalf("%+v %+v", r, slack.Refused())
	}
	text := slack.Messages()[0].Text()
	for i := range bodies {
		if !strings.Contains(text, fmt.Sprintf("t-%02d.", i)) {
			t.Errorf("event %d is not told", i)
		}
	}
	slack.Script(relaytest.Body(200, `{"ok":false,"error":"invalid_blocks"}`))
	if r := s.SendDigest(t.Context(), burst(t, bodies...)); r.Outcome != event.Rejected || r.Tries != 1 {
		t.Errorf("plain text has no room for all, and yet: %+v", r)
	}
}

func TestSlackAlarmIsTheRelaysOwnMessage(t *testing.T) {
	slack, s := workspace(t, func(c *target.SlackConfig, _ *target.Deps) { c.Text = "{{ full_name }} of mine" })
	for name, body := range map[string]string{
		"began": `{"alarm":"target_held","state":"began","subject":"risk-slack","reason":"Slack answered is_archived: the channel is archived; unarchive it",` +
			`"command":"invitation-relay targets release risk-slack","since":"2026-11-23T01:40:00Z","event_id":"0198c5a2-4f10-7abc-8def-0123456789ac"}`,
		"ended":   `{"alarm":"backlog","state":"ended","subject":"case-api","since":"2026-11-23T01:40:00Z"}`,
		"hostile": `{"alarm":"<!here>","state":"*began*","subject":"<!channel> <https://evil.example|x>","reason":"@here https://evil.example","command":"rm ` + "`<!here>`" + `"}`,
	} {
		m := message(t, body)
		m.Event.Kind, m.Event.Source = event.Alarm, "alarms"
		if r := s.Send(t.Context(), m); r.Outcome != event.Delivered {
			t.Fatalf("%s: %+v %+v", name, r, slack.Refused())
		}
		all := slack.Messages()
		if live := all[len(all)-1].Live(); len(live) > 0 {
			t.Errorf("%s: live: %q", name, live)
		}
		golden(t, "slack_alarm_"+name+".txt", seen(t, all[len(all)-1]))
	}
}

func TestSlackTestSaysSoBeforeTheConfigsOwnText(t *testing.T) {
	for text, want := range map[string]string{
		"*{{ full_name }}*": "[test] *Jon Doe*",
		"{{ cifcod[0:0] }}": "[test] Verification rejected: Jon Doe (3 attempts)",
	} {
		slack, s := workspace(t, func(c *target.SlackConfig, _ *target.Deps) { c.Text = text })
		m := message(t, sample)
		m.Event.Kind = event.Test
		s.Send(t.Context(), m)
		if got := slack.Messages()[0].Top; got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestNoNameActsOnAnyWay: whatever a stranger calls himself, it neither mentions,
// links nor adds a line, wherever it is shown.
func TestNoNameActsOnAnyWay(t *testing.T) {
	hostile := samples()
	type world struct {
		slack *relaytest.Slack
		s     *target.Slack
	}
	worlds := map[bool]world{} // by whether the config has a text of its own
	for own, text := range map[bool]string{false: "", true: "{{ full_name }} has {{ ticket }}"} {
		slack, s := workspace(t, func(c *target.SlackConfig, _ *target.Deps) { c.Text = text })
		worlds[own] = world{slack, s}
	}
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		body := hostile[name]
		ways := map[string]func(*relaytest.Slack, *target.Slack) target.Result{
			"message": func(_ *relaytest.Slack, s *target.Slack) target.Result { return s.Send(t.Context(), message(t, body)) },
			"digest": func(_ *relaytest.Slack, s *target.Slack) target.Result {
				return s.SendDigest(t.Context(), burst(t, body, body))
			},
			"plain": func(slack *relaytest.Slack, s *target.Slack) target.Result {
				slack.Script(relaytest.Body(200, `{"ok":false,"error":"invalid_blocks"}`))
				return s.Send(t.Context(), message(t, body))
			},
			"plain digest": func(slack *relaytest.Slack, s *target.Slack) target.Result {
				slack.Script(relaytest.Body(200, `{"ok":false,"error":"invalid_blocks"}`))
				return s.SendDigest(t.Context(), burst(t, body, body))
			},
		}
		for way, send := range ways {
			for own, w := range worlds {
				slack, s := w.slack, w.s
				before := len(slack.Messages())
				r := send(slack, s)
				if r.Outcome == event.Rejected && own {
					continue // a text of one's own has nothing plainer
				}
				if r.Outcome != event.Delivered {
					t.Fatalf("%s, %s: %+v %+v", name, way, r, slack.Refused())
				}
				for _, m := range slack.Messages()[before:] {
					if live := m.Live(); len(live) > 0 {
						t.Errorf("%s, %s: live: %q", name, way, live)
					}
				}
			}
		}
	}
}
