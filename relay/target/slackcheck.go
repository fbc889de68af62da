package target

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"invitation-relay/rules"
)

// slackAPI is the base of Slack's Web API.
const slackAPI = "https://slack.com/api"

// SetDefaults fills in what the config left out.
func (c *SlackConfig) SetDefaults() {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.APIURL == "" && !c.Token.IsZero() {
		c.APIURL = slackAPI
	}
}

// Check reports every mistake in the settings that the settings alone show. No
// message quotes a secret.
func (c *SlackConfig) Check(env *rules.Env, r Report) {
	if c.Token.IsZero() {
		c.checkWebhook(r)
	} else {
		c.checkToken(env, r)
	}
	if c.Text != "" {
		_, p := rules.CompileText(env, c.Text, rules.SlackText)
		reportProblem(r, "text", p)
	}
	if len(c.Blocks) > 0 {
		c.checkBlocks(env, r)
	}
	checkTimeout(r, c.Timeout)
}

// checkWebhook checks a target without a token.
func (c *SlackConfig) checkWebhook(r Report) {
	const hint = "like https://hooks.slack.com/services/T…/B…/…"
	url := c.WebhookURL.Reveal()
	switch _, p := parseEndpoint(url); {
	case url == "" && c.Channel != "":
		r("token", 0, 0, "token is missing", "a channel needs a bot's token (xoxb-…); without one, set webhook_url alone")
		return
	case url == "":
		r("webhook_url", 0, 0, p.Message, hint+"; or set token and channel")
	case p != nil:
		r("webhook_url", 0, 0, p.Message, hint)
	case hasExpression(url):
		r("webhook_url", 0, 0, "cannot have expressions in it", hint)
	}
	for _, s := range []struct{ name, value, hint string }{
		{"channel", c.Channel, "an incoming webhook posts to the channel it was made for"},
		{"thread_by", c.ThreadBy, "an incoming webhook cannot post into threads"},
		{"api_url", c.APIURL, "an incoming webhook has an address of its own"},
	} {
		if s.value != "" {
			r(s.name, 0, 0, "has no effect without token", s.hint)
		}
	}
}

// checkToken checks a target with a token.
func (c *SlackConfig) checkToken(env *rules.Env, r Report) {
	token := c.Token.Reveal()
	const hint = "a bot's token begins with xoxb-: in Slack, under OAuth & Permissions of your app"
	if !c.WebhookURL.IsZero() {
		r("token", 0, 0, "set together with webhook_url", "keep one of them")
		return
	}
	switch {
	case strings.Contains(token, "://"):
		r("token", 0, 0, "is a URL", "an incoming webhook's URL goes into webhook_url, without channel; "+hint)
	case strings.HasPrefix(token, "xapp-"):
		r("token", 0, 0, "is an app-level token, which cannot post", hint)
	case !isVisible(token):
		r("token", 0, 0, "has a blank, a line break or another character that no token has", hint)
	}
	c.checkChannel(r)
	c.checkAPI(r)
	if c.ThreadBy != "" {
		_, p := rules.CompileValue(env, c.ThreadBy)
		reportProblem(r, "thread_by", p)
	}
}

func (c *SlackConfig) checkChannel(r Report) {
	const channels = "the channel's id, like C0123456789: in Slack, at the end of the channel's details"
	switch {
	case c.Channel == "":
		r("channel", 0, 0, "channel is missing", channels)
	case hasExpression(c.Channel):
		r("channel", 0, 0, "cannot have expressions in it", "make a target for each channel; rules choose between them")
	case !isVisible(c.Channel):
		r("channel", 0, 0, "has a blank or a control character in it", channels)
	}
}

func (c *SlackConfig) checkAPI(r Report) {
	const hint = "like " + slackAPI
	u, p := parseEndpoint(orElse(c.APIURL, slackAPI))
	switch {
	case p != nil:
		r("api_url", 0, 0, p.Message, hint)
	case hasExpression(c.APIURL):
		r("api_url", 0, 0, "cannot have expressions in it", hint)
	case u.User != nil:
		r("api_url", 0, 0, "cannot have a user in it: the token is what identifies the relay", hint)
	case u.RawQuery != "" || u.Fragment != "":
		r("api_url", 0, 0, "is a base, without ? and #", hint)
	case strings.HasSuffix(u.Path, "/chat.postMessage"):
		r("api_url", 0, 0, "ends with a method", "leave /chat.postMessage out")
	}
}

// isVisible reports whether s is made of ASCII letters, digits and marks: what
// goes into a header, and what ids are made of.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= unicode.MaxASCII })
}

// blockTypes are the blocks a message may have: Slack's, but for those of others.
var blockTypes = []string{
	"actions", "alert", "card", "carousel", "container", "context", "context_actions", "data_table", "divider", "header",
	"image", "markdown", "plan", "rich_text", "section", "table", "task_card", "video",
}

// otherBlocks are types of Slack's that make no sense here, and why.
var otherBlocks = map[string]string{
	"input": "asks for an answer, which nobody here would receive",
	"file":  "is made by Slack itself and cannot be posted",
}

// checkBlocks checks the texts in blocks, and what cannot be cut to fit.
func (c *SlackConfig) checkBlocks(env *rules.Env, r Report) {
	if len(c.Blocks) > maxSlackBlocks {
		r("blocks", 0, 0, "more blocks than Slack takes in a message", "at most "+strconv.Itoa(maxSlackBlocks))
	}
	for i, b := range c.Blocks {
		path := fmt.Sprintf("blocks[%d]", i)
		block, ok := b.(map[string]any)
		if !ok {
			r(path, 0, 0, "not a block", "like {type: section, text: {type: mrkdwn, text: …}}")
			continue
		}
		types := "one of " + strings.Join(blockTypes, ", ")
		switch kind, ok := block["type"].(string); {
		case !ok:
			r(path, 0, 0, "has no type", types)
		case otherBlocks[kind] != "":
			r(path+".type", 0, 0, "a block of type "+kind+" "+otherBlocks[kind], types)
		case !slices.Contains(blockTypes, kind) && !hasExpression(kind):
			r(path+".type", 0, 0, "not a type of block", types)
		}
	}
	tree, urls := splitURLs(c.Blocks)
	_, problems := rules.CompileTree(env, tree, rules.SlackText)
	reportTree(r, "blocks", problems)
	for _, u := range urls {
		_, p := rules.CompileURL(env, u.source)
		reportProblem(r, "blocks"+u.where(), p)
	}
}
