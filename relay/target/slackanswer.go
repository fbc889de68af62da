package target

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"invitation-relay/relay/event"
)

// slackAnswer is what Slack said. An incoming webhook answers with a word, the Web
// API with an object.
type slackAnswer struct {
	word    string // the error, or what a webhook answered: "ok", "no_service"
	ok      bool   // the object says ok
	refused bool   // the object says that it is not
	ts      string // the message's name, with ok
}

// readSlackAnswer reads an answer, the end of which may be missing: with ok comes
// the whole message, and that it was posted stands before it.
func readSlackAnswer(answer []byte) slackAnswer {
	answer = bytes.TrimSpace(answer)
	dec := json.NewDecoder(bytes.NewReader(answer))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return slackAnswer{word: string(answer[:min(len(answer), 64)])}
	}
	var a slackAnswer
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			break
		}
		var value any
		if dec.Decode(&value) != nil {
			break
		}
		switch name {
		case "ok":
			ok, isBool := value.(bool)
			a.ok, a.refused = ok, isBool && !ok
		case "error":
			a.word, _ = value.(string)
		case "ts":
			a.ts, _ = value.(string)
		}
	}
	if !isSlackTS(a.ts) {
		a.ts = ""
	}
	return a
}

// isSlackTS reports whether s names a message: digits and a dot. It is kept, and
// nothing else of an answer is.
func isSlackTS(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, digits+".") == ""
}

// slackVerdict reads Slack's answer. The status alone does not do: the Web API
// answers 200 with an error in it, and a 200 that is a web page comes from
// something on the way that is not Slack, and has not posted anything.
func (s *Slack) slackVerdict(status int, a slackAnswer) verdict {
	token := s.channel != ""
	if w, ok := slackWords[a.word]; ok {
		reason := w.reason
		if token {
			reason = orElse(w.token, reason)
		}
		return verdict{w.outcome, "Slack answered " + a.word + ": " + reason}
	}
	switch {
	case status/100 != 2:
		return verdict{outcomeOf(status), answered("Slack", status) + ": " + slackAdviceOn(status, token)}
	case a.refused:
		return verdict{event.Rejected, "Slack answered with an error not known here; check text and blocks in Slack's Block Kit Builder"}
	case token && !a.ok:
		return verdict{event.Held, "something answered in Slack's place; check api_url, and what stands between here and Slack"}
	case strings.HasPrefix(a.word, "<"):
		return verdict{event.Held, "a web page answered in Slack's place; check webhook_url, and what stands between here and Slack"}
	default:
		return verdict{outcome: event.Delivered} // "ok", or what a look-alike says
	}
}

// slackAdviceOn says what helps after a status without an error word.
func slackAdviceOn(status int, token bool) string {
	switch status {
	case http.StatusBadRequest:
		return "it does not take this message; check text and blocks in Slack's Block Kit Builder"
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone,
		http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if token {
			return "there is no Web API here, or it does not let us in; check token and api_url"
		}
		return slackWords["no_service"].reason
	case http.StatusRequestEntityTooLarge:
		return slackWords["msg_too_long"].reason
	case http.StatusTooManyRequests:
		return slackWords["ratelimited"].reason
	}
	switch {
	case status/100 == 3 && token:
		return "redirects are not followed; check api_url"
	case status/100 == 3:
		return "redirects are not followed; check webhook_url"
	}
	return adviceOn(status)
}
