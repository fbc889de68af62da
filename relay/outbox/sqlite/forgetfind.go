package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/bits"
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// hers is one Forget under way: the events of one person. All of them are looked
// at as they stand in their table: the journal would find them sooner, but one
// flipped bit in it hides an event, and the person would not be forgotten.
type hers struct {
	s      *Store
	f      outbox.Forget
	person int64
	seqs   map[int64]event.ID
	order  []event.ID // in which they were found: one that another leads to comes after it
	kin    []kin

	subjects, tickets map[string]bool
	hashes            map[uint32]bool   // of subjects and tickets
	more              bool              // there are subjects or tickets that nothing was looked for by
	dedupes           map[uint64]int64  // by the key in the journal: seq
	commits           map[int64][]int64 // by seq: those of the journal that have it
	doubtful          map[int64]bool    // events that something of cannot be read
}

// kin is an event of nobody, which may be hers by its subject or ticket.
type kin struct {
	seq             int64
	subject, ticket uint32
}

func newHers(s *Store, f outbox.Forget) *hers {
	return &hers{
		s: s, f: f, person: person(s.salt, f.Person), seqs: map[int64]event.ID{}, subjects: map[string]bool{}, tickets: map[string]bool{},
		hashes: map[uint32]bool{}, dedupes: map[uint64]int64{}, commits: map[int64][]int64{}, doubtful: map[int64]bool{},
	}
}

// take is told of an event that is hers.
func (h *hers) take(r *row) {
	if _, taken := h.seqs[r.seq]; !taken {
		h.seqs[r.seq], h.order = r.id(), append(h.order, r.id())
	}
	for _, way := range []struct {
		text string
		gone map[string]bool
	}{{r.subject, h.subjects}, {r.ticket, h.tickets}} {
		if way.text != "" && !way.gone[way.text] {
			way.gone[way.text], h.more = true, true
			h.hashes[textKey(way.text)] = true
		}
	}
	if dedupe := [32]byte(append(slices.Clone(r.dedupe), make([]byte, 32)...)); dedupe != [32]byte{} {
		h.dedupes[dedupeKey(r.source, &dedupe)] = r.seq
	}
}

// judge finds out whether an event is hers, with its body as it is stored. In one
// that is damaged she may be where it cannot be told any more; and in one of hers
// may be the only way to others, unless just the body is damaged.
func (h *hers) judge(r *row) {
	body, err := h.s.ring.decrypt(r.id(), r.keyID, r.body)
	tells := err == nil && body != nil && h.f.Holds != nil && h.f.Holds(body)
	// A hash has more than one bit: that one is a nought with a flipped one. Without
	// a body there is none.
	nobodys := r.body == nil || bits.OnesCount64(uint64(r.person)) <= 1 //nolint:gosec // bits
	switch {
	case r.person == h.person, tells:
		h.take(r)
	case nobodys && r.subject+r.ticket != "":
		h.kin = append(h.kin, kin{r.seq, textKey(r.subject), textKey(r.ticket)})
	}
	_, taken := h.seqs[r.seq]
	if err = cmp.Or(r.verify(true), err); err != nil {
		h.s.report(r, err)
		h.doubtful[r.seq] = !taken || r.verify(false) != nil
	}
}

// doubts is how many events something of cannot be read.
func (h *hers) doubts() (n int) {
	for _, doubtful := range h.doubtful {
		if doubtful {
			n++
		}
	}
	return n
}

// look looks at every event.
func (h *hers) look(ctx context.Context) error {
	for after, more := int64(-1), true; more; {
		last := after
		err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) (err error) {
			last, more, err = h.some(ctx, tx, after)
			return err
		})
		if damage(err) || err == nil && more && last == after { // what stands there next leads nowhere
			return h.oneByOne(ctx, last)
		}
		if err != nil {
			return err
		}
		after = last
	}
	return nil
}

// some looks at as many as one short transaction may, and says up to which it has
// come: a damaged one may not say where it stands.
func (h *hers) some(ctx context.Context, tx *sql.Tx, after int64) (last int64, more bool, err error) {
	last = after
	rows, err := tx.QueryContext(ctx, "SELECT "+columns+", body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, readerRows)
	if err != nil {
		return last, false, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	size := 0
	for rows.Next() && size < readerBytes {
		var r row
		if err := r.scan(rows); err != nil {
			return last, false, err
		}
		size, more = size+len(r.body), true
		if h.judge(&r); r.verify(false) == nil {
			last = max(last, r.seq)
		}
	}
	return last, more, rows.Err()
}

// oneByOne looks at those behind a place in the table that cannot be read: the
// journal has them all.
func (h *hers) oneByOne(ctx context.Context, after int64) error {
	var seqs []int64
	err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
		return journal(ctx, tx, "", func(_ int64, k keys) {
			if k.seq > after {
				seqs = append(seqs, k.seq)
			}
		})
	})
	if err != nil {
		return err
	}
	slices.Sort(seqs)
	return h.ask(ctx, slices.Compact(seqs), true, h.judge)
}

// ask reads events by their seqs. Those that cannot be read are noted.
func (h *hers) ask(ctx context.Context, seqs []int64, withBody bool, f func(*row)) error {
	for some := range slices.Chunk(seqs, readerRows) {
		err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
			l := h.s.loader(tx, withBody)
			if err := l.prepare(ctx); err != nil {
				return err
			}
			for _, seq := range some {
				var r row
				switch err := r.scan(l.events.QueryRowContext(ctx, seq)); {
				case errors.Is(err, sql.ErrNoRows): // purged since
				case code(err) == codeCorrupt:
					h.s.report(&row{seq: seq}, fault("read the event", err))
					h.doubtful[seq] = true
				case err != nil:
					return err
				default:
					f(&r)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// linked finds what has a subject or ticket of hers, and of that in turn.
func (h *hers) linked(ctx context.Context) error {
	for h.more {
		h.more = false
		var seqs []int64
		for _, k := range h.kin {
			_, taken := h.seqs[k.seq]
			if !taken && (k.subject != 0 && h.hashes[k.subject] || k.ticket != 0 && h.hashes[k.ticket]) {
				seqs = append(seqs, k.seq)
			}
		}
		err := h.ask(ctx, seqs, false, func(r *row) {
			if h.subjects[r.subject] || h.tickets[r.ticket] {
				h.take(r)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inJournal finds the commits that stored them: by where they stand, or by what
// makes a repeat, should that be damaged. One whose place is not found is doubtful:
// hashes of it are there.
func (h *hers) inJournal(ctx context.Context) error {
	err := h.s.read(ctx, "forget", func(ctx context.Context, tx *sql.Tx) error {
		for _, order := range []string{"", " DESC"} {
			err := journal(ctx, tx, order, func(n int64, k keys) {
				if seq, ok := h.has(k); ok {
					h.commits[seq] = append(h.commits[seq], n)
				}
			})
			if !damage(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var missing []int64
	for seq := range h.seqs {
		if h.commits[seq] == nil {
			missing = append(missing, seq)
		}
	}
	return h.ask(ctx, missing, false, func(r *row) { h.doubtful[r.seq] = true }) // if it is not purged since
}

// has says of which event of hers an entry of the journal is.
func (h *hers) has(k keys) (seq int64, ok bool) {
	if _, ok := h.seqs[k.seq]; ok {
		return k.seq, true
	}
	seq, ok = h.dedupes[k.dedupe]
	return seq, ok && k.dedupe != 0
}

// journal calls f with every entry of it.
func journal(ctx context.Context, tx *sql.Tx, order string, f func(n int64, k keys)) error {
	rows, err := tx.QueryContext(ctx, "SELECT n, keys FROM journal ORDER BY n"+order) //nolint:gosec // of two
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var n int64
		var b sql.RawBytes
		if err := rows.Scan(number{&n}, &b); err != nil {
			return err
		}
		for ; len(b) >= keysSize; b = b[keysSize:] {
			f(n, keysAt(b))
		}
	}
	return rows.Err()
}

// eraseKeys empties an event's places in the journal.
func (h *hers) eraseKeys(ctx context.Context, t *tx, seq int64) error {
	for _, n := range h.commits[seq] {
		q := t.w.journalFrom
		q.args[0].Value = n
		found, err := q.row(ctx)
		if err != nil {
			return err
		}
		b := q.blob(1)
		if !found || q.int(0) != n || len(b) == 0 {
			continue // purged since
		}
		for at := 0; at+keysSize <= len(b); at += keysSize {
			k := keysAt(b[at:])
			if of, ok := h.has(k); ok && of == seq {
				copy(b[at:], keys{seq: k.seq}.append(nil))
			}
		}
		if err := t.w.runOnce(ctx, "UPDATE journal SET keys = ? WHERE n = ?", b, n); err != nil {
			return err
		}
	}
	return nil
}
