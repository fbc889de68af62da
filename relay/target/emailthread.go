package target

import (
	"crypto/sha256"
	"encoding/hex"

	"invitation-relay/relay/event"
)

// threadID is what all mails about the same matter refer to, so that mail
// programs show them together; "" when the event belongs to none. It is the
// Message-ID of a mail that was never sent: programs gather what refers to the
// same mail whether or not they have it (RFC 5256 and RFC 5322, section 3.6.4),
// and so nothing needs to be remembered about who got which mail first.
//
// The matter is the ticket, or of an alarm what it is about: its end then stands
// below its beginning. It is hashed, because header fields are written into the
// logs of servers on the way; without a key, which would have to be the same in
// every replica and after every restart, because whoever has the mail has the
// ticket in it.
func threadID(ev *event.Event, domain string) string {
	matter := ""
	switch {
	case ev.Kind == event.Alarm:
		if a := readAlarm(ev); a.Alarm != "" {
			matter = "alarm\n" + a.Alarm + "\n" + a.Subject
		}
	case ev.Ticket != "":
		matter = "ticket\n" + ev.Source + "\n" + ev.Ticket
	}
	if matter == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(matter))
	return "<thread." + hex.EncodeToString(sum[:16]) + "@" + domain + ">"
}

// thread is the thread of a mail: none when the ticket may not leave as it is.
// Masked tickets are the same text for many matters, and a hash of what is behind
// the mask could be guessed.
func (e *Email) thread(m *Message) string {
	if m.whole != nil && m.whole.Ticket != m.Event.Ticket {
		return ""
	}
	return threadID(m.Event, e.domain)
}
