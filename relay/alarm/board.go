package alarm

import (
	"cmp"
	"slices"
	"time"

	"invitation-relay/relay/outbox"
)

// board is which alarms are on, and what people know of them. It is told what is
// wrong, again and again, and says what is news. It asks no clock.
type board map[ID]*state

// state is one alarm. It is dropped when it is off, nobody has to be told, and
// damping needs it no more.
type state struct {
	Trouble
	on     bool
	off    time.Time // since when it is not on
	told   bool      // that it began is the last people were told
	begun  time.Time // when a beginning was last told
	stored bool      // the store has it
	logged bool      // the news at hand is in the log
	ending string    // why it ended
}

// news is what people are to be told of one alarm.
type news struct {
	*state
	began bool // else it ended
}

// restore puts an alarm on the board that was on before a restart.
func (b board) restore(a outbox.Alarm) {
	t := Trouble{ID: ID{a.Kind, a.Subject}, Since: a.Since, Reason: a.Reason, Event: a.EventID}
	b[t.ID] = &state{Trouble: t, on: true, told: true, begun: a.Since, stored: true}
}

// isOn reports whether the trouble was there when it was last looked.
func (b board) isOn(id ID) bool { s := b[id]; return s != nil && s.on }

// see takes in all that is wrong at now. ending says why what is not wrong any
// more has ended.
func (b board) see(now time.Time, wrong []Trouble, ending func(ID) string) {
	there := make(map[ID]bool, len(wrong))
	for _, t := range wrong {
		there[t.ID] = true
		s := b[t.ID]
		if s == nil {
			s = &state{}
			b[t.ID] = s
		}
		if s.told { // it is as it was told, until its end is
			s.on = true
			continue
		}
		if s.on {
			t.Since = s.Since
		}
		s.Trouble, s.on = t, true
	}
	for id, s := range b {
		if s.on && !there[id] {
			s.on, s.off, s.ending = false, now, ending(id)
		}
		if !s.on && !s.told {
			s.logged = false
			if !s.stored && over(now, s.begun, gap) {
				delete(b, id)
			}
		}
	}
}

// news is what is to be told at now, the oldest first.
func (b board) news(now time.Time) (all []news) {
	for _, s := range b {
		switch {
		case s.on && !s.told && over(now, s.begun, gap):
			all = append(all, news{s, true})
		case !s.on && s.told && over(now, s.off, settle):
			all = append(all, news{s, false})
		}
	}
	slices.SortFunc(all, func(a, b news) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject))
	})
	return all
}

// over reports whether a time has passed since at. A clock that was set back
// makes nobody wait.
func over(now, at time.Time, d time.Duration) bool {
	passed := now.Sub(at)
	return at.IsZero() || passed >= d || passed < 0
}

// tell notes that people were told.
func (n news) tell(now time.Time) {
	n.told, n.logged = n.began, false
	if n.began {
		n.begun = now
	}
}

// unsaved are the alarms of which the store knows something else than people do.
func (b board) unsaved() (all []*state) {
	for _, s := range b {
		if s.told != s.stored {
			all = append(all, s)
		}
	}
	return all
}

// record is the alarm as the store has it: without a time once it has ended.
func (s *state) record() outbox.Alarm {
	a := outbox.Alarm{Kind: s.Kind, Subject: s.Subject}
	if s.told {
		a.Since, a.Reason, a.EventID = s.Since, s.Reason, s.Event
	}
	return a
}

// active lists what is on, or was told to be, by kind and subject.
func (b board) active() []outbox.Alarm {
	all := []outbox.Alarm{}
	for _, s := range b {
		if s.on || s.told {
			all = append(all, outbox.Alarm{Kind: s.Kind, Subject: s.Subject, Since: s.Since, Reason: s.Reason, EventID: s.Event})
		}
	}
	slices.SortFunc(all, func(a, b outbox.Alarm) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Subject, b.Subject))
	})
	return all
}
