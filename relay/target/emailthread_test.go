package target

import (
	"strings"
	"testing"

	"invitation-relay/relay/event"
)

func TestMailsOfOneTicketReferToTheSameMail(t *testing.T) {
	e := newTestEmail(t, nil)
	first, second := mailTestEvent(t), mailTestEvent(t, with("transaction_status", "ACCEPTED"))
	a, b := written(t, e, first), written(t, e, second)
	root := a.Header("References")
	if root == "" || root != a.Header("In-Reply-To") || root != b.Header("References") || root == a.Header("Message-Id") {
		t.Errorf("references %q and %q: want two mails in one thread", root, b.Header("References"))
	}
	if strings.Contains(root, first.Ticket) || !strings.HasSuffix(root, "@example.org>") {
		t.Errorf("references %q: want no ticket in it", root)
	}
}

func TestOtherTicketsSourcesAndNoneAreOtherThreads(t *testing.T) {
	e := newTestEmail(t, nil)
	seen := map[string]string{}
	for name, change := range map[string]func(*event.Event){
		"the ticket":    func(*event.Event) {},
		"another":       func(ev *event.Event) { ev.Ticket = "another" },
		"another's":     func(ev *event.Event) { ev.Source = "another" },
		"an alarm":      func(ev *event.Event) { *ev = *mailTestAlarm(t, "began") },
		"no ticket":     func(ev *event.Event) { ev.Ticket = "" },
		"a broken body": func(ev *event.Event) { ev.Kind, ev.Body = event.Alarm, []byte("{") },
	} {
		ev := mailTestEvent(t)
		change(ev)
		root := written(t, e, ev).Header("References")
		if none := name == "no ticket" || name == "a broken body"; none != (root == "") {
			t.Errorf("%s: references %q", name, root)
		}
		if other, twice := seen[root]; twice && root != "" {
			t.Errorf("%s and %s are one thread", name, other)
		}
		seen[root] = name
	}
}

// TestTicketThatDoesNotLeaveMakesNoThread: masked tickets are the same text for
// many, whose mails would be shown as one matter, and a hash of the whole one
// could be guessed.
func TestTicketThatDoesNotLeaveMakesNoThread(t *testing.T) {
	for name, shape := range map[string]Shape{
		"masked":        {Mask: []string{"ticket"}},
		"left out":      {Fields: []string{"id"}},
		"another field": {Mask: []string{"full_name"}},
	} {
		ev := mailTestEvent(t)
		ev.Body = []byte(`{"id": "i-1"}`) // its fields are what counts here
		m, err := shape.message(&Message{DeliveryID: "d", Event: ev})
		if err != nil {
			t.Fatal(err)
		}
		l, err := newTestEmail(t, nil).letter(m)
		if err != nil {
			t.Fatal(err)
		}
		if whole := name == "another field"; whole != (l.thread != "") {
			t.Errorf("%s: thread %q", name, l.thread)
		}
	}
}

func TestTheEndOfAnAlarmStandsBelowItsBeginning(t *testing.T) {
	e := newTestEmail(t, nil)
	began, ended := written(t, e, mailTestAlarm(t, "began")), written(t, e, mailTestAlarm(t, "ended"))
	if began.Header("References") == "" || began.Header("References") != ended.Header("References") {
		t.Errorf("references %q and %q, want the same", began.Header("References"), ended.Header("References"))
	}
}
