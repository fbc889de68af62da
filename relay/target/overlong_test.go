package target_test

import (
	"slices"
	"strings"
	"testing"

	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
	"invitation-relay/rules"
)

// TestTextsThatWouldBeCutAreReported: what Slack or a mail's subject has no room
// for, for one event.
func TestTextsThatWouldBeCutAreReported(t *testing.T) {
	env, err := rules.NewEnv(rules.Source{Name: "s", Preset: "invitation"})
	if err != nil {
		t.Fatal(err)
	}
	long := func(n int) string { return strings.Repeat("x", n) }
	section := func(text string) any {
		return map[string]any{"type": "section", "text": map[string]any{"type": "mrkdwn", "text": text}}
	}
	fields := make([]any, 11)
	for i := range fields {
		fields[i] = map[string]any{"type": "mrkdwn", "text": "x"}
	}
	for name, c := range map[string]struct {
		slack  target.SlackConfig
		person string
		want   []string
	}{
		"fits":             {target.SlackConfig{Text: "{{ full_name }}", Blocks: []any{section(long(3000))}}, "Jon", nil},
		"text":             {target.SlackConfig{Text: long(40_001)}, "Jon", []string{"text: of its 40001 characters only the first 39999 would be sent"}},
		"section":          {target.SlackConfig{Blocks: []any{section("x"), section(long(3001))}}, "Jon", []string{"blocks[1].text.text: of its 3001 characters only the first 2999 would be sent"}},
		"short name":       {target.SlackConfig{Blocks: []any{section(long(2990) + "{{ full_name }}")}}, "Jon", nil},
		"long name":        {target.SlackConfig{Blocks: []any{section(long(2990) + "{{ full_name }}")}}, long(11), []string{"blocks[0].text.text: of its 3001 characters only the first 2999 would be sent"}},
		"many":             {target.SlackConfig{Blocks: []any{map[string]any{"type": "section", "fields": fields}}}, "Jon", []string{"blocks[0].fields: of its 11 entries only the first 10 would be sent"}},
		"nothing in it":    {target.SlackConfig{Blocks: []any{section("{{ full_name }}")}}, "", nil},
		"does not compile": {target.SlackConfig{Text: "{{ ful_name }}"}, "Jon", nil},
		"cannot be filled": {target.SlackConfig{Text: long(40_001) + "{{ risk_code + 1 }}"}, "Jon", nil},
	} {
		c.slack.WebhookURL = secret.New("https://hooks.example/services/x")
		var got []string
		in := &rules.Input{Source: "s", Payload: map[string]any{"full_name": c.person}}
		c.slack.Overlong(env, in, func(path string, _, _ int, msg, _ string) { got = append(got, path+": "+msg) })
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	mail := target.EmailConfig{Subject: "{{ full_name }}"}
	for n, want := range map[int]int{20: 0, 2000: 1} {
		reported := 0
		mail.Overlong(env, &rules.Input{Source: "s", Payload: map[string]any{"full_name": long(n)}}, func(path string, _, _ int, _, _ string) {
			if reported++; path != "subject" {
				t.Errorf("at %s", path)
			}
		})
		if reported != want {
			t.Errorf("a subject of %d characters: %d reports", n, reported)
		}
	}
}
