package target_test

import (
	"fmt"
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

// workspace starts a Slack look-alike with a channel, and a target that posts to it.
func workspace(t testing.TB, change func(*target.SlackConfig, *target.Deps)) (*relaytest.Slack, *target.Slack) {
	t.Helper()
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	slack.Workspace("xoxb-1", "C1")
	c := target.SlackConfig{Token: secret.New("xoxb-1"), Channel: "C1", APIURL: server.URL() + "/api"}
	d := target.Deps{Env: testEnv(t), Version: "1.2.3"}
	if change != nil {
		change(&c, &d)
	}
	return slack, buildSlack(t, c, d)
}

// tokenAnswering builds a target with a token that gets these answers, one a request.
func tokenAnswering(t testing.TB, change func(*target.SlackConfig), answers ...*http.Response) *target.Slack {
	t.Helper()
	c := target.SlackConfig{Token: secret.New("xoxb-1"), Channel: "C1"}
	if change != nil {
		change(&c)
	}
	return buildSlack(t, c, target.Deps{Env: testEnv(t), Transport: transport(func(*http.Request) (*http.Response, error) {
		a := answers[0]
		answers = answers[1:]
		return a, nil
	})})
}

func failing(word string) *http.Response { return answer(200, `{"ok":false,"error":"`+word+`"}`) }

func TestSlackWithATokenPostsIntoItsChannel(t *testing.T) {
	slack, s := workspace(t, nil)
	if r := s.Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered || r.Status != 200 || r.Tries != 1 || r.Reason != "" {
		t.Fatalf("%+v %+v", r, slack.Refused())
	}
	m := slack.Messages()[0]
	if m.Channel != "C1" || m.ThreadTS != "" || m.Path != "/api/chat.postMessage" || m.Top != "Verification rejected: Jon Doe (3 attempts)" {
		t.Errorf("%+v", m)
	}
}

// TestEveryWordOfSlacksHasAnOutcomeAndAWayOut: with a token each comes in a 200, with
// a webhook with a status. What holds the target names the command that releases it.
func TestEveryWordOfSlacksHasAnOutcomeAndAWayOut(t *testing.T) {
	want := map[event.Outcome][]string{
		event.Rejected: {
			"attachment_payload_limit_exceeded", "cannot_reply_to_message", "invalid_arguments", "invalid_attachments", "invalid_blocks",
			"invalid_blocks_format", "invalid_payload", "invalid_thread_ts", "markdown_text_conflict", "message_not_found", "missing_file_data",
			"missing_text_or_fallback_or_attachments", "msg_blocks_too_long", "msg_too_long", "no_text", "restricted_action_thread_locked",
			"slack_connect_canvas_sharing_blocked", "slack_connect_file_link_sharing_blocked", "slack_connect_lists_sharing_blocked",
			"thread_locked", "thread_not_found", "too_many_attachments", "too_many_contact_cards",
		},
		event.Retry: {
			"external_channel_migrating", "fatal_error", "internal_error", "message_limit_exceeded", "org_login_required", "rate_limited",
			"ratelimited", "request_timeout", "rollup_error", "service_unavailable", "team_added_to_org",
		},
		event.Held: {
			"access_denied", "accesslimited", "account_inactive", "action_prohibited", "app_access_restricted", "as_user_not_supported",
			"channel_is_archived", "channel_not_found", "channel_type_not_supported", "deprecated_endpoint", "ekm_access_denied",
			"enterprise_is_restricted", "invalid_arg_name", "invalid_array_arg", "invalid_auth", "invalid_charset", "invalid_form_data",
			"invalid_json", "invalid_post_type", "invalid_token", "is_archived", "json_not_object", "messages_tab_disabled",
			"method_deprecated", "missing_post_type", "missing_scope", "no_active_hooks", "no_permission", "no_service", "no_service_id",
			"no_team", "not_allowed_token_type", "not_authed", "not_in_channel", "posting_to_general_channel_denied", "restricted_action",
			"restricted_action_non_threadable_channel", "restricted_action_read_only_channel", "restricted_action_thread_only_channel",
			"send_on_behalf_not_allowed", "team_access_not_granted", "team_disabled", "team_not_found", "token_expired", "token_revoked",
			"two_factor_setup_required", "unknown_method", "user_not_found",
		},
	}
	left := target.SlackWords()
	for outcome, words := range want {
		for _, word := range words {
			delete(left, word)
			with := tokenAnswering(t, nil, failing(word), failing(word)).Send(t.Context(), message(t, sample))
			without := slackAnswering(t, answer(400, word)).Send(t.Context(), message(t, sample))
			for _, r := range []target.Result{with, without} {
				if r.Outcome != outcome || !strings.HasPrefix(r.Reason, "Slack answered "+word+": ") {
					t.Errorf("%s: %s (%s), want %s", word, r.Outcome, r.Reason, outcome)
				}
				if !strings.HasSuffix(r.Reason, strings.ReplaceAll(wayOut[outcome], "case-api", "risk-slack")) {
					t.Errorf("%s: %s", word, r.Reason)
				}
			}
			if strings.Contains(with.Reason, "webhook_url") && !strings.HasPrefix(word, "no_") {
				t.Errorf("with a token it speaks of a webhook: %s", with.Reason)
			}
			if strings.Contains(without.Reason, "scope") && word != "missing_scope" && word != "no_permission" {
				t.Errorf("without a token it speaks of one: %s", without.Reason)
			}
		}
	}
	if len(left) > 0 {
		t.Errorf("no outcome is demanded of %v", slices.Sorted(maps.Keys(left)))
	}
}

// TestEveryStatusOfSlacksHasItsOutcome: without an error word.
func TestEveryStatusOfSlacksHasItsOutcome(t *testing.T) {
	want := map[event.Outcome][]int{
		event.Retry:    {408, 425, 429, 500, 502, 503, 504, 505, 520, 599, 101, 999},
		event.Rejected: {300, 301, 302, 303, 304, 307, 308, 400, 402, 405, 406, 409, 411, 413, 415, 418, 422, 431, 451, 499, 501},
		event.Held:     {401, 403, 404, 407, 410},
	}
	for outcome, statuses := range want {
		for _, status := range statuses {
			for name, r := range map[string]target.Result{
				"webhook": slackAnswering(t, answer(status, "private words")).Send(t.Context(), message(t, sample)),
				"token":   tokenAnswering(t, nil, answer(status, "<html>")).Send(t.Context(), message(t, sample)),
			} {
				if r.Outcome != outcome || r.Status != status || !strings.HasPrefix(r.Reason, fmt.Sprintf("Slack answered %d", status)) {
					t.Errorf("%s, %d: %s (%s), want %s", name, status, r.Outcome, r.Reason, outcome)
				}
			}
		}
	}
}

func TestSlackWithATokenBelievesOnlyAnObjectThatSaysOK(t *testing.T) {
	for body, want := range map[string]event.Outcome{
		`{"ok":true,"ts":"1.2"}`:            event.Delivered,
		`{"ok":true,"message":{"text":"cut`: event.Delivered, // longer than what is read of it
		`{"ok":false}`:                      event.Rejected,
		`{"ok":false,"error":"odd_word"}`:   event.Rejected,
		`{"ok":"true"}`:                     event.Held,
		`{"error":"is_archived"}`:           event.Held,
		`ok`:                                event.Held,
		``:                                  event.Held,
		`<html>Sign in</html>`:              event.Held,
		`[]`:                                event.Held,
	} {
		r := tokenAnswering(t, nil, answer(200, body)).Send(t.Context(), message(t, sample))
		if r.Outcome != want || strings.Contains(r.Reason, "odd_word") {
			t.Errorf("%s: %s (%s), want %s", body, r.Outcome, r.Reason, want)
		}
	}
}

func TestSlackRateLimitOfAChannelMakesTheTargetWait(t *testing.T) {
	for _, status := range []int{200, 429} {
		s := tokenAnswering(t, nil, answer(status, `{"ok":false,"error":"ratelimited"}`, "Retry-After", "30"))
		if r := s.Send(t.Context(), message(t, sample)); r.Outcome != event.Retry || r.RetryAfter.Seconds() != 30 {
			t.Errorf("%d: %+v", status, r)
		}
	}
}

// TestSlackMessageWhoseFormIsRefusedGoesAsPlainText within the same attempt.
func TestSlackMessageWhoseFormIsRefusedGoesAsPlainText(t *testing.T) {
	for _, word := range []string{"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long", "invalid_attachments", "invalid_payload"} {
		slack, s := workspace(t, nil)
		slack.Script(relaytest.Body(200, `{"ok":false,"error":"`+word+`"}`))
		r := s.Send(t.Context(), message(t, sample))
		if r.Outcome != event.Delivered || r.Tries != 2 || !strings.Contains(r.Reason, word) || !strings.Contains(r.Reason, "went as short plain text") {
			t.Errorf("%s: %+v", word, r)
		}
		if m := slack.Messages(); len(m) != 1 || len(m[0].Blocks) != 0 || m[0].Top != "Verification rejected: Jon Doe (3 attempts)" || m[0].Channel != "C1" {
			t.Errorf("%s: %+v", word, m)
		}
	}
	twice := tokenAnswering(t, nil, failing("invalid_blocks"), failing("invalid_blocks"))
	if r := twice.Send(t.Context(), message(t, sample)); r.Outcome != event.Rejected || r.Tries != 2 || !strings.Contains(r.Reason, "refused too") {
		t.Errorf("refused twice: %+v", r)
	}
	then := tokenAnswering(t, nil, failing("invalid_blocks"), failing("is_archived"))
	if r := then.Send(t.Context(), message(t, sample)); r.Outcome != event.Held || r.Tries != 2 || !strings.Contains(r.Reason, "invalid_blocks") {
		t.Errorf("then held: %+v", r)
	}
	text := func(c *target.SlackConfig) { c.Text = "{{ full_name }} was rejected" }
	once := tokenAnswering(t, text, failing("invalid_arguments"))
	if r := once.Send(t.Context(), message(t, sample)); r.Outcome != event.Rejected || r.Tries != 1 {
		t.Errorf("a short text has nothing plainer: %+v", r)
	}
}

func TestSlackSaysWhatKeepsAMessageOut(t *testing.T) {
	slack, s := workspace(t, nil)
	slack.Refuse("C1", "is_archived")
	const want = "Slack answered is_archived: the channel is archived; unarchive it, or set another channel; " +
		"then `invitation-relay targets release risk-slack` (after a reload, if the config has changed), or wait for the next probe"
	if r := s.Send(t.Context(), message(t, sample)); r.Reason != want {
		t.Errorf("got %s", r.Reason)
	}
}
