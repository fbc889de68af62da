package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"

	"invitation-relay/relay/outbox"
)

// Retention comes to every page of the file sooner or later, and what is erased
// beside a damaged one has SQLite read that one as well. So what is to be erased is
// chosen by who reads, and what cannot be erased for damage stays, is told of each
// time, and stops nothing.

// next lists events behind a seq that a condition holds for, up to the first that
// enough says that of, purgeStep of them at most, and says up to which it has come:
// one that is damaged may not say where it stands, and is no reason to end. Where
// the table cannot be read, or leads nowhere, the journal has them.
func (p *purge) next(ctx context.Context, tx *sql.Tx, after int64, where string, args []any, enough func(*row) bool) (seqs []int64, to int64, err error) {
	seqs, to, err = p.inTable(ctx, tx, after, where, args, enough)
	if damage(err) || err == nil && len(seqs) == purgeStep && to == after {
		return p.inJournal(ctx, tx, after, where, args, enough)
	}
	return seqs, to, err
}

func (p *purge) inTable(ctx context.Context, tx *sql.Tx, after int64, where string, args []any, enough func(*row) bool) (seqs []int64, to int64, err error) {
	to = after
	rows, err := tx.QueryContext(ctx, "SELECT "+columns+", NULL FROM events WHERE seq > ? AND "+where+" ORDER BY seq LIMIT ?", //nolint:gosec // of constants
		slices.Concat([]any{after}, args, []any{purgeStep})...)
	if err != nil {
		return nil, to, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var r row
		if err := r.scan(rows); err != nil {
			return nil, to, err
		}
		if whole := r.verify(false) == nil; whole {
			if enough(&r) {
				break
			}
			to = max(to, r.seq)
		}
		seqs = append(seqs, r.seq)
	}
	return seqs, to, rows.Err()
}

// inJournal is inTable one by one.
func (p *purge) inJournal(ctx context.Context, tx *sql.Tx, after int64, where string, args []any, enough func(*row) bool) (seqs []int64, to int64, err error) {
	to = after
	all, err := journalBehind(ctx, tx, after)
	if err != nil {
		return nil, to, err
	}
	one, err := tx.PrepareContext(ctx, "SELECT "+columns+", NULL FROM events WHERE seq = ? AND "+where) //nolint:gosec // of constants
	if err != nil {
		return nil, to, err
	}
	defer func() { _ = one.Close() }() // nothing was written
	for _, seq := range all {
		if len(seqs) == purgeStep {
			break
		}
		var r row
		switch err := r.scan(one.QueryRowContext(ctx, append([]any{seq}, args...)...)); {
		case errors.Is(err, sql.ErrNoRows):
			continue // purged, or the journal's seq is damaged
		case err != nil && !damage(err):
			return nil, to, err
		case err == nil && r.verify(false) == nil && enough(&r):
			return seqs, to, nil
		}
		seqs, to = append(seqs, seq), seq
	}
	return seqs, to, nil
}

// journalBehind lists the seqs behind one that the journal has, in order.
func journalBehind(ctx context.Context, tx *sql.Tx, after int64) (seqs []int64, err error) {
	err = journal(ctx, tx, "", func(_ int64, k keys) {
		if k.seq > after {
			seqs = append(seqs, k.seq)
		}
	})
	slices.Sort(seqs)
	return slices.Compact(seqs), err
}

// oldestOf is the seq of the oldest event, which may be one that cannot be read:
// where it stands the journal says.
func oldestOf(ctx context.Context, tx *sql.Tx) (oldest int64, err error) {
	oldest, err = oldestInTable(ctx, tx)
	if !damage(err) {
		return oldest, err
	}
	all, err := journalBehind(ctx, tx, 0)
	for _, seq := range all {
		there := false
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM events WHERE seq = ?", seq).Scan(&there)
		switch {
		case err != nil && !damage(err):
			return 0, err
		case err != nil, there:
			return min(oldest, seq), nil
		}
	}
	return oldest, err
}

// oldestInTable goes by the first one that is whole: before it may stand some that
// do not say where. An error may come with what was found.
func oldestInTable(ctx context.Context, tx *sql.Tx) (oldest int64, err error) {
	oldest = math.MaxInt64
	rows, err := tx.QueryContext(ctx, "SELECT "+columns+", NULL FROM events ORDER BY seq")
	if err != nil {
		return oldest, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for whole := false; !whole && rows.Next(); {
		var r row
		if err := r.scan(rows); err != nil {
			return oldest, err
		}
		oldest, whole = min(oldest, r.seq), r.verify(false) == nil
	}
	return oldest, rows.Err()
}

// lateOnes lists late events that may be ready, purgeStep at most, and says whether
// there may be more.
func (p *purge) lateOnes(ctx context.Context, tx *sql.Tx) (seqs []int64, more bool, err error) {
	const ready = "e.finished_at < ? OR e.finished_at > ? AND e.finished_at <> ?"
	args := []any{max(p.bodies, p.rows), p.future, int64(notFinished)}
	sc := scanner{tx: tx}
	seqs, err = sc.seqs(ctx, "SELECT l.seq FROM late l LEFT JOIN events e ON e.seq = l.seq WHERE l.seq > ? AND (e.seq IS NULL OR "+ready+") ORDER BY l.seq LIMIT ?",
		slices.Concat([]any{p.lateAfter}, args, []any{purgeStep})...)
	if err == nil && len(seqs) > 0 {
		p.lateAfter = seqs[len(seqs)-1]
	}
	if !damage(err) {
		return seqs, len(seqs) == purgeStep, err
	}
	all, err := sc.seqs(ctx, "SELECT seq FROM late WHERE seq > ? ORDER BY seq LIMIT ?", p.lateAfter, purgeStep)
	seqs = nil
	for _, seq := range all {
		p.lateAfter = seq
		var is sql.NullBool
		switch err := tx.QueryRowContext(ctx, "SELECT "+ready+" FROM events e WHERE seq = ?", append(slices.Clone(args), seq)...).Scan(&is); {
		case damage(err):
			p.stay[seq] = true
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return nil, false, err
		case err != nil, is.Bool:
			seqs = append(seqs, seq)
		}
	}
	return seqs, len(all) == purgeStep, err
}

// try runs f, which erases one event or refused one, unless damage has kept it from that.
func (p *purge) try(seq int64, f func() error) error {
	if p.stay[seq] {
		return nil
	}
	p.trying = seq
	err := f()
	if err == nil {
		p.trying = 0
	}
	return err
}

// overDamage is Store.transact again and again, each time without another one that
// damage keeps from being erased: after it SQLite takes nothing more in that
// transaction. Damage to an index is an error as any other: it is made anew when
// the file is opened again.
func (p *purge) overDamage(ctx context.Context, f func(context.Context, *tx) error) error {
	for {
		p.trying = 0
		err := p.s.transact(ctx, "purge", func(ctx context.Context, t *tx) error {
			err := f(ctx, t)
			if damage(err) && !disagrees(err) && (p.looked || !unreadIndex(ctx, t.w)) {
				p.looked = true
				return metDamage{err}
			}
			return err
		})
		if _, ok := errors.AsType[metDamage](err); !ok {
			return err
		}
		if p.trying == 0 {
			p.ended = true
			return nil
		}
		p.stay[p.trying] = true
	}
}

func unreadIndex(ctx context.Context, w *writer) bool {
	return slices.ContainsFunc(indexes(), func(x index) bool { return x.unread(ctx, w) })
}

// damaged tells of what a purge could not erase.
func (p *purge) damaged() error {
	if len(p.stay) == 0 && !p.ended {
		return nil
	}
	return fmt.Errorf("purge: %w: %d events that were to be erased stand on or beside pages that cannot be read, and stay: %s", outbox.ErrCorrupt, len(p.stay), wayOut)
}
