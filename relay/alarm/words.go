package alarm

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"invitation-relay/relay/event"
)

// message is the body of an alarm's event.
type message struct {
	Alarm      string    `json:"alarm"`
	State      string    `json:"state"` // began or ended
	Subject    string    `json:"subject,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Command    string    `json:"command,omitempty"`
	Since      time.Time `json:"since"`
	EventID    string    `json:"event_id,omitempty"`
	DeliveryID string    `json:"delivery_id,omitempty"`
}

func (n news) message(configPath string) message {
	m := message{
		Alarm: n.Kind, State: "began", Subject: n.Subject, Reason: n.Reason, Command: command(n.Trouble, configPath),
		Since: n.Since.UTC().Truncate(time.Second), DeliveryID: n.Delivery,
	}
	if !n.Event.IsZero() {
		m.EventID = n.Event.String()
	}
	if !n.began {
		m.State, m.Reason = "ended", n.ending
	}
	return m
}

// event is the message as an event.
func (m message) event(id event.ID, now time.Time) (*event.Event, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write alarm: %w", err)
	}
	ev := &event.Event{ID: id, Source: Source, ReceivedAt: now.UTC(), Body: body, Kind: event.Alarm}
	if err := json.Unmarshal(body, &ev.Fields); err != nil {
		return nil, fmt.Errorf("read alarm: %w", err)
	}
	return ev, nil
}

// command is what to type to see more, or to help. Names need no quoting; a path may.
func command(t Trouble, configPath string) string {
	const relay = "invitation-relay "
	switch t.Kind {
	case DeadLetter:
		return relay + "deliveries list --target " + t.Subject + " --state dead"
	case TargetHeld:
		return relay + "targets release " + t.Subject
	case Backlog:
		return relay + "deliveries list --target " + t.Subject + " --state pending"
	case MustRoute, RuleError:
		if t.Event.IsZero() {
			return ""
		}
		return relay + "events show " + t.Event.String()
	case ReloadFailed:
		return relay + "check -c " + quoted(configPath)
	case DecryptionFailures:
		return relay + "events list --refused --source " + t.Subject
	case Silence:
		return relay + "doctor -c " + quoted(configPath)
	default:
		return ""
	}
}

// quoted is a path as a shell takes it.
func quoted(path string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("/._-+:@%", c)
	}
	if path != "" && strings.IndexFunc(path, func(c rune) bool { return !plain(c) }) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

// ending is why an alarm is over.
func (k *Keeper) ending(id ID) string {
	switch id.Kind {
	case DeadLetter:
		return "no delivery has died for an hour, or none that did is left" + k.counted(id)
	case TargetHeld:
		return "the target is no longer on hold"
	case Backlog:
		return "what waited so long has been delivered, or has ended otherwise"
	case MustRoute:
		return "it has not happened for an hour" + k.counted(id)
	case RuleError:
		return "the rule has been evaluated without an error for an hour" + k.counted(id)
	case ReloadFailed:
		return "a config has been put in force"
	case DecryptionFailures:
		return "most webhooks can be decrypted again"
	case Silence:
		return "a webhook has come"
	default:
		return ""
	}
}

// counted says how often it happened, when that was more than once.
func (k *Keeper) counted(id ID) string {
	n := k.times[id]
	delete(k.times, id)
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("; it happened %d times", n)
}

// short is a duration as it would stand in the config.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
