package sqlite

import (
	"context"
	"time"

	"invitation-relay/relay/outbox"
)

// try is an attempt to deliver: when, and where to.
type try struct {
	target      string
	begun, took int64
}

// threads forgets the threads that an attempt for an event began: what they hang
// on is a hash of a value of it, which may be her id. One of somebody else's that
// began just then is begun anew by its next message.
func (h *hers) threads(ctx context.Context, t *tx, seq int64) error {
	tries, err := h.tries(ctx, t, seq)
	if code(err) == codeCorrupt { // as far as they can be read
		h.doubtful[seq], err = true, nil
	}
	if err != nil {
		return err
	}
	for _, a := range tries { // with a second for clocks, and for what ends leaves out of a time
		err := t.w.runOnce(ctx, "DELETE FROM threads WHERE (target = ?1 OR ?1 = '') AND at >= ?2 AND at <= ?3",
			a.target, a.begun-int64(time.Millisecond), a.begun+a.took+int64(time.Second))
		if err != nil {
			return err
		}
	}
	return nil
}

// tries are all attempts for an event. One whose address is damaged may have been
// for any target.
func (h *hers) tries(ctx context.Context, t *tx, seq int64) (tries []try, err error) {
	add := func(address, begun, took int64) {
		target := outbox.Address(h.s.names.of(kindAddress, address)).Target()
		tries = append(tries, try{target, begun, took})
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
			add(id, nanos(a.At), int64(a.Duration))
		}
	})
	rows, err := t.w.prepareOnce("SELECT address, at, duration FROM attempts WHERE seq = ? AND outcome <> 0", 1, 3)
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
		add(id, rows.int(1), rows.int(2))
		return nil
	})
	return tries, err
}
