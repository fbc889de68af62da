//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

const (
	day        = 24 * time.Hour
	deduped    = 7 * day  // the config's default
	kept       = 89 * day // a day less than what is erased, so that nothing is while we measure
	perCommit  = 2000
	bytesEvent = 1000 // on disk, with room to spare
)

// stored is what a store has before the relay starts on it.
type stored struct {
	finished int // delivered, received in the last 89 days, so that some 8 % of them are looked through for repeats
	waiting  int // for the target "held", received in the last hour
}

func (s stored) events() int { return s.finished + s.waiting }

// fill makes a store with so much in it, in the folder.
func fill(ctx context.Context, dir string, has stored, progress func(done int)) (err error) {
	if free, need := space(dir), int64(has.events())*bytesEvent; free < need {
		return fmt.Errorf("%d MB are free in %s, and %d needed", free>>20, dir, need>>20)
	}
	over := kept
	if has.waiting > 0 {
		over = time.Hour
	}
	now := time.Now().Add(-over)
	s, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "relay.db"), Now: func() time.Time { return now }})
	if err != nil {
		return err
	}
	defer func() {
		if e := s.Close(); err == nil {
			err = e
		}
	}()
	if has.waiting > 0 {
		if err := s.SetHold(ctx, outbox.Hold{Target: "held", Since: now, Reason: "by the benchmark", ByHand: true}); err != nil {
			return err
		}
	}
	var ids event.IDs
	var batch outbox.Batch
	apart := over / time.Duration(has.events())
	for n := range has.events() {
		now = now.Add(apart)
		batch.Entries = append(batch.Entries, entry(&ids, n, now, has.waiting > 0))
		if has.waiting == 0 {
			batch.Attempts = append(batch.Attempts, delivered(batch.Entries[len(batch.Entries)-1]))
		}
		if len(batch.Entries) < perCommit && n < has.events()-1 {
			continue
		}
		if err := s.Write(ctx, &batch); err != nil {
			return err
		}
		batch.Entries, batch.Attempts = batch.Entries[:0], batch.Attempts[:0]
		progress(n + 1)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

// entry is an event like those that are sent, of another person each.
func entry(ids *event.IDs, n int, at time.Time, waits bool) *outbox.Entry {
	id, to := ids.New(at), outbox.Address("t0")
	if waits {
		to = "held"
	}
	ev := &event.Event{
		ID: id, Source: "bench", ReceivedAt: at, Subject: id.String(), Ticket: id.String()[9:], Status: "REJECTED", Person: fmt.Sprint("C-", n),
	}
	ev.Body = fmt.Appendf(nil, `{"id":%q,"invitation_state":"COMPLETED","cifcod":%q,"full_name":"Jon Doe","ticket":%q,"transaction_status":"REJECTED","attempts":3}`,
		ev.Subject, ev.Person, ev.Ticket)
	copy(ev.Dedupe[:], id[:])
	copy(ev.Dedupe[len(id):], id[:])
	return &outbox.Entry{
		Event: ev, To: []outbox.Address{to}, DedupeSince: at.Add(-deduped),
		Verdicts: []outbox.Verdict{{Rule: "match", Verdict: "match"}},
	}
}

// delivered is how its delivery ended.
func delivered(e *outbox.Entry) outbox.Attempt {
	return outbox.Attempt{
		Key: outbox.Key{Event: e.Event.ID, Address: e.To[0]}, Number: 1, At: e.Event.ReceivedAt, Duration: time.Millisecond,
		Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
	}
}
