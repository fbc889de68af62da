package relaytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// slackWeb is what the Web API side knows of its workspace.
type slackWeb struct {
	tokens   []string          // none: every token that begins with xoxb-
	channels map[string]string // the word posting there is refused with, "" for none; nil: every channel is there
	deleted  []string          // names of messages that are gone
	scopes   string            // of every token
	posted   int               // messages so far, for their names
	now      func() time.Time  // nil: no rate limit
	last     map[string]time.Time
}

// Workspace makes the Web API take this token only, and know these channels only.
func (s *Slack) Workspace(token string, channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.web.tokens, s.web.channels = []string{token}, map[string]string{}
	for _, c := range channels {
		s.web.channels[c] = ""
	}
}

// Refuse makes posting to a channel fail with a word: "is_archived",
// "not_in_channel"; "" lets it succeed again.
func (s *Slack) Refuse(channel, word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.web.channels == nil {
		s.web.channels = map[string]string{}
	}
	s.web.channels[channel] = word
}

// Scopes are what auth.test says the token may do; chat:write without it.
func (s *Slack) Scopes(list string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.web.scopes = list
}

// Delete removes a message from its channel: nobody can answer it any more.
func (s *Slack) Delete(ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.web.deleted = append(s.web.deleted, ts)
}

// RateLimit refuses more than one message a second and channel, as Slack does,
// by a clock.
func (s *Slack) RateLimit(now func() time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.web.now, s.web.last = now, map[string]time.Time{}
}

// serveWeb answers a method of the Web API: 200 whatever happens, but for the rate
// limit, and an object that says what did.
func (s *Slack) serveWeb(w http.ResponseWriter, r *http.Request, method string, body []byte) {
	word := s.authenticate(r)
	if method == "auth.test" {
		s.mu.Lock()
		w.Header().Set("X-Oauth-Scopes", orElse(s.web.scopes, "chat:write"))
		s.mu.Unlock()
		answerWeb(w, word, map[string]any{"team": "Relay Test", "user": "relay", "bot_id": "B00"})
		return
	}
	m := SlackMessage{At: time.Now(), Path: r.URL.Path, JSON: body}
	why := "token"
	if word == "" {
		if word, why = checkContentType(r.Header.Get("Content-Type")); word != "" {
			word = "invalid_form_data"
		}
	}
	if word == "" {
		word, why = s.post(&m)
	}
	if word == "ratelimited" {
		w.Header().Set("Retry-After", "1")
	}
	s.keep(&m, word, why)
	answerWeb(w, word, map[string]any{"channel": m.Channel, "ts": m.TS, "message": json.RawMessage(orElse(string(m.JSON), "null"))})
}

// authenticate says what is wrong with a request's token, "" for nothing.
func (s *Slack) authenticate(r *http.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok || token == "":
		return "not_authed"
	case s.web.tokens == nil && !strings.HasPrefix(token, "xoxb-"), s.web.tokens != nil && !slices.Contains(s.web.tokens, token):
		return "invalid_auth"
	}
	return ""
}

// post checks a message for a channel and names it.
func (s *Slack) post(m *SlackMessage) (word, why string) {
	var to struct {
		Channel  string `json:"channel"`
		ThreadTS string `json:"thread_ts"`
	}
	if err := json.Unmarshal(m.JSON, &to); err != nil {
		return "invalid_arguments", "not the JSON of a message"
	}
	m.Channel, m.ThreadTS = to.Channel, to.ThreadTS
	if word, why := s.admit(m); word != "" {
		return word, why
	}
	if word, why := m.decode(); word != "" {
		return word, why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.web.posted++
	m.TS = fmt.Sprintf("1790000000.%06d", s.web.posted)
	return "", ""
}

// admit says why a message may not go where it wants to, "" for nothing.
func (s *Slack) admit(m *SlackMessage) (word, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refusal, known := s.web.channels[m.Channel]
	switch {
	case m.Channel == "", s.web.channels != nil && !known:
		return "channel_not_found", "no such channel"
	case refusal != "":
		return refusal, "the channel refuses it"
	}
	if m.ThreadTS != "" && (slices.Contains(s.web.deleted, m.ThreadTS) || !slices.ContainsFunc(s.messages, func(parent SlackMessage) bool {
		return parent.TS == m.ThreadTS && parent.Channel == m.Channel && parent.ThreadTS == ""
	})) {
		return "thread_not_found", "no such message at the top of this channel"
	}
	if s.web.now != nil {
		now := s.web.now()
		if last, ok := s.web.last[m.Channel]; ok && now.Sub(last) < time.Second {
			return "ratelimited", "more than one message a second"
		}
		s.web.last[m.Channel] = now
	}
	return "", ""
}

// answerWeb writes the Web API's object: ok with members, or an error.
func answerWeb(w http.ResponseWriter, word string, members map[string]any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	status := http.StatusOK
	answer := `{"ok":false,"error":"` + word + `"}`
	switch word {
	case "":
		answer = `{"ok":true`
		for _, name := range []string{"channel", "ts", "team", "user", "bot_id", "message"} { // Slack's order: message last
			if value, ok := members[name]; ok {
				b, err := json.Marshal(value)
				if err != nil {
					b = []byte("null")
				}
				answer += `,"` + name + `":` + string(b)
			}
		}
		answer += "}"
	case "ratelimited":
		status = http.StatusTooManyRequests
	}
	w.WriteHeader(status)
	_, _ = w.Write([]byte(answer)) // who has gone needs no answer
}

// orElse is s, or t when s is empty.
func orElse(s, t string) string {
	if s == "" {
		return t
	}
	return s
}
