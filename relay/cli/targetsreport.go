package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// tooOld is how old what waits for a target may be before something is wrong: the
// README's alarm has the same.
const tooOld = 15 * time.Minute

// targetsReport answers "is anything wrong?".
type targetsReport struct {
	answer  json.RawMessage
	targets []targetItem
	wrong   []trouble
}

// trouble is something wrong, and what helps.
type trouble struct{ what, helps string }

// targetsReport asks for the targets, and whether the relay takes webhooks.
func (a *adminAPI) targetsReport(ctx context.Context) (*targetsReport, error) {
	r := &targetsReport{}
	var err error
	if r.answer, r.targets, err = a.targets(ctx); err != nil {
		return nil, err
	}
	status, err := ask[relayStatus](a.get(ctx, nil, "status"))
	if err != nil {
		return nil, err
	}
	r.wrong = a.wrongAtAll(status, time.Now())
	for i := range r.targets {
		r.wrong = append(r.wrong, a.wrongWith(&r.targets[i], time.Now())...)
	}
	return r, nil
}

// relayStatus is the relay in one look, as far as the targets do not say it.
type relayStatus struct {
	Ready    bool   `json:"ready"`
	NotReady string `json:"not_ready"`
	Alarms   []struct {
		Alarm   string     `json:"alarm"`
		Subject string     `json:"subject"`
		Since   *time.Time `json:"since"`
		Reason  string     `json:"reason"`
		EventID string     `json:"event_id"`
	} `json:"alarms"`
	Reload *struct {
		OK bool `json:"ok"`
	} `json:"reload"`
}

// wrongAtAll is what is wrong with the relay, and with no target in particular.
func (a *adminAPI) wrongAtAll(s *relayStatus, now time.Time) (wrong []trouble) {
	if !s.Ready {
		wrong = append(wrong, trouble{"the relay takes no webhooks: " + cell(s.NotReady), "its log says more"})
	}
	if s.Reload != nil && !s.Reload.OK {
		wrong = append(wrong, trouble{"the config was refused at its last reload, and an older one is in force", "why: invitation-relay check -c FILE"})
	}
	for _, alarm := range s.Alarms {
		switch alarm.Alarm {
		case "target_held", "dead_letter", "backlog", "reload_failed":
			continue // said of the target, and of the config
		}
		what := "alarm " + cell(alarm.Alarm)
		if alarm.Subject != "" {
			what += " of " + cell(alarm.Subject)
		}
		if alarm.Since != nil {
			what += " since " + timed(*alarm.Since, now)
		}
		if alarm.Reason != "" {
			what += ": " + cell(alarm.Reason)
		}
		helps := "the relay's log says more"
		if alarm.EventID != "" {
			helps = "an event of it: " + a.command("events show "+alarm.EventID)
		}
		wrong = append(wrong, trouble{what, helps})
	}
	return wrong
}

// wrongWith is what is wrong with one target.
func (a *adminAPI) wrongWith(t *targetItem, now time.Time) (wrong []trouble) {
	name := cell(t.Name)
	switch oldest := t.oldest(); {
	case t.Held && t.ByHand:
		wrong = append(wrong, trouble{
			name + " is held by hand" + t.since(now) + t.because(), "to end that: " + a.command("targets release "+t.Name),
		})
	case t.Held:
		what := name + " is held" + t.since(now) + t.because()
		if t.NextProbeAt != nil && t.NextProbeAt.After(now) {
			what += "; the next probe comes " + away(*t.NextProbeAt, now)
		}
		wrong = append(wrong, trouble{what, "when that is mended: " + a.command("targets release "+t.Name)})
	case t.Kind == "" && t.Pending > 0:
		wrong = append(wrong, trouble{
			fmt.Sprintf("%s is gone from the config, and %s for it", name, counted(t.Pending, "delivery waits", "deliveries wait")),
			"bring it back, or: " + a.command("deliveries discard --state pending --target "+t.Name),
		})
	case oldest > tooOld:
		what := fmt.Sprintf("%s is behind: its oldest delivery waits for %s", name, lasting(oldest))
		if t.waits(now) {
			what += "; it asked to be left alone, and is tried again " + away(*t.WaitingUntil, now)
		}
		wrong = append(wrong, trouble{what, "why: " + a.command("deliveries list --state pending --target "+t.Name)})
	}
	if t.Dead > 0 {
		wrong = append(wrong, trouble{
			fmt.Sprintf("%s has %s", name, counted(t.Dead, "dead letter", "dead letters")),
			"why: " + a.command("deliveries list --state dead --target "+t.Name),
		})
	}
	return wrong
}

func (t *targetItem) oldest() time.Duration {
	return time.Duration(t.OldestPendingSeconds) * time.Second
}

func (t *targetItem) waits(now time.Time) bool {
	return t.WaitingUntil != nil && t.WaitingUntil.After(now)
}

func (t *targetItem) since(now time.Time) string {
	if t.HeldSince == nil {
		return ""
	}
	return " since " + timed(*t.HeldSince, now)
}

func (t *targetItem) because() string {
	if t.HeldReason == "" {
		return ""
	}
	return ": " + cell(t.HeldReason)
}

// word is a target's state in a word or three.
func (t *targetItem) word(now time.Time) string {
	switch {
	case t.Held && t.HeldSince != nil:
		return "held for " + lasting(now.Sub(*t.HeldSince))
	case t.Held:
		return "held"
	case t.Kind == "":
		return "gone"
	case t.waits(now):
		return "waits, " + away(*t.WaitingUntil, now)
	default:
		return "ok"
	}
}

// print writes the table and, below it, what is wrong.
func (r *targetsReport) print(w *world, now time.Time) error {
	rows := make([][]string, 0, len(r.targets))
	for i := range r.targets {
		t := &r.targets[i]
		oldest := ""
		if t.Pending > 0 {
			oldest = lasting(t.oldest())
		}
		rows = append(rows, []string{t.Name, t.Kind, t.word(now), grouped(t.Pending), oldest, grouped(t.Delivered), grouped(t.Dead)})
	}
	if err := table(w.stdout, "TARGET | KIND | STATE | PENDING | OLDEST | DELIVERED | DEAD", rows); err != nil {
		return err
	}
	p := newPage(w.stdout)
	p.line("")
	if len(r.wrong) == 0 {
		p.line("%s", p.paint(green, "all well"))
	}
	for _, f := range r.wrong {
		p.line("%s", p.paint(red, f.what))
		p.line("  %s", f.helps)
	}
	return nil
}
