package relaytest

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"path"
	"sync"
	"time"
)

// Slack looks like the receiving end of Slack's incoming webhooks and of two
// methods of its Web API, chat.postMessage and auth.test: it checks messages as
// Slack does, answers in its words ("ok", "invalid_payload", "no_text",
// "invalid_blocks"), and keeps what it took. A path that ends with one of the two
// methods is the Web API's (see Workspace), any other a webhook. It is safe for
// concurrent use.
type Slack struct {
	mu       sync.Mutex
	script   []Step
	messages []SlackMessage
	refused  []SlackRefusal
	changed  chan struct{} // closed when messages or refused grow
	web      slackWeb
}

// SlackMessage is a message that was taken.
type SlackMessage struct {
	At       time.Time
	Path     string
	JSON     []byte           // the body as it came
	Channel  string           // of a message that was posted with a token, as are the next two
	TS       string           // the message's name
	ThreadTS string           // the message it answers, "" for none
	Top      string           // the top-level text: shown in notifications, or alone when there are no blocks
	Blocks   []map[string]any // as decoded
}

// SlackRefusal is a message that was not taken, and why.
type SlackRefusal struct {
	At   time.Time
	Word string // what Slack would answer
	Why  string // what exactly was wrong, which Slack would keep to itself
	JSON []byte
}

// NewSlack makes a look-alike without a listener of its own; see Listen.
func NewSlack() *Slack { return &Slack{changed: make(chan struct{})} }

// StartSlack makes a look-alike on a free port of 127.0.0.1; the caller closes
// the server.
func StartSlack() (*Slack, *Server, error) {
	s := NewSlack()
	server, err := Listen(s, nil)
	if err != nil {
		return nil, nil, err
	}
	return s, server, nil
}

// Script makes the next requests, one each, get these answers instead of a
// checked one: Status(500), Body(404, "no_service"), Drop()…
func (s *Slack) Script(steps ...Step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, steps...)
}

// Messages are the messages taken so far, in the order of their arrival.
func (s *Slack) Messages() []SlackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SlackMessage(nil), s.messages...)
}

// Refused are the messages that were not taken.
func (s *Slack) Refused() []SlackRefusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SlackRefusal(nil), s.refused...)
}

// Changed is closed when another message has been taken or refused.
func (s *Slack) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// ServeHTTP checks a message and answers as Slack does.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if step := s.scripted(); step != nil {
		step(w, r)
		return
	}
	if method := path.Base(r.URL.Path); method == "chat.postMessage" || method == "auth.test" {
		s.serveWeb(w, r, method, body)
		return
	}
	if r.Method != http.MethodPost {
		Body(http.StatusMethodNotAllowed, "invalid_payload")(w, r)
		return
	}
	m := SlackMessage{At: time.Now(), Path: r.URL.Path, JSON: body}
	word, why := checkContentType(r.Header.Get("Content-Type"))
	if word == "" {
		word, why = m.decode()
	}
	s.keep(&m, word, why)
	if word != "" {
		Body(http.StatusBadRequest, word)(w, r)
		return
	}
	Body(http.StatusOK, "ok")(w, r)
}

// keep notes a message that was taken, or refused with a word.
func (s *Slack) keep(m *SlackMessage, word, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if word == "" {
		s.messages = append(s.messages, *m)
	} else {
		s.refused = append(s.refused, SlackRefusal{m.At, word, why, m.JSON})
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// scripted is the next scripted answer, if there is one.
func (s *Slack) scripted() Step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.script) == 0 {
		return nil
	}
	step := s.script[0]
	s.script = s.script[1:]
	return step
}

// checkContentType wants JSON.
func checkContentType(value string) (word, why string) {
	if t, _, err := mime.ParseMediaType(value); err != nil || t != "application/json" {
		return "invalid_payload", "Content-Type is not application/json"
	}
	return "", ""
}

// decode reads and checks the message.
func (m *SlackMessage) decode() (word, why string) {
	var top map[string]any
	if err := json.Unmarshal(m.JSON, &top); err != nil || top == nil {
		return "invalid_payload", "not a JSON object"
	}
	switch text := top["text"].(type) {
	case string:
		m.Top = text
	case nil:
	default:
		return "invalid_payload", "text is not a string"
	}
	if len([]rune(m.Top)) > 40000 {
		return "msg_too_long", "text is longer than 40000"
	}
	switch blocks := top["blocks"].(type) {
	case nil:
	case []any:
		if why := checkBlocks(blocks); why != "" {
			return "invalid_blocks", why
		}
		for _, b := range blocks {
			if b, ok := b.(map[string]any); ok {
				m.Blocks = append(m.Blocks, b)
			}
		}
	default:
		return "invalid_blocks_format", "blocks is not a list"
	}
	if m.Top == "" && len(m.Blocks) == 0 && top["attachments"] == nil {
		return "no_text", "neither text nor blocks"
	}
	return "", ""
}
