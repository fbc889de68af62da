package sqlite

import (
	"context"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// try is an attempt to deliver: when, where to, and whether that ended it.
type try struct {
	target      string
	begun, took int64
	delivered   bool
}

// threads forgets the threads that an attempt for an event began: what they hang
// on is a hash of a value of it, which may be her id. Of an attempt that a kill
// ended nothing is recorded, but a thread may be: so those of its targets go that
// began between its receipt and the attempt that delivered it, or its end. One of
// somebody else's that began meanwhile is begun anew by its next message.
func (h *hers) threads(ctx context.Context, t *tx, seq int64) error {
	tries, err := h.tries(ctx, t, seq)
	var spans map[string]span
	if err == nil {
		spans, err = h.spans(ctx, t, seq, tries)
	}
	if code(err) == codeCorrupt { // as far as they can be read
		h.doubtful[seq], err = true, nil
	}
	if err != nil {
		return err
	}
	for _, a := range tries {
		if err := t.w.forgetThreads(ctx, a.target, a.begun, a.begun+a.took); err != nil {
			return err
		}
	}
	for target, of := range spans {
		if err := t.w.forgetThreads(ctx, target, of.from, of.to); err != nil {
			return err
		}
	}
	return nil
}

// forgetThreads erases a target's threads, or "" every target's, of a time: with a
// second for clocks, and for what ends leaves out of a time.
func (w *writer) forgetThreads(ctx context.Context, target string, from, to int64) error {
	return w.runOnce(ctx, "DELETE FROM threads WHERE (target = ?1 OR ?1 = '') AND at >= ?2 AND at <= ?3",
		target, from-int64(time.Millisecond), to+int64(time.Second))
}

// span is the time in which a target may have been sent an event.
type span struct {
	from, to  int64
	delivered bool
}

// spans are those of all targets of an event that is at its end.
func (h *hers) spans(ctx context.Context, t *tx, seq int64, tries []try) (map[string]span, error) {
	q := t.w.readFinished
	q.args[0].Value = seq
	if found, err := q.row(ctx); err != nil || !found {
		return nil, err
	}
	finished, received := q.int(0), q.int(2)
	all := map[string]span{}
	add := func(id int64) {
		if target := outbox.Address(h.s.names.of(kindAddress, id)).Target(); target != "" {
			all[target] = span{from: received, to: received}
		}
	}
	pendingBits(q.int(1), add)
	rows := t.w.readStates
	rows.args[0].Value = seq
	if err := rows.each(ctx, func() error { add(rows.int(0)); return nil }); err != nil {
		return nil, err
	}
	for _, a := range tries {
		if of, ok := all[a.target]; ok {
			all[a.target] = span{min(of.from, a.begun), max(of.to, a.begun+a.took), of.delivered || a.delivered}
		}
	}
	for target, of := range all {
		if !of.delivered {
			of.to = max(of.to, finished)
			all[target] = of
		}
	}
	return all, nil
}

// tries are all attempts for an event. One whose address is damaged may have been
// for any target.
func (h *hers) tries(ctx context.Context, t *tx, seq int64) (tries []try, err error) {
	add := func(address, begun, took int64, delivered bool) {
		target := outbox.Address(h.s.names.of(kindAddress, address)).Target()
		tries = append(tries, try{target, begun, took, delivered})
	}
	q := t.w.readEvent
	q.args[0].Value = seq
	if _, err := q.row(ctx); err != nil {
		return nil, err
	}
	r := row{seq: seq, ends: q.blob(4)}
	targets := q.int(3)
	pendingBits(targets, func(id int64) {
		if a, ok := r.first(id); ok {
			add(id, nanos(a.At), int64(a.Duration), true)
		}
	})
	rows, err := t.w.prepareOnce("SELECT address, at, duration, outcome FROM attempts WHERE seq = ? AND outcome <> 0", 1, 4)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.s.Close() }() // nothing was written
	rows.args[0].Value = seq
	err = rows.each(ctx, func() error {
		id := rows.int(0)
		if id <= maxBit && (id < 1 || targets&(1<<(id-1)) == 0) {
			id = 0 // nobody's number
		}
		add(id, rows.int(1), rows.int(2), rows.int(3) == int64(event.Delivered))
		return nil
	})
	return tries, err
}
