package sqlite

import (
	"context"
	"math/bits"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Write implements outbox.Store.
func (s *Store) Write(ctx context.Context, b *outbox.Batch) error {
	return s.transact(ctx, "write", func(ctx context.Context, t *tx) error {
		for _, e := range b.Entries {
			if err := t.put(ctx, e); err != nil {
				return err
			}
		}
		for i := range b.Attempts {
			if err := t.end(ctx, &b.Attempts[i]); err != nil {
				return err
			}
		}
		for _, r := range b.Refused {
			if err := t.refuse(ctx, r); err != nil {
				return err
			}
		}
		return t.keepNewest(ctx, b)
	})
}

// keepNewest erases the refused ones beyond what is kept of each source in the
// batch, so that a sender who is refused all the time does not fill the disk
// between two purges.
func (t *tx) keepNewest(ctx context.Context, b *outbox.Batch) error {
	if b.KeepRefused == nil {
		return nil
	}
	looked := make(map[string]bool, 1)
	for _, r := range b.Refused {
		if looked[r.Source] {
			continue
		}
		looked[r.Source] = true
		a := t.w.keepRefused.args
		a[0].Value, a[1].Value = t.s.names.find(kindSource, r.Source), int64(max(0, b.KeepRefused(r.Source)))
		if err := t.w.keepRefused.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// put stores one entry, unless it is a duplicate.
func (t *tx) put(ctx context.Context, e *outbox.Entry) error {
	ev, n := e.Event, t.s.names
	e.Duplicate, e.StoredID = false, ev.ID
	seq, rnd := seqAndRest(ev.ID)
	k := keys{seq: seq, ticket: textKey(ev.Ticket), subject: textKey(ev.Subject)}
	source := n.number(kindSource, ev.Source)
	if !e.DedupeSince.IsZero() {
		k.dedupe = dedupeKey(source, &ev.Dedupe)
		t.s.recent.window = max(t.s.recent.window, ev.ReceivedAt.Sub(e.DedupeSince))
		if dup, err := t.duplicate(ctx, e, k.dedupe, source); dup || err != nil {
			return err
		}
		t.fresh[k.dedupe] = len(t.stored)
	}

	t.dated(nanos(ev.ReceivedAt))
	targets, beyond := t.addresses(e.To)
	t.ends = newEnds(t.ends[:0], targets)
	ruleset, err := t.ruleset(ctx, e.Ruleset, seq, nanos(ev.ReceivedAt))
	if err != nil {
		return err
	}
	t.verdicts = appendBeyond(encodeVerdicts(appendRuleset(t.verdicts[:0], ruleset), n, e.Verdicts), beyond)
	r := row{
		seq: seq, rnd: rnd, received: nanos(ev.ReceivedAt), finished: notFinished, source: source, kind: int64(ev.Kind),
		targets: int64(targets), person: person(t.s.salt, ev.Person), dedupe: ev.Dedupe[:], verdicts: t.verdicts, //nolint:gosec // bits
		subject: ev.Subject, ticket: ev.Ticket, status: ev.Status,
	}
	if targets == 0 && len(beyond) == 0 {
		r.finished = r.received
	}
	r.body, r.keyID = t.seal(ev.ID, ev.Body)
	r.crc, t.scratch = r.checksum(t.scratch)
	k.person = personKey(r.person)

	a := t.w.insertEvent.args
	a[0].Value, a[1].Value, a[2].Value, a[3].Value = seq, r.targets|noneWaiting, int64(len(beyond)), r.finished
	a[4].Value, a[5].Value, a[6].Value, a[7].Value = t.ends, rnd, r.received, source
	a[8].Value, a[9].Value, a[10].Value, a[11].Value = r.kind, r.targets, r.person, r.crc
	a[12].Value, a[13].Value, a[14].Value, a[15].Value = r.dedupe, t.verdicts, r.subject, r.ticket
	a[16].Value, a[17].Value, a[18].Value = r.status, r.body, r.keyID
	if err := t.w.insertEvent.run(ctx); err != nil {
		return err
	}
	for _, id := range beyond {
		if err := t.putDelivery(ctx, seq, id, &delivery{}); err != nil {
			return err
		}
		t.tally(id, 1, 0, 0)
	}
	for m := targets; m != 0; m &= m - 1 {
		t.tally(int64(bits.TrailingZeros64(m)+1), 1, 0, 0)
	}
	t.stored, t.keys = append(t.stored, e), append(t.keys, k)
	return nil
}

// seal is a body as it is stored, until the next call, and the number of its key.
func (t *tx) seal(id event.ID, body []byte) (stored []byte, keyID int64) {
	first := t.s.ring.first()
	if first == nil || body == nil {
		return body, 0
	}
	t.sealed = first.seal(t.sealed[:0], id, body)
	return t.sealed, first.id
}

// addresses numbers the addresses of an entry: a mask, and the numbers of those
// that have no bit.
func (t *tx) addresses(to []outbox.Address) (targets uint64, beyond []int64) {
	for _, a := range to {
		id := t.s.names.number(kindAddress, string(a))
		if id <= maxBit {
			targets |= 1 << (id - 1)
			continue
		}
		twice := false
		for _, b := range beyond {
			twice = twice || b == id
		}
		if !twice {
			beyond = append(beyond, id)
		}
	}
	return targets, beyond
}

// duplicate reports whether the entry repeats one of this transaction or of
// the window, and if so fills in its result. What repeats a damaged event is
// new: that one will not be sent, and nothing else brings it back.
func (t *tx) duplicate(ctx context.Context, e *outbox.Entry, key uint64, source int64) (bool, error) {
	ev := e.Event
	if i, ok := t.fresh[key]; ok {
		first := t.stored[i].Event
		if first.Source == ev.Source && first.Dedupe == ev.Dedupe && !first.ReceivedAt.Before(e.DedupeSince) {
			e.Duplicate, e.StoredID = true, first.ID
		}
		return e.Duplicate, nil
	}
	seq, ok := t.s.recent.seqs[key]
	if !ok {
		return false, nil
	}
	first, err := t.stands(ctx, seq)
	if err != nil || first == nil {
		return false, err // erased since
	}
	if first.source != source || string(first.dedupe) != string(ev.Dedupe[:]) ||
		!t.s.recent.repeats(seq, first.received, nanos(ev.ReceivedAt), nanos(e.DedupeSince)) {
		return false, nil
	}
	if err := first.verify(true); err != nil {
		t.s.report(first, err)
		return false, nil
	}
	e.Duplicate, e.StoredID = true, first.id()
	return true, nil
}

// stands reads what verify looks at of an event, nil when it is not there.
func (t *tx) stands(ctx context.Context, seq int64) (*row, error) {
	q := t.w.findEvent
	q.args[0].Value = seq
	found, err := q.row(ctx)
	if err != nil || !found {
		return nil, err
	}
	return &row{
		seq: seq, rnd: q.int(0), received: q.int(1), source: q.int(2), dedupe: q.blob(3), kind: q.int(4), targets: q.int(5), crc: q.int(6),
		verdicts: q.blob(7), subject: q.text(8), ticket: q.text(9), status: q.text(10), body: q.blob(11), keyID: q.int(12),
	}, nil
}

// refuse stores what intake could not take.
func (t *tx) refuse(ctx context.Context, r *event.Refused) error {
	seq, rnd := seqAndRest(r.ID)
	body, keyID := t.seal(r.ID, r.Body)
	a := t.w.insertRefused.args
	a[0].Value, a[1].Value, a[2].Value = seq, rnd, nanos(r.ReceivedAt)
	a[3].Value, a[4].Value, a[5].Value = t.s.names.number(kindSource, r.Source), int64(r.Status), r.Reason
	a[6].Value, a[7].Value, a[8].Value = r.ContentType, r.IV, int64(checksumOfBody(body, keyID))
	a[9].Value, a[10].Value = body, keyID
	t.refused = append(t.refused, seq)
	return t.w.insertRefused.run(ctx)
}
