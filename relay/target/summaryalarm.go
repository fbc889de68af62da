package target

import (
	"encoding/json"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// alarmWords are the alarms in the words of a message: what began, what ended,
// and what kind of thing the subject is.
var alarmWords = map[string]struct{ began, ended, subject string }{
	"target_held":         {"Target on hold", "Target no longer on hold", "Target"},
	"dead_letter":         {"A delivery has become a dead letter", "No more dead letters", "Target"},
	"backlog":             {"Deliveries are waiting too long", "Deliveries are no longer waiting", "Target"},
	"must_route":          {"An event that must reach a target reached none", "Events reach a target again", "Condition"},
	"rule_error":          {"A rule cannot be evaluated", "The rule can be evaluated again", "Rule"},
	"reload_failed":       {"The config could not be reloaded", "The config is in force again", "File"},
	"decryption_failures": {"Webhooks cannot be decrypted", "Webhooks can be decrypted again", "Source"},
	"silence":             {"No webhooks are coming in", "Webhooks are coming in again", "Source"},
}

// summariseAlarm puts an alarm of the relay's own into words: what began or
// ended, of what, why, since when, and, unless it has ended, the command that helps.
func summariseAlarm(ev *event.Event) summary {
	fields := ev.Fields
	if len(fields) == 0 {
		_ = json.Unmarshal(ev.Body, &fields) // what cannot be read leaves the title
	}
	get := func(name string) string { return first(fields, name) }
	kind, ended := get("alarm"), get("state") == "ended"
	words, ok := alarmWords[kind]
	if !ok {
		words.began, words.ended, words.subject = "Something needs your attention", "Something no longer needs your attention", "Subject"
		if kind != "" {
			words.began, words.ended = "Alarm "+kind, "Alarm "+kind+" has ended"
		}
	}
	s := summary{title: marks[event.Alarm] + words.began, who: get("subject")}
	helps := get("command")
	if ended {
		s.title, helps = marks[event.Alarm]+words.ended, ""
	}
	since := get("since")
	if at, err := time.Parse(time.RFC3339, since); err == nil {
		since = at.UTC().Format(time.DateTime) + " UTC"
	}
	for _, f := range []fact{
		{label: words.subject, value: s.who},
		{label: "Since", value: since},
		{label: "Reason", value: get("reason"), wide: true},
		{label: "What helps", value: helps, code: true},
		{label: "Event", value: get("event_id"), id: true},
		{label: "Delivery", value: get("delivery_id"), id: true},
	} {
		if f.value != "" {
			s.facts = append(s.facts, f)
		}
	}
	s.notes = []string{"invitation-relay", ev.ReceivedAt.UTC().Format(time.DateTime) + " UTC", "alarm " + ev.ID.Short()}
	return s
}

// isPlainCommand reports whether s is a command of letters, digits, blanks and a
// few marks, none of which is a shell's or ends a run of code in Slack.
func isPlainCommand(s string) bool {
	return s != "" && len(s) <= 500 && strings.Trim(s, lowerLetters+upperLetters+digits+" -_./=:,@+") == ""
}

// isAlarm reports whether a message is the relay's own, which has its own words.
func isAlarm(m *Message) bool { return m.Event.Kind == event.Alarm }
