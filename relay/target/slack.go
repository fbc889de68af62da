package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// Slack posts events to an incoming webhook: a message made for the event, or
// the config's own text and blocks, whose values are escaped and whose lengths
// are made to fit. A stranger's value can neither mention, link nor format.
type Slack struct {
	name   string
	client *client
	base   *http.Request
	header http.Header // nobody changes it
	text   *rules.Text // nil for the default
	blocks *rules.Tree // nil for none, or for the default when text is nil too
	urls   []urlLeaf   // leaves of blocks that are URLs
}

// urlLeaf is a leaf of blocks that Slack takes for a URL, where a value has to
// be escaped for a URL and not for text.
type urlLeaf struct {
	path []any // keys and indexes from the root
	text *rules.Text
}

// SetDefaults fills in what the config left out.
func (c *SlackConfig) SetDefaults() {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
}

// Check reports every mistake in the settings that the settings alone show. No
// message quotes a secret.
func (c *SlackConfig) Check(env *rules.Env, r Report) {
	const hint = "like https://hooks.slack.com/services/T…/B…/…"
	switch {
	case c.Token.IsZero():
		if _, p := parseEndpoint(c.WebhookURL.Reveal()); p != nil {
			r("webhook_url", 0, 0, p.Message, hint)
		} else if hasExpression(c.WebhookURL.Reveal()) {
			r("webhook_url", 0, 0, "cannot have expressions in it", hint)
		}
		if c.Channel != "" {
			r("channel", 0, 0, "has no effect without token", "an incoming webhook posts to the channel it was made for")
		}
		if c.ThreadBy != "" {
			r("thread_by", 0, 0, "has no effect without token", "an incoming webhook cannot post into threads")
		}
	case !c.WebhookURL.IsZero():
		r("token", 0, 0, "set together with webhook_url", "keep one of them")
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

// blockTypes are the blocks a message may have.
var blockTypes = []string{
	"actions", "context", "divider", "file", "header", "image", "input",
	"markdown", "rich_text", "section", "table", "video",
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
		if kind, ok := block["type"].(string); !ok {
			r(path, 0, 0, "has no type", "one of "+strings.Join(blockTypes, ", "))
		} else if !slices.Contains(blockTypes, kind) && !hasExpression(kind) {
			r(path+".type", 0, 0, "not a type of block", "one of "+strings.Join(blockTypes, ", "))
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

// NewSlack builds the target; c has passed Check. Its errors quote no secret.
func NewSlack(name string, c SlackConfig, d Deps) (*Slack, error) {
	s := &Slack{name: name}
	if err := s.compile(&c, d); err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	tlsConf, err := (&ClientTLS{}).load()
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	s.client = newClient(c.Timeout, d.Quick, tlsConf, d.Transport)
	return s, nil
}

// compile makes everything but the client.
func (s *Slack) compile(c *SlackConfig, d Deps) error {
	if !c.Token.IsZero() {
		return errors.New("token is not supported")
	}
	u, p := parseEndpoint(c.WebhookURL.Reveal())
	if p != nil {
		return errors.New("webhook_url " + p.Message)
	}
	s.header = http.Header{
		"Content-Type": {"application/json; charset=utf-8"},
		"User-Agent":   {strings.TrimSuffix("invitation-relay/"+d.Version, "/")},
	}
	if u.User != nil { // a look-alike behind a proxy of one's own
		s.header.Set("Authorization", userAuth(u.User))
		u.User = nil
	}
	var err error
	if s.base, err = http.NewRequestWithContext(context.Background(), http.MethodPost, u.String(), nil); err != nil {
		return errors.New("webhook_url is not a URL") // the error quotes it
	}
	if c.Text != "" {
		if s.text, p = rules.CompileText(d.Env, c.Text, rules.SlackText); p != nil {
			return errors.New("text: " + p.Message)
		}
	}
	if len(c.Blocks) == 0 {
		return nil
	}
	tree, urls := splitURLs(c.Blocks)
	var problems []rules.TreeProblem
	if s.blocks, problems = rules.CompileTree(d.Env, tree, rules.SlackText); len(problems) > 0 {
		return errors.New(joinPath("blocks", problems[0].Path) + ": " + problems[0].Message)
	}
	for _, u := range urls {
		text, p := rules.CompileURL(d.Env, u.source)
		if p != nil {
			return errors.New("blocks" + u.where() + ": " + p.Message)
		}
		s.urls = append(s.urls, urlLeaf{u.path, text})
	}
	return nil
}

// Kind is "slack".
func (*Slack) Kind() string { return "slack" }

// Format prints kind and name for every verb: there are secrets inside.
func (s *Slack) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "slack target "+s.name) }

// Recipients is nil: one delivery an event.
func (*Slack) Recipients() []string { return nil }

// Close lets go of idle connections.
func (s *Slack) Close() { s.client.close() }

// Send makes one attempt.
func (s *Slack) Send(ctx context.Context, m *Message) Result {
	x := &exchange{Context: ctx, name: s.name, keep: true, sent: s.header}
	body, err := s.message(m)
	if err != nil {
		return x.result(unfillable(err), m)
	}
	s.client.do(x, s.base.WithContext(x), body) //nolint:contextcheck // ctx is in x
	if x.status == 0 {
		return x.result(x.failure().verdict(), m)
	}
	return x.result(slackVerdict(x.status, x.answer), m)
}

// unfillable is the verdict on a message that could not be made.
func unfillable(err error) verdict {
	return verdict{event.Rejected, err.Error() + "; correct the config and reload"}
}

// message is the body for one event.
func (s *Slack) message(m *Message) ([]byte, error) {
	if s.text == nil && s.blocks == nil {
		return marshal(defaultSlack(m))
	}
	msg, in := slackMessage{}, m.Input()
	if s.text != nil {
		text, err := s.text.Render(in)
		if err != nil {
			return nil, fmt.Errorf("text cannot be filled in for this event: %w", err)
		}
		msg.Text = cutText(text, maxSlackText)
	}
	if strings.TrimSpace(msg.Text) == "" { // Slack takes no message without, and notifications need one
		msg.Text = defaultSlackText(summarise(m.Event))
	}
	if s.blocks != nil {
		blocks, err := s.fillBlocks(in)
		if err != nil {
			return nil, fmt.Errorf("blocks cannot be filled in for this event: %w", err)
		}
		if len(blocks) > 0 {
			msg.Blocks = blocks
		}
	}
	return marshal(msg)
}

// fillBlocks is the config's blocks for one event, made to fit.
func (s *Slack) fillBlocks(in *rules.Input) ([]any, error) {
	blocks, err := s.renderBlocks(in)
	return fitBlocks(blocks), err
}

// renderBlocks is the config's blocks for one event, whatever their size.
func (s *Slack) renderBlocks(in *rules.Input) ([]any, error) {
	tree, err := s.blocks.Render(in)
	if err != nil {
		return nil, err
	}
	for _, u := range s.urls {
		text, err := u.text.Render(in)
		if err != nil {
			return nil, err
		}
		setLeaf(tree, u.path, text)
	}
	blocks, ok := tree.([]any)
	if !ok {
		return nil, errors.New("they are no list")
	}
	return blocks, nil
}
