package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// read runs f on one state of the store, beside the writer and without holding
// it up. It must not take long: the WAL grows meanwhile.
func (s *Store) read(ctx context.Context, doing string, f func(context.Context, *sql.Tx) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fault(doing, err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	switch err := f(ctx, tx); {
	case err == nil, errors.Is(err, event.ErrNotFound), errors.Is(err, outbox.ErrCorrupt):
		return err
	default:
		return fault(doing, err)
	}
}

// columns of an event, for scan.
const columns = "seq, rnd, received_at, finished_at, waiting, retrying, targets, person, source, kind, crc, ends, dedupe, verdicts, subject, ticket, status, key_id"

// loader reads events, one by one with a statement prepared once, or several.
type loader struct {
	s        *Store
	tx       *sql.Tx
	withBody bool
	events   *sql.Stmt
	rows     *sql.Stmt // their rows of deliveries
}

func (s *Store) loader(tx *sql.Tx, withBody bool) *loader {
	return &loader{s: s, tx: tx, withBody: withBody}
}

// prepare prepares what reads events one by one, once; tx closes it when it ends.
func (l *loader) prepare(ctx context.Context) (err error) {
	if l.rows != nil {
		return nil
	}
	if l.events, err = l.tx.PrepareContext(ctx, l.selects()+" WHERE seq = ?"); err != nil {
		return err
	}
	l.rows, err = l.tx.PrepareContext(ctx, `SELECT address, `+stateNow+`, attempts, next_at, finished_at, outcome, status, reason
		FROM deliveries WHERE seq = ?`)
	return err
}

func (l *loader) selects() string {
	if l.withBody {
		return "SELECT " + columns + ", body FROM events"
	}
	return "SELECT " + columns + ", NULL FROM events"
}

// row reads an event and looks whether it is damaged: then it is reported, once
// in the log, and what is readable of it is returned with the error.
func (l *loader) row(ctx context.Context, seq int64) (*row, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	var r row
	err := r.scan(l.events.QueryRowContext(ctx, seq))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, event.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return &r, l.judge(&r)
}

// judge reports a damaged event, and decrypts its body.
func (l *loader) judge(r *row) error {
	err := r.verify(l.withBody)
	if err == nil && l.withBody {
		r.body, err = l.s.ring.decrypt(r.id(), r.keyID, r.body)
	}
	if err != nil {
		r.damaged = true
		l.s.report(r, err)
	}
	return err
}

// several reads many events at once, which is less work than reading each by
// itself, and hands f those that are there with what judge says of them.
// An error may come after some.
func (l *loader) several(ctx context.Context, seqs []int64, f func(*row, error)) error {
	list, err := json.Marshal(seqs)
	if err != nil {
		return err
	}
	text := l.selects() + " WHERE seq IN (SELECT value FROM json_each(?))" //nolint:gosec // constants
	rows, err := l.tx.QueryContext(ctx, text, string(list))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		r := new(row)
		if err := r.scan(rows); err != nil {
			return err
		}
		f(r, l.judge(r))
	}
	return rows.Err()
}

// scan reads columns and the body.
func (r *row) scan(from interface{ Scan(...any) error }) error {
	return from.Scan(number{&r.seq}, number{&r.rnd}, number{&r.received}, number{&r.finished}, number{&r.waiting}, number{&r.retrying},
		number{&r.targets}, number{&r.person}, number{&r.source}, number{&r.kind}, number{&r.crc}, &r.ends, &r.dedupe, &r.verdicts,
		letters{&r.subject}, letters{&r.ticket}, letters{&r.status}, number{&r.keyID}, &r.body)
}

// number and letters take the zero value from a column whose type a flipped bit
// has changed: the checksum then says what is damaged, where an error would keep
// all that is read with it from being sent.
type (
	number  struct{ to *int64 }
	letters struct{ to *string }
)

// Scan implements sql.Scanner.
func (n number) Scan(v any) error { *n.to, _ = v.(int64); return nil }

// Scan implements sql.Scanner.
func (l letters) Scan(v any) error {
	if b, ok := v.([]byte); ok {
		v = string(b)
	}
	*l.to, _ = v.(string)
	return nil
}

// report logs that an event is damaged, once.
func (s *Store) report(r *row, err error) {
	if _, reported := s.quarantine.LoadOrStore(r.seq, true); !reported {
		s.log.Error("an event is damaged and will not be sent", "event_id", r.id(), "err", err)
	}
}

// Event implements outbox.Store.
func (s *Store) Event(ctx context.Context, id event.ID) (e *outbox.StoredEvent, err error) {
	err = s.one(ctx, "read the event", id, true, func(ctx context.Context, l *loader, r *row) error {
		if e, err = l.stored(ctx, r); err != nil {
			return err
		}
		number, _ := cutRuleset(r.verdicts)
		e.Ruleset, err = l.ruleset(ctx, id, number)
		return err
	})
	return e, err
}

// Delivery implements outbox.Store.
func (s *Store) Delivery(ctx context.Context, k outbox.Key) (d *outbox.StoredDelivery, err error) {
	err = s.one(ctx, "read the delivery", k.Event, false, func(ctx context.Context, l *loader, r *row) error {
		list, err := l.deliveries(ctx, r)
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].Key == k {
				d = &list[i]
				return nil
			}
		}
		if slices.Contains(l.addresses(r, list), k.Address) {
			return fmt.Errorf("read the delivery: %w: what has become of it cannot be read", outbox.ErrCorrupt)
		}
		return event.ErrNotFound
	})
	return d, err
}

// Attempts implements outbox.Store.
func (s *Store) Attempts(ctx context.Context, k outbox.Key) (list []outbox.Attempt, err error) {
	err = s.read(ctx, "read the attempts", func(ctx context.Context, tx *sql.Tx) error {
		l := s.loader(tx, false)
		seq, rnd := seqAndRest(k.Event)
		id := s.names.find(kindAddress, string(k.Address))
		r, err := l.row(ctx, seq)
		if err != nil && r == nil {
			return err
		}
		if r.rnd != rnd || id == 0 {
			return event.ErrNotFound
		}
		if a, ok := r.first(id); ok {
			a.Key = k
			list = append(list, a)
		}
		recorded, err := l.attempts(ctx, k, id)
		list = append(list, recorded...)
		return err
	})
	return list, err
}

// attempts lists what is recorded of a delivery, as far as it can be read.
func (l *loader) attempts(ctx context.Context, k outbox.Key, id int64) (list []outbox.Attempt, err error) {
	rows, err := l.tx.QueryContext(ctx, `SELECT at, number, duration, outcome, status, tries, state, next_at, reason
		FROM attempts WHERE seq = ? AND address = ? ORDER BY at, number, outcome = 0`, k.Event.Seq(), id)
	if err != nil {
		return nil, l.unreadable(k.Event, err)
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var at, no, took, outcome, status, tries, state, next int64
		a := outbox.Attempt{Key: k}
		if err := rows.Scan(number{&at}, number{&no}, number{&took}, number{&outcome}, number{&status}, number{&tries}, number{&state},
			number{&next}, letters{&a.Reason}); err != nil {
			return nil, err
		}
		if outcome < 0 || outcome > int64(event.Held) || state < 0 || state > int64(event.Discarded) {
			l.damaged(k.Event, errNotOurs)
			continue
		}
		a.At, a.NextAt, a.Duration, a.Number, a.Status, a.Tries = instant(at), instant(next), time.Duration(took), int(no), int(status), int(tries)
		a.Outcome, a.State = event.Outcome(outcome), event.State(state)
		list = append(list, a)
	}
	return list, l.unreadable(k.Event, rows.Err())
}

// one reads one event and hands it to f.
func (s *Store) one(ctx context.Context, doing string, id event.ID, withBody bool, f func(context.Context, *loader, *row) error) error {
	return s.read(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		l := s.loader(tx, withBody)
		seq, _ := seqAndRest(id)
		r, err := l.row(ctx, seq)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if r.id() != id {
			return fmt.Errorf("%s: %w", doing, event.ErrNotFound)
		}
		return f(ctx, l, r)
	})
}
