package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"maps"
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
	h := &hers{s: s, f: f, person: person(s.salt, f.Person), seqs: map[int64]event.ID{}, commits: map[int64]int64{}}
	for _, find := range []func(context.Context) error{h.byPerson, h.byBody, h.linked, h.inJournal} {
		if err := find(ctx); err != nil {
			return done, err
		}
	}
	for some := range slices.Chunk(slices.Collect(maps.Values(h.seqs)), forgetStep) {
		if err := h.erase(ctx, some, &done); err != nil {
			return done, err
		}
	}
	if err := h.eraseRefused(ctx, &done); err != nil {
		return done, err
	}
	return done, s.truncateWAL(ctx, 500)
}

// hers is one Forget under way: the events of one person.
type hers struct {
	s       *Store
	f       outbox.Forget
	person  int64
	seqs    map[int64]event.ID
	commits map[int64]int64 // by seq: where the journal has it
	looked  map[string]bool // subjects and tickets
}

// byPerson finds the events that have her hash.
func (h *hers) byPerson(ctx context.Context) error {
	return h.by(ctx, outbox.Filter{Person: h.f.Person})
}

// by finds those of a filter that are not somebody else's.
func (h *hers) by(ctx context.Context, f outbox.Filter) error {
	return h.s.scan(ctx, "forget", f, 1<<62, func(_ context.Context, _ *loader, r *row) (bool, error) {
		if r.person == 0 || r.person == h.person {
			h.seqs[r.seq] = r.id()
		}
		return true, nil
	})
}

// byBody asks of every body whether it tells of her.
func (h *hers) byBody(ctx context.Context) error {
	if h.f.Holds == nil {
		return nil
	}
	for after, more := int64(-1), true; more; {
		err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) (err error) {
			after, more, err = h.bodies(ctx, tx, after)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bodies looks at as many as one short transaction may.
func (h *hers) bodies(ctx context.Context, tx *sql.Tx, after int64) (last int64, more bool, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT seq, rnd, key_id, body FROM events WHERE seq > ? AND body IS NOT NULL ORDER BY seq LIMIT ?", after, readerRows)
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	size := 0
	for rows.Next() && size < readerBytes {
		var rnd, keyID int64
		var body []byte
		if err := rows.Scan(&after, &rnd, &keyID, &body); err != nil {
			return 0, false, err
		}
		size, more = size+len(body), true
		id := idOf(after, rnd)
		if body, err = h.s.ring.decrypt(id, keyID, body); err == nil && h.f.Holds(body) { // a damaged one tells nothing
			h.seqs[after] = id
		}
	}
	return after, more, rows.Err()
}

// linked finds what has a subject or ticket of hers, and of that in turn.
func (h *hers) linked(ctx context.Context) error {
	h.looked = map[string]bool{}
	for more := true; more; {
		more = false
		var filters []outbox.Filter
		err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
			l := h.s.loader(tx, false)
			for seq := range h.seqs {
				r, err := l.row(ctx, seq)
				switch {
				case errors.Is(err, event.ErrNotFound): // purged since
					continue
				case err != nil && r == nil:
					return err
				}
				filters = append(filters, h.links(r)...)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, f := range filters {
			more = true
			if err := h.by(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// links are the ways from an event to others that have not been gone.
func (h *hers) links(r *row) (filters []outbox.Filter) {
	for _, f := range []outbox.Filter{{ID: r.subject}, {Ticket: r.ticket}} {
		if way := f.ID + "\x00" + f.Ticket; way != "\x00" && !h.looked[way] {
			h.looked[way] = true
			filters = append(filters, f)
		}
	}
	return filters
}

// inJournal finds the commits that stored them.
func (h *hers) inJournal(ctx context.Context) error {
	return h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT n, keys FROM journal")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // rows.Err says it
		for rows.Next() {
			var n int64
			var b sql.RawBytes
			if err := rows.Scan(&n, &b); err != nil {
				return err
			}
			for ; len(b) >= keysSize; b = b[keysSize:] {
				if seq := keysAt(b).seq; h.seqs[seq] != (event.ID{}) {
					h.commits[seq] = n
				}
			}
		}
		return rows.Err()
	})
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
		}
		return nil
	})
	if err != nil {
		return err
	}
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

// blank empties the columns of an event, and its place in the journal.
func (h *hers) blank(ctx context.Context, t *tx, seq int64) error {
	r, err := t.stands(ctx, seq)
	if err != nil || r == nil {
		return err
	}
	r.subject, r.ticket, r.body, r.keyID, r.dedupe = "", "", nil, 0, make([]byte, 32)
	crc, _ := r.checksum(nil)
	err = t.w.runOnce(ctx, "UPDATE events SET body = NULL, key_id = 0, person = 0, subject = '', ticket = '', dedupe = ?, crc = ? WHERE seq = ?", r.dedupe, crc, seq)
	n, known := h.commits[seq]
	if err != nil || !known {
		return err
	}
	q := t.w.journalFrom
	q.args[0].Value = n
	found, err := q.row(ctx)
	if err != nil || !found || q.int(0) != n {
		return err
	}
	b := append([]byte{}, q.blob(1)...)
	for at := 0; at+keysSize <= len(b); at += keysSize {
		if keysAt(b[at:]).seq == seq {
			copy(b[at:], keys{seq: seq}.append(nil))
		}
	}
	return t.w.runOnce(ctx, "UPDATE journal SET keys = ? WHERE n = ?", b, n)
}
