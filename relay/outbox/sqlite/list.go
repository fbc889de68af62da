package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const (
	defaultLimit = 50
	maxLimit     = 1000
)

func limitOf(f outbox.Filter) int {
	if f.Limit <= 0 {
		return defaultLimit
	}
	return min(f.Limit, maxLimit)
}

// Events implements outbox.Store.
func (s *Store) Events(ctx context.Context, f outbox.Filter) (items []outbox.StoredEvent, more bool, err error) {
	if f.State != "" && f.State != "pending" && f.State != "finished" {
		return nil, false, errors.New("list events: unknown state: want pending or finished")
	}
	before := int64(math.MaxInt64)
	if f.Before != "" {
		id, err := event.ParseID(f.Before)
		if err != nil {
			return nil, false, fmt.Errorf("list events: %w", err)
		}
		before = id.Seq()
	}
	limit := limitOf(f)
	err = s.scan(ctx, "list events", f, before, func(ctx context.Context, l *loader, r *row) (bool, error) {
		if f.State != "" && (f.State == "pending") != (r.open() > 0) {
			return true, nil
		}
		e, err := l.stored(ctx, r)
		if err != nil || !hasTarget(e.To, f.Target) {
			return true, err
		}
		if len(items) == limit {
			more = true
			return false, nil
		}
		items = append(items, *e)
		return true, nil
	})
	return items, more, err
}

// Deliveries implements outbox.Store.
func (s *Store) Deliveries(ctx context.Context, f outbox.Filter) (items []outbox.StoredDelivery, more bool, err error) {
	state, known := event.ParseState(f.State)
	if f.State != "" && !known {
		return nil, false, errors.New("list deliveries: unknown state: want pending, delivered, dead or discarded")
	}
	before, after := int64(math.MaxInt64), outbox.Key{}
	if f.Before != "" {
		if after, err = outbox.ParseKey(f.Before); err != nil {
			return nil, false, fmt.Errorf("list deliveries: %w", err)
		}
		before = after.Event.Seq() + 1 // the same event may have more
	}
	limit := limitOf(f)
	err = s.scan(ctx, "list deliveries", f, before, func(ctx context.Context, l *loader, r *row) (bool, error) {
		list, err := l.deliveries(ctx, r)
		if err != nil {
			return false, err
		}
		for _, d := range list {
			switch {
			case f.State != "" && d.State != state:
			case f.Target != "" && d.Key.Address.Target() != f.Target:
			case d.Key.Event == after.Event && d.Key.Address <= after.Address:
			case len(items) == limit:
				more = true
				return false, nil
			default:
				items = append(items, d)
			}
		}
		return true, nil
	})
	return items, more, err
}

func hasTarget(to []outbox.Address, target string) bool {
	for _, a := range to {
		if a.Target() == target {
			return true
		}
	}
	return target == ""
}

// scan calls f with the events that a filter may want, newest first, until f
// says false. It chooses the cheapest way to find them; f has the last word on
// the delivery's state and target.
func (s *Store) scan(ctx context.Context, doing string, f outbox.Filter, before int64, visit func(context.Context, *loader, *row) (bool, error)) error {
	return s.read(ctx, doing, func(ctx context.Context, tx *sql.Tx) error {
		l := s.loader(tx, false)
		sc := &scanner{s: s, tx: tx, f: f, want: s.wanted(f), idsAhead: s.LastSeq() > event.SeqAt(s.cfg.Now().Add(leap))}
		seen := map[int64]bool{} // those that are damaged: they may come again
		for {
			seqs, more, err := sc.next(ctx, before)
			if err != nil && sc.another(err) {
				continue
			}
			if err != nil {
				return err
			}
			if len(seqs) > 0 {
				before = seqs[max(0, len(seqs)-2)] // the last may not stand there; what follows goes by those that do
			}
			for _, seq := range seqs {
				r, err := l.row(ctx, seq)
				switch {
				case err == nil:
					before = seq
				case seen[seq]:
					continue
				default:
					seen[seq] = true
				}
				switch {
				case errors.Is(err, event.ErrNotFound): // the journal remembers it a little longer
					continue
				case code(err) == codeCorrupt:
					s.report(&row{seq: seq}, fault("read the event", err))
					continue
				case err != nil && r == nil:
					return err
				case !sc.matches(r): // a damaged one, which is logged, goes by what it says
					continue
				}
				if goOn, err := visit(ctx, l, r); err != nil || !goOn {
					return err
				}
			}
			if !more {
				return nil
			}
		}
	})
}

// Refused implements outbox.Store.
func (s *Store) Refused(ctx context.Context, f outbox.Filter) (items []event.Refused, more bool, err error) {
	var where []string
	var args []any
	add := func(cond string, values ...any) { where, args = append(where, cond), append(args, values...) }
	add("1")
	if f.Source != "" {
		add("source = ?", s.names.find(kindSource, f.Source))
	}
	if !f.Since.IsZero() {
		add("received_at >= ?", nanos(f.Since))
	}
	if !f.Until.IsZero() {
		add("received_at < ?", nanos(f.Until))
	}
	for _, c := range []struct{ text, cond string }{{f.ID, "seq = ?"}, {f.Before, "(received_at, seq) < (SELECT received_at, seq FROM refused WHERE seq = ?)"}} {
		if c.text == "" {
			continue
		}
		id, err := event.ParseID(c.text)
		if err != nil {
			return nil, false, fmt.Errorf("list refused events: %w", err)
		}
		add(c.cond, id.Seq())
	}
	limit := limitOf(f)
	err = s.read(ctx, "list refused events", func(ctx context.Context, tx *sql.Tx) error {
		seqs, err := refusedSeqs(ctx, tx, strings.Join(where, " AND "), args...)
		if err != nil {
			return err
		}
		items, more, err = s.refused(ctx, tx, seqs, limit)
		return err
	})
	return items, more, err
}

// refusedSeqs lists refused ones, newest first: from the index, which has all that
// is asked for, or from the table where that one is damaged.
func refusedSeqs(ctx context.Context, tx *sql.Tx, where string, args ...any) (seqs []int64, err error) {
	sc := scanner{tx: tx}
	for _, from := range []string{"INDEXED BY refused_received", "NOT INDEXED"} {
		seqs, err = sc.seqs(ctx, "SELECT seq FROM refused "+from+" WHERE "+where+" ORDER BY received_at DESC, seq DESC", args...)
		if !damage(err) {
			break
		}
	}
	return seqs, err
}

// refused reads the first of these that are whole, and says whether there are
// more: a damaged one takes nobody's place.
func (s *Store) refused(ctx context.Context, tx *sql.Tx, seqs []int64, limit int) (items []event.Refused, more bool, err error) {
	one, err := tx.PrepareContext(ctx, "SELECT rnd, received_at, source, status, reason, content_type, iv, crc, key_id, body FROM refused WHERE seq = ?")
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = one.Close() }() // nothing was written
	for _, seq := range seqs {
		var r event.Refused
		var rnd, received, source, status, crc, keyID int64
		err := one.QueryRowContext(ctx, seq).Scan(number{&rnd}, number{&received}, number{&source}, number{&status}, letters{&r.Reason},
			letters{&r.ContentType}, letters{&r.IV}, number{&crc}, number{&keyID}, &r.Body)
		if err != nil && !errors.Is(err, sql.ErrNoRows) && code(err) != codeCorrupt { // an index may have one that the table has not
			return nil, false, err
		}
		r.ID, r.ReceivedAt, r.Source, r.Status = idOf(seq, rnd), instant(received), s.names.of(kindSource, source), int(status)
		whole := err == nil && int64(checksumOfBody(r.Body, keyID)) == crc
		if whole {
			r.Body, err = s.ring.decrypt(r.ID, keyID, r.Body)
		}
		switch {
		case !whole || err != nil:
			if _, reported := s.quarantine.LoadOrStore(seq, true); !reported {
				s.log.Error("a refused event is damaged and left out", "event_id", r.ID)
			}
		case len(items) == limit:
			return items, true, nil
		default:
			items = append(items, r)
		}
	}
	return items, false, nil
}
