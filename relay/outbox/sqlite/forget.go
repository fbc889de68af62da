package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// forgetStep is how many events one transaction of Forget changes.
const forgetStep = 50

// forgotten is what the history of a delivery says of its end.
const forgotten = "the person was forgotten"

// Forget implements outbox.Store. What is to be erased is found beside the
// writer; to erase it takes short transactions.
func (s *Store) Forget(ctx context.Context, f outbox.Forget) (done outbox.Forgotten, err error) {
	if f.Person == "" {
		return done, errors.New("forget: nobody is named")
	}
	h := newHers(s, f)
	defer func() { done.Damaged = h.doubts() }()
	for _, find := range []func(context.Context) error{h.look, h.linked, h.inJournal} {
		if err := find(ctx); err != nil {
			return done, err
		}
	}
	slices.Reverse(h.order) // what another one leads to goes before that one: after an end halfway it is found again
	for some := range slices.Chunk(h.order, forgetStep) {
		if err := h.erase(ctx, some, &done); err != nil {
			return done, err
		}
	}
	if err := h.eraseRefused(ctx, &done); err != nil {
		return done, err
	}
	return done, s.truncateWAL(ctx, 500)
}

// erase takes from some events all that tells of her.
func (h *hers) erase(ctx context.Context, some []event.ID, done *outbox.Forgotten) error {
	var to, open []outbox.StoredDelivery
	for _, id := range some {
		list, err := h.deliveries(ctx, id)
		if err != nil {
			return err
		}
		for _, d := range list {
			to = append(to, d)
			if d.State == event.Pending || d.State == event.Dead {
				open = append(open, d)
			}
		}
	}
	if len(open) > 0 && h.f.Discard != nil {
		if err := h.f.Discard(ctx, open); err != nil {
			return err
		}
	}
	err := h.s.transact(ctx, "forget", func(ctx context.Context, t *tx) error {
		for _, d := range to {
			a := outbox.Attempt{Key: d.Key, At: h.f.Now, State: event.Discarded, Reason: forgotten}
			if err := t.end(ctx, &a); err != nil { // changes what is not yet discarded, and can be
				return err
			}
		}
		for _, id := range some {
			if err := h.threads(ctx, t, id.Seq()); err != nil {
				return err
			}
			if err := h.blank(ctx, t, id.Seq()); err != nil {
				return err
			}
			if err := h.eraseKeys(ctx, t, id.Seq()); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.s.unclear.Store(true)
	done.Events += len(some)
	done.Discarded += len(open)
	return nil
}

func (h *hers) deliveries(ctx context.Context, id event.ID) (list []outbox.StoredDelivery, err error) {
	err = h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
		l := h.s.loader(tx, false)
		r, err := l.row(ctx, id.Seq())
		if errors.Is(err, event.ErrNotFound) { // purged since
			return nil
		}
		if r == nil {
			return err
		}
		list, err = l.deliveries(ctx, r) // of a damaged one as well
		return err
	})
	return list, err
}

// blank empties the columns of an event.
func (h *hers) blank(ctx context.Context, t *tx, seq int64) error {
	r, err := t.stands(ctx, seq)
	if err != nil || r == nil {
		return err
	}
	r.subject, r.ticket, r.body, r.keyID, r.dedupe = "", "", nil, 0, make([]byte, 32)
	crc, _ := r.checksum(nil)
	return t.w.runOnce(ctx, "UPDATE events SET body = NULL, key_id = 0, person = 0, subject = '', ticket = '', dedupe = ?, crc = ? WHERE seq = ?", r.dedupe, crc, seq)
}
