package target

import "invitation-relay/relay/event"

// slackWord is what an error word of Slack's says about us: an outcome, and what
// an operator can do. What differs with a token has a sentence of its own.
type slackWord struct {
	outcome event.Outcome
	reason  string
	token   string // "": the same
}

// slackWords are the error words of Slack's incoming webhooks and of
// chat.postMessage that say something about us. An answer's text is compared
// with these and never handed on.
var slackWords = map[string]slackWord{
	// This message will never be taken.
	"invalid_payload":                         {event.Rejected, "the message is not what Slack understands; check text and blocks", ""},
	"invalid_blocks":                          {event.Rejected, "a block is not as Slack wants it; check blocks in Slack's Block Kit Builder", ""},
	"invalid_blocks_format":                   {event.Rejected, "blocks is not a list of blocks; check it in Slack's Block Kit Builder", ""},
	"invalid_attachments":                     {event.Rejected, "an attachment is not as Slack wants it; check text and blocks", ""},
	"invalid_arguments":                       {event.Rejected, "the message is not what Slack understands; check text and blocks", ""},
	"no_text":                                 {event.Rejected, "the message has no text; check text and blocks", ""},
	"msg_too_long":                            {event.Rejected, "the message is too long; shorten text", ""},
	"msg_blocks_too_long":                     {event.Rejected, "the message is too long; shorten blocks", ""},
	"too_many_attachments":                    {event.Rejected, "the message has too many attachments; shorten blocks", ""},
	"too_many_contact_cards":                  {event.Rejected, "the message has too many contact cards; shorten blocks", ""},
	"attachment_payload_limit_exceeded":       {event.Rejected, "the message is too long; shorten blocks", ""},
	"missing_text_or_fallback_or_attachments": {event.Rejected, "the message has no text; check text and blocks", ""},
	"markdown_text_conflict":                  {event.Rejected, "the message has two texts; check text and blocks", ""},
	"missing_file_data":                       {event.Rejected, "a block shows a file that Slack does not have; check blocks", ""},
	"slack_connect_file_link_sharing_blocked": {event.Rejected, "an administrator forbids links to files in shared channels; take them out of text and blocks", ""},
	"slack_connect_canvas_sharing_blocked":    {event.Rejected, "an administrator forbids links to canvases in shared channels; take them out of text and blocks", ""},
	"slack_connect_lists_sharing_blocked":     {event.Rejected, "an administrator forbids links to lists in shared channels; take them out of text and blocks", ""},
	"thread_not_found":                        {event.Rejected, "the thread's first message is gone", ""},
	"message_not_found":                       {event.Rejected, "the thread's first message is gone", ""},
	"invalid_thread_ts":                       {event.Rejected, "the thread's first message is gone", ""},
	"cannot_reply_to_message":                 {event.Rejected, "the thread's first message takes no replies", ""},
	"restricted_action_thread_locked":         {event.Rejected, "an administrator has locked the thread", ""},
	"thread_locked":                           {event.Rejected, "an administrator has locked the thread", ""},
	// The webhook, the workspace or the channel is not what it was.
	"no_service":                        {event.Held, "the webhook is disabled, removed or mistyped; make a new one in Slack and set webhook_url", ""},
	"no_service_id":                     {event.Held, "the webhook's address is incomplete; set the whole webhook_url", ""},
	"no_active_hooks":                   {event.Held, "the webhook is disabled; enable it in Slack, or make a new one and set webhook_url", ""},
	"no_team":                           {event.Held, "the workspace does not exist; make a webhook in the right one and set webhook_url", ""},
	"team_disabled":                     {event.Held, "the workspace is no longer active; make a webhook in another and set webhook_url", "the workspace is no longer active; set token and channel of another"},
	"invalid_token":                     {event.Held, "the webhook's token is wrong or expired; make a new one in Slack and set webhook_url", "the token is wrong; set token"},
	"user_not_found":                    {event.Held, "the user the webhook posts to does not exist; make a webhook for a channel and set webhook_url", "the user in channel does not exist; set channel"},
	"channel_not_found":                 {event.Held, "the channel does not exist, or the webhook may not see it; make a webhook for another and set webhook_url", "the channel does not exist, or the app does not see it; invite the app there, or set another channel"},
	"channel_is_archived":               {event.Held, "the channel is archived; unarchive it, or make a webhook for another and set webhook_url", "the channel is archived; unarchive it, or set another channel"},
	"is_archived":                       {event.Held, "the channel is archived; unarchive it, or make a webhook for another and set webhook_url", "the channel is archived; unarchive it, or set another channel"},
	"action_prohibited":                 {event.Held, "an administrator has restricted this webhook; ask them, or use another channel", ""},
	"posting_to_general_channel_denied": {event.Held, "an administrator has restricted posting to #general; ask them, or use another channel", ""},

	// The channel does not take what we post.
	"not_in_channel":                           {event.Held, "the app is not in the channel; invite it there", ""},
	"restricted_action":                        {event.Held, "a setting of the workspace does not let us post in the channel; ask an administrator", ""},
	"restricted_action_read_only_channel":      {event.Held, "the channel is read-only; have the app allowed to post there, or use another channel", ""},
	"restricted_action_thread_only_channel":    {event.Held, "the channel takes replies only; have the app allowed to post there, or use another channel", ""},
	"restricted_action_non_threadable_channel": {event.Held, "the channel takes no threads; leave thread_by out", ""},
	"messages_tab_disabled":                    {event.Held, "the app's own messages are switched off in Slack; set a channel", ""},
	"channel_type_not_supported":               {event.Held, "the app cannot post to a channel of this type; set another channel", ""},

	// The token does not open the door.
	"access_denied":              {event.Held, "the workspace does not let us in; ask an administrator", ""},
	"accesslimited":              {event.Held, "the workspace lets its API be used from certain networks only; ask an administrator to allow our address", ""},
	"app_access_restricted":      {event.Held, "the workspace does not let this app in; ask an administrator", ""},
	"ekm_access_denied":          {event.Held, "administrators have suspended posting; ask them", ""},
	"enterprise_is_restricted":   {event.Held, "the token is of a whole organisation; set the token of one workspace", ""},
	"team_access_not_granted":    {event.Held, "the token is not allowed in this workspace; install the app there and set its token", ""},
	"team_not_found":             {event.Held, "the token's workspace is not known; set another token", ""},
	"no_permission":              {event.Held, "the token lacks a permission; add the scope chat:write to the app, install it again and set its token", ""},
	"missing_scope":              {event.Held, "the token lacks the scope chat:write; add it to the app, install it again and set its token", ""},
	"not_allowed_token_type":     {event.Held, "a token of this type cannot post; set a bot's token", ""},
	"invalid_auth":               {event.Held, "the token is wrong, or our address is not allowed to use it; set another", ""},
	"not_authed":                 {event.Held, "no token reached Slack; set token", ""},
	"account_inactive":           {event.Held, "the token's account or workspace is gone; set another token", ""},
	"token_revoked":              {event.Held, "the token was revoked; set another", ""},
	"token_expired":              {event.Held, "the token has expired; set another", ""},
	"two_factor_setup_required":  {event.Held, "the token's account has to set up two-factor authentication first", ""},
	"as_user_not_supported":      {event.Held, "a token of this type cannot post; set a bot's token", ""},
	"send_on_behalf_not_allowed": {event.Held, "the token may not post for somebody else; set a bot's token", ""},

	// Nothing gets through as we send it.
	"deprecated_endpoint": {event.Held, "Slack no longer takes messages this way; update invitation-relay", ""},
	"method_deprecated":   {event.Held, "Slack no longer takes messages this way; update invitation-relay", ""},
	"unknown_method":      {event.Held, "there is no chat.postMessage at this address; check api_url", ""},
	"invalid_arg_name":    {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"invalid_array_arg":   {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"invalid_charset":     {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"invalid_form_data":   {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"invalid_post_type":   {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"missing_post_type":   {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"invalid_json":        {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},
	"json_not_object":     {event.Held, "something on the way to Slack changes our requests; check api_url, and what stands between here and Slack", ""},

	// It passes.
	"rollup_error":               {event.Retry, "something went wrong at Slack", ""},
	"internal_error":             {event.Retry, "something went wrong at Slack", ""},
	"fatal_error":                {event.Retry, "something went wrong at Slack; it may have the message", ""},
	"service_unavailable":        {event.Retry, "Slack is not ready", ""},
	"team_added_to_org":          {event.Retry, "Slack is moving the workspace into an organisation; it takes messages again when that is done", ""},
	"org_login_required":         {event.Retry, "Slack is moving the workspace into an organisation; it takes messages again when that is done", ""},
	"external_channel_migrating": {event.Retry, "Slack is moving the channel; it takes messages again when that is done", ""},
	"message_limit_exceeded":     {event.Retry, "the workspace sends more messages than its plan allows", ""},
	"request_timeout":            {event.Retry, "Slack gave up waiting for our request", ""},
	"ratelimited":                {event.Retry, "Slack takes one message a second and channel; set rate", ""},
	"rate_limited":               {event.Retry, "Slack takes one message a second and channel; set rate", ""},
}

// lostThreads are the words for a thread that takes no more replies.
func lostThreads() []string {
	return []string{
		"thread_not_found", "message_not_found", "invalid_thread_ts", "cannot_reply_to_message",
		"restricted_action_thread_locked", "thread_locked",
	}
}

// formFaults are the words for a message that short plain text may stand in for.
func formFaults() []string {
	return []string{
		"invalid_blocks", "invalid_blocks_format", "invalid_attachments", "invalid_payload", "invalid_arguments",
		"msg_too_long", "msg_blocks_too_long", "too_many_attachments", "too_many_contact_cards",
		"attachment_payload_limit_exceeded", "missing_file_data", "markdown_text_conflict",
	}
}

// rateLimits are the words for too many messages.
func rateLimits() []string { return []string{"ratelimited", "rate_limited"} }
