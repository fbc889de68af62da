package admin

import (
	"time"

	"invitation-relay/relay/outbox"
)

// ReloadStatus is how the last reload went.
type ReloadStatus struct {
	OK bool      // the config in force is the one last read
	At time.Time // when the one in force was read
}

// statusAnswer is the relay in one look: whether anything is wrong, and what.
type statusAnswer struct {
	OK            bool   `json:"ok"` // nothing below needs anybody
	Version       string `json:"version"`
	StartedAt     stamp  `json:"started_at"`
	UptimeSeconds int    `json:"uptime_seconds"`
	Ready         bool   `json:"ready"`
	NotReady      string `json:"not_ready"` // why, "" when ready
	Pending       int    `json:"pending"`

	OldestPendingSeconds int    `json:"oldest_pending_seconds"` // over all targets; 0 when nothing is pending
	OldestPendingTarget  string `json:"oldest_pending_target"`  // whose that is

	Dead   int         `json:"dead"`
	Held   []string    `json:"held"` // names of targets
	Alarms []alarmItem `json:"alarms"`
	Reload reloadItem  `json:"reload"`
}

type alarmItem struct {
	Alarm   string `json:"alarm"`
	Subject string `json:"subject"`
	Since   stamp  `json:"since"`
	Reason  string `json:"reason"`
	EventID string `json:"event_id"` // an event to look at, "" for none
}

type reloadItem struct {
	OK bool  `json:"ok"` // false: the config last read was refused, and an older one is in force
	At stamp `json:"at"` // when the one in force was read
}

// status answers the question at night. A dead letter is wrong until somebody
// has retried or discarded it; what waits is wrong when an alarm says so.
func (a *api) status(c *call) (any, error) {
	items, err := a.targets(c.ctx)
	if err != nil {
		return nil, err
	}
	alarms, err := a.Alarms(c.ctx)
	if err != nil {
		return nil, err
	}
	reason := a.notReady(c.ctx)
	s := statusAnswer{
		Version: a.Version, StartedAt: stamp(a.started), UptimeSeconds: int(a.Now().Sub(a.started) / time.Second),
		Ready: reason == "", NotReady: reason, Held: []string{}, Alarms: make([]alarmItem, 0, len(alarms)), Reload: reloadItem{OK: true},
	}
	if a.Reloaded != nil {
		r := a.Reloaded()
		s.Reload = reloadItem{r.OK, stamp(r.At)}
	}
	for i := range alarms {
		s.Alarms = append(s.Alarms, alarmItemOf(&alarms[i]))
	}
	for _, t := range items {
		s.Pending += t.Pending
		s.Dead += t.Dead
		if t.OldestPendingSeconds > s.OldestPendingSeconds {
			s.OldestPendingSeconds, s.OldestPendingTarget = t.OldestPendingSeconds, t.Name
		}
		if t.Held {
			s.Held = append(s.Held, t.Name)
		}
	}
	s.OK = s.Ready && s.Reload.OK && s.Dead == 0 && len(s.Held) == 0 && len(s.Alarms) == 0
	return s, nil
}

func alarmItemOf(al *outbox.Alarm) alarmItem {
	it := alarmItem{Alarm: al.Kind, Subject: al.Subject, Since: stamp(al.Since), Reason: al.Reason}
	if !al.EventID.IsZero() {
		it.EventID = al.EventID.String()
	}
	return it
}
