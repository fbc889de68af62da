package target

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"invitation-relay/relay/event"
)

// slackWords are the error words of Slack's incoming webhooks and of
// chat.postMessage that say something about us. An answer's text is compared
// with these and never handed on.
var slackWords = map[string]verdict{
	"invalid_payload":                         {event.Rejected, "the message is not what Slack understands; check text and blocks"},
	"invalid_blocks":                          {event.Rejected, "a block is not as Slack wants it; check blocks in Slack's Block Kit Builder"},
	"invalid_blocks_format":                   {event.Rejected, "blocks is not a list of blocks; check it in Slack's Block Kit Builder"},
	"invalid_attachments":                     {event.Rejected, "an attachment is not as Slack wants it"},
	"invalid_arguments":                       {event.Rejected, "the message is not what Slack understands; check text and blocks"},
	"no_text":                                 {event.Rejected, "the message has no text; check text and blocks"},
	"msg_too_long":                            {event.Rejected, "the message is too long; shorten text"},
	"msg_blocks_too_long":                     {event.Rejected, "the message is too long; shorten blocks"},
	"too_many_attachments":                    {event.Rejected, "the message has too many attachments"},
	"missing_text_or_fallback_or_attachments": {event.Rejected, "the message has no text; check text and blocks"},

	"no_service":                        {event.Held, "the webhook is disabled, removed or mistyped; make a new one in Slack and set webhook_url"},
	"no_service_id":                     {event.Held, "the webhook's address is incomplete; set the whole webhook_url"},
	"no_active_hooks":                   {event.Held, "the webhook is disabled; enable it in Slack, or make a new one and set webhook_url"},
	"no_team":                           {event.Held, "the workspace does not exist; make a webhook in the right one and set webhook_url"},
	"team_disabled":                     {event.Held, "the workspace is no longer active; make a webhook in another and set webhook_url"},
	"invalid_token":                     {event.Held, "the webhook's token is wrong or expired; make a new one in Slack and set webhook_url"},
	"user_not_found":                    {event.Held, "the user the webhook posts to does not exist; make a webhook for a channel and set webhook_url"},
	"channel_not_found":                 {event.Held, "the channel does not exist, or the webhook may not see it; make a webhook for another and set webhook_url"},
	"channel_is_archived":               {event.Held, "the channel is archived; unarchive it, or make a webhook for another and set webhook_url"},
	"is_archived":                       {event.Held, "the channel is archived; unarchive it, or set another channel"},
	"action_prohibited":                 {event.Held, "an administrator has restricted this webhook; ask them, or use another channel"},
	"posting_to_general_channel_denied": {event.Held, "an administrator has restricted posting to #general; ask them, or use another channel"},
	"not_in_channel":                    {event.Held, "the app is not in the channel; invite it there"},
	"restricted_action":                 {event.Held, "a setting of the workspace does not let us post in the channel; ask an administrator"},
	"access_denied":                     {event.Held, "the workspace does not let us in; ask an administrator"},
	"invalid_auth":                      {event.Held, "the token is wrong, or our address is not allowed to use it; set another"},
	"not_authed":                        {event.Held, "no token reached Slack; set token"},
	"account_inactive":                  {event.Held, "the token's account or workspace is gone; set another token"},
	"token_revoked":                     {event.Held, "the token was revoked; set another"},
	"token_expired":                     {event.Held, "the token has expired; set another"},
	"missing_scope":                     {event.Held, "the token lacks the scope chat:write; add it to the app and install it again"},
	"not_allowed_token_type":            {event.Held, "a token of this type cannot post; set a bot token"},

	"rollup_error":        {event.Retry, "something went wrong at Slack"},
	"internal_error":      {event.Retry, "something went wrong at Slack"},
	"fatal_error":         {event.Retry, "something went wrong at Slack; it may have the message"},
	"service_unavailable": {event.Retry, "Slack is not ready"},
	"request_timeout":     {event.Retry, "Slack gave up waiting for our request"},
	"ratelimited":         {event.Retry, "Slack takes one message a second and channel; set rate"},
	"rate_limited":        {event.Retry, "Slack takes one message a second and channel; set rate"},
}

// slackVerdict reads Slack's answer. The status alone does not do: Slack has
// answered 200 with an error in it, and a 200 that is a web page comes from
// something on the way that is not Slack, and has not posted anything.
func slackVerdict(status int, answer []byte) verdict {
	word, refused := slackAnswer(answer)
	if v, ok := slackWords[word]; ok {
		return verdict{v.outcome, "Slack answered " + word + ": " + v.reason}
	}
	switch {
	case status/100 != 2:
		return verdict{outcomeOf(status), answered("Slack", status) + ": " + slackAdviceOn(status)}
	case refused:
		return verdict{event.Rejected, "Slack answered with an error not known here; check text and blocks in Slack's Block Kit Builder"}
	case strings.HasPrefix(word, "<"):
		return verdict{event.Held, "a web page answered in Slack's place; check webhook_url, and what stands between here and Slack"}
	default:
		return verdict{outcome: event.Delivered} // "ok", or what a look-alike says
	}
}

// slackAdviceOn says what helps after a status without an error word.
func slackAdviceOn(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "it does not take this message; check text and blocks in Slack's Block Kit Builder"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone,
		http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return "the webhook is disabled, removed or mistyped; make a new one in Slack and set webhook_url"
	case http.StatusRequestEntityTooLarge:
		return slackWords["msg_too_long"].reason
	case http.StatusTooManyRequests:
		return slackWords["ratelimited"].reason
	}
	if status/100 == 3 {
		return "redirects are not followed; check webhook_url"
	}
	return adviceOn(status)
}

// slackAnswer finds the error word in an answer, which is the word alone or
// {"ok":false,"error":"word"}, and whether it is of the second form.
func slackAnswer(answer []byte) (word string, refused bool) {
	answer = bytes.TrimSpace(answer)
	var a struct {
		OK    *bool  `json:"ok"`
		Error string `json:"error"`
	}
	if bytes.HasPrefix(answer, []byte("{")) && json.Unmarshal(answer, &a) == nil && a.OK != nil {
		return a.Error, !*a.OK
	}
	return string(answer[:min(len(answer), 64)]), false
}
