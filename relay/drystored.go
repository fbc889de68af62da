package relay

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"

	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
)

// refusedSize is what intake says of a body that max_body does not let in.
const refusedSize = "The body is larger than this source may send."

// Stored takes an event of the store as if its sender sent the same now, in the
// way the config wants it (encrypted, when it has keys), and decides. ev needs
// ID, Source, ReceivedAt and Body, and is not changed; the rest is read again. The error is
// event.ErrNotFound for a source that is not in the config.
func (d *DryRun) Stored(ev *event.Event) (*Outcome, error) {
	source, schema := d.cfg.Sources[ev.Source], d.schemas[ev.Source]
	if source == nil {
		return nil, fmt.Errorf("source %q: %w", ev.Source, event.ErrNotFound)
	}
	encrypted := len(source.Encryption.Keys) > 0
	size := len(ev.Body)
	if encrypted {
		size = base64.StdEncoding.EncodedLen(size/16*16 + 16)
	}
	if size > int(source.MaxBody) {
		return &Outcome{Status: http.StatusRequestEntityTooLarge, Reason: refusedSize, run: d}, nil
	}
	fields, err := intake.Decode(ev.Body, schema)
	if err != nil {
		o := &Outcome{Status: http.StatusBadRequest, Reason: err.Error(), run: d}
		if !encrypted && errors.Is(err, intake.ErrInvalid) {
			o.Status = http.StatusUnprocessableEntity
		}
		return o, nil
	}
	seen := *ev
	seen.Fields, seen.Subject, seen.Ticket, seen.Status, seen.Person = fields.Members, fields.Subject, fields.Ticket, fields.Status, fields.Person
	return &Outcome{Status: http.StatusAccepted, Event: &seen, Decision: d.cfg.Set.Decide(input(&seen)), run: d}, nil
}
