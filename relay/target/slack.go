package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/rules"
)

// Slack posts events to an incoming webhook, or with a bot's token into a
// channel: a message made for the event, or the config's own text and blocks,
// whose values are escaped and whose lengths are made to fit. A stranger's value
// can neither mention, link nor format.
type Slack struct {
	name    string
	channel string // with a token (chat.postMessage); "" for an incoming webhook
	client  *client
	base    *http.Request
	header  http.Header // nobody changes it
	text    *rules.Text // nil for the default
	blocks  *rules.Tree // nil for none, or for the default when text is nil too
	urls    []urlLeaf   // leaves of blocks that are URLs

	threadBy *rules.Value // nil: no threads
	threads  Threads      // nil: no thread is remembered, so there are none
}

// urlLeaf is a leaf of blocks that Slack takes for a URL, where a value has to
// be escaped for a URL and not for text.
type urlLeaf struct {
	path []any // keys and indexes from the root
	text *rules.Text
}

// NewSlack builds the target; c has passed Check. Its errors quote no secret.
func NewSlack(name string, c SlackConfig, d Deps) (*Slack, error) {
	s := &Slack{name: name}
	if err := s.compile(&c, d); err != nil {
		return nil, err
	}
	tlsConf, err := (&ClientTLS{}).load()
	if err != nil {
		return nil, err
	}
	s.client = newClient(c.Timeout, d.Quick, tlsConf, d.Transport)
	return s, nil
}

// compile makes everything but the client.
func (s *Slack) compile(c *SlackConfig, d Deps) error {
	if err := s.compileEndpoint(c, d.Version); err != nil {
		return err
	}
	if c.ThreadBy != "" {
		var p *rules.Problem
		if s.threadBy, p = rules.CompileValue(d.Env, c.ThreadBy); p != nil {
			return errors.New("thread_by: " + p.Message)
		}
		s.threads = d.Threads
	}
	return s.compileMessage(c, d.Env)
}

// compileEndpoint makes the request that all messages share.
func (s *Slack) compileEndpoint(c *SlackConfig, version string) error {
	s.header = http.Header{
		"Content-Type": {"application/json; charset=utf-8"},
		"User-Agent":   {strings.TrimSuffix("invitation-relay/"+version, "/")},
	}
	name, address := "webhook_url", c.WebhookURL.Reveal()
	if !c.Token.IsZero() {
		s.channel, name, address = c.Channel, "api_url", orElse(c.APIURL, slackAPI)
	}
	u, p := parseEndpoint(address)
	if p != nil {
		return errors.New(name + " " + p.Message)
	}
	if u.User != nil { // a look-alike behind a proxy of one's own
		s.header.Set("Authorization", userAuth(u.User))
		u.User = nil
	}
	if !c.Token.IsZero() {
		s.header.Set("Authorization", "Bearer "+c.Token.Reveal())
		u = u.JoinPath("chat.postMessage")
	}
	var err error
	if s.base, err = http.NewRequestWithContext(context.Background(), http.MethodPost, u.String(), nil); err != nil {
		return errors.New(name + " is not a URL") // the error quotes it
	}
	return nil
}

// compileMessage makes the config's own text and blocks.
func (s *Slack) compileMessage(c *SlackConfig, env *rules.Env) error {
	var p *rules.Problem
	if c.Text != "" {
		if s.text, p = rules.CompileText(env, c.Text, rules.SlackText); p != nil {
			return errors.New("text: " + p.Message)
		}
	}
	if len(c.Blocks) == 0 {
		return nil
	}
	tree, urls := splitURLs(c.Blocks)
	var problems []rules.TreeProblem
	if s.blocks, problems = rules.CompileTree(env, tree, rules.SlackText); len(problems) > 0 {
		return errors.New(joinPath("blocks", problems[0].Path) + ": " + problems[0].Message)
	}
	for _, u := range urls {
		text, p := rules.CompileURL(env, u.source)
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
	msg, err := s.message(m)
	if err != nil {
		return s.result(&posting{verdict: unfillable(err), tries: 1}, m.Now)
	}
	return s.post(ctx, m.Now, msg, s.threadKey(m))
}

// unfillable is the verdict on a message that could not be made.
func unfillable(err error) verdict {
	return verdict{event.Rejected, err.Error() + "; correct the config and reload"}
}

// message is what is posted for one event. An alarm has words of the relay's own,
// whatever the config says: it must arrive.
func (s *Slack) message(m *Message) (slackMessage, error) {
	if s.text == nil && s.blocks == nil || isAlarm(m) {
		msg := defaultSlack(m)
		msg.Channel = s.channel
		return msg, nil
	}
	msg, in := slackMessage{Channel: s.channel}, m.Input()
	if s.text != nil {
		text, err := s.text.Render(in)
		if err != nil {
			return msg, fmt.Errorf("text cannot be filled in for this event: %w", err)
		}
		if m.Event.Kind == event.Test {
			text = marks[event.Test] + text
		}
		msg.Text = cutText(text, maxSlackText)
	}
	if strings.TrimSpace(strings.TrimPrefix(msg.Text, marks[event.Test])) == "" { // Slack takes no message without, and notifications need one
		msg.Text = defaultSlackText(summarise(m.Event))
	}
	if s.blocks != nil {
		blocks, err := s.fillBlocks(in)
		if err != nil {
			return msg, fmt.Errorf("blocks cannot be filled in for this event: %w", err)
		}
		if len(blocks) > 0 {
			msg.Blocks = blocks
		}
	}
	return msg, nil
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
