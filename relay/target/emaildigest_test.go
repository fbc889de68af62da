package target

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

// digestMessages are the events as deliveries to the first recipient, with ids
// and times of their own.
func digestMessages(t testing.TB, e *Email, events ...*event.Event) []*Message {
	t.Helper()
	var ms []*Message
	for i, ev := range events {
		m := mailTestMessage(t, e)
		one := *ev
		id, err := event.ParseID(fmt.Sprintf("0198c5a2-7b1c-7d3e-8f4a-5b6c7d8e9f%02d", i))
		if err != nil {
			t.Fatal(err)
		}
		one.ID, one.ReceivedAt = id, ev.ReceivedAt.Add(time.Duration(i)*time.Minute)
		m.Event, m.DeliveryID = &one, fmt.Sprintf("%s.archive.%s", id, e.hashes[0])
		ms = append(ms, m)
	}
	return ms
}

// several is what a busy quarter of an hour brings.
func several(t testing.TB, e *Email) []*Message {
	t.Helper()
	accepted := mailTestEvent(t, with("transaction_status", "ACCEPTED"), with("full_name", "Zoë Ünal"), with("attempts", 1))
	nameless := mailTestEvent(t, with("full_name", nil))
	markup := mailTestEvent(t, with("full_name", "<b>Doe</b>\r\nBcc: x@example.net \u202eevil"))
	arabic := mailTestEvent(t, with("full_name", "محمد علي"))
	long := mailTestEvent(t, with("full_name", strings.Repeat("Very long name ", 40)))
	return digestMessages(t, e, mailTestEvent(t), accepted, nameless, markup, accepted, arabic, long)
}

func TestADigestIsOneReadableMail(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s)
	var digester Digester = e
	if r := digester.SendDigest(t.Context(), several(t, e)); r.Outcome != event.Delivered || len(s.Mails()) != 1 {
		t.Fatalf("result %+v with %d mails, want one, delivered", r, len(s.Mails()))
	}
	m := s.Mails()[0]
	if got := m.Subject(); got != "7 verifications: 5 rejected, 2 accepted" {
		t.Errorf("subject %q", got)
	}
	goldenMail(t, "email_digest.txt", m.Text()+"\n"+strings.Repeat("-", 72)+"\n"+m.Part("text/html"))
}

func TestADigestOfTheSameDeliveriesIsTheSameMail(t *testing.T) {
	e := newTestEmail(t, nil)
	id := func(ms []*Message) string {
		l, err := e.digestLetter(ms)
		if err != nil {
			t.Fatal(err)
		}
		return posted(t, e, l).Header("Message-Id")
	}
	ms := several(t, e)
	if again := id(several(t, e)); again != id(ms) || !strings.HasPrefix(again, "<digest.") {
		t.Errorf("ids %s and %s, want the same", id(ms), again)
	}
	if id(ms) == id(ms[:6]) {
		t.Error("one event more is the same mail, which a mailbox may drop")
	}
}

func TestADigestIgnoresTextsForOneEvent(t *testing.T) {
	e := newRulesEmail(t, func(c *EmailConfig) { c.Subject, c.Text = "custom", "custom" })
	l, err := e.digestLetter(several(t, e))
	if err != nil || strings.Contains(l.subject+l.text, "custom") || l.html == "" || l.thread != "" {
		t.Errorf("letter %+v, %v, want the default digest", l, err)
	}
}

func TestADigestEndsAsItsMailDoes(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithScript(relaytest.SMTPRecipient,
		relaytest.SMTPAnswer{Code: 550, Enhanced: [3]int{5, 1, 1}}, relaytest.SMTPAnswer{Code: 451, Enhanced: [3]int{4, 7, 1}}))
	e := newTestEmail(t, s)
	for _, want := range []event.Outcome{event.Rejected, event.Retry, event.Delivered} {
		if r := e.SendDigest(t.Context(), several(t, e)); r.Outcome != want {
			t.Errorf("result %+v, want %v", r, want)
		}
	}
}
