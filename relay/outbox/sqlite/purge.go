package sqlite

import (
	"context"
	"database/sql"
	"errors"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// purgeStep is how many events one transaction of Purge looks at: some
// milliseconds, in which nothing is accepted.
const purgeStep = 200

// Purge implements outbox.Store. It walks over the events once for their bodies
// and once for their rows, each time from where it stopped before; events that
// were not finished by then are listed in late and looked at every time. What it
// makes of a clock that was set ahead or back is in purgeclock.go, and of damage in
// purgedamage.go.
func (s *Store) Purge(ctx context.Context, r outbox.Retention) (int, error) {
	p := &purge{s: s, now: nanos(s.cfg.Now()), bodies: nanos(r.Bodies), rows: nanos(r.Rows), stay: map[int64]bool{}}
	p.future = p.now + int64(leap)
	if err := p.trust(ctx); err != nil {
		return 0, err
	}
	p.bodies, p.rows = max(0, p.bodies-p.lag), max(0, p.rows-p.lag)
	steps := []func(context.Context) (bool, error){p.meet, p.late}
	if p.bodies > 0 {
		steps = append(steps, func(ctx context.Context) (bool, error) { return p.walk(ctx, "bodies_purged_to", p.bodies) })
	}
	if p.rows > 0 {
		steps = append(steps, func(ctx context.Context) (bool, error) { return p.walk(ctx, "rows_purged_to", p.rows) },
			p.journal, p.threads, p.rulesets)
	}
	for _, of := range p.refusals(r) {
		steps = append(steps, func(ctx context.Context) (bool, error) { return false, p.refused(ctx, of) })
	}
	for _, step := range steps {
		for more := true; more; {
			if ctx.Err() != nil {
				return p.erased, context.Cause(ctx)
			}
			var err error
			if more, err = step(ctx); err != nil {
				return p.erased, err
			}
		}
	}
	if !s.unclear.Load() {
		return 0, p.damaged()
	}
	err := s.truncateWAL(ctx, 10)
	switch {
	case err == nil:
		s.unclear.Store(false)
	case errors.Is(err, errReadAllTheTime): // the next purge does it
		s.log.Warn("erased rows are still in the write-ahead log: somebody reads all the time")
		err = nil
	}
	return p.erased, errors.Join(err, p.damaged())
}

// purge is one Purge under way.
type purge struct {
	s            *Store
	bodies, rows int64
	now, future  int64 // what the clock says, and what is so much later that it must have been wrong
	lag          int64 // by how much the clock that is trusted is behind
	erased       int   // committed
	lateAfter    int64 // of the late ones, those up to here have been looked at
	metAfter     int64 // the same of those that meet looks at
	oldest       int64 // seq of an event that there is, of those up to commits; 0: not yet known
	commits      int64
	journalAt    int64 // commit up to which the journal was looked at

	stay   map[int64]bool // seqs of those that damage keeps from being erased
	trying int64          // seq of the one under way
	ended  bool           // damage has ended a step
	looked bool           // since damage was met: no index is
}

// transact is Store.transact for a step that says how much it erased.
func (p *purge) transact(ctx context.Context, f func(context.Context, *tx) (erased int, more bool, err error)) (more bool, err error) {
	erased := 0
	err = p.overDamage(ctx, func(ctx context.Context, t *tx) (err error) {
		erased, more, err = f(ctx, t)
		return err
	})
	if err != nil {
		return false, err
	}
	if p.erased += erased; erased > 0 {
		p.s.unclear.Store(true)
	}
	return more, nil
}

// walk looks at the events from the mark up to the first that was received at or
// after a time, and moves the mark.
func (p *purge) walk(ctx context.Context, mark string, to int64) (bool, error) {
	var seqs []int64
	var passed int64
	err := p.s.read(ctx, "purge", func(ctx context.Context, tx *sql.Tx) error {
		var from int64
		err := tx.QueryRowContext(ctx, "SELECT v FROM meta WHERE k = ?", mark).Scan(number{&from})
		if err == nil {
			seqs, passed, err = p.next(ctx, tx, from, "1", nil, func(r *row) bool { return p.received(r.seq, r.received) >= to })
		}
		return err
	})
	if err != nil || len(seqs) == 0 {
		return false, err
	}
	return p.transact(ctx, func(ctx context.Context, t *tx) (erased int, more bool, err error) {
		for _, seq := range seqs {
			n, gone, err := p.event(ctx, t, seq)
			if err != nil {
				return 0, false, err
			}
			erased += n
			if gone || n > 0 && mark == "bodies_purged_to" {
				continue // the walk over the rows comes to it by itself
			}
			t.w.insertLate.args[0].Value = seq
			if err := t.w.insertLate.run(ctx); err != nil {
				return 0, false, err
			}
		}
		v := t.w.setMeta.args
		v[0].Value, v[1].Value = passed, mark
		return erased, len(seqs) == purgeStep, t.w.setMeta.run(ctx)
	})
}

// late looks again at the events that were not finished when a walk passed
// them. A reader chooses, so that a million that wait do not hold up the writer.
func (p *purge) late(ctx context.Context) (bool, error) {
	var seqs []int64
	var more bool
	err := p.s.read(ctx, "purge", func(ctx context.Context, tx *sql.Tx) (err error) {
		seqs, more, err = p.lateOnes(ctx, tx)
		return err
	})
	if err != nil || len(seqs) == 0 {
		return more, err
	}
	return p.transact(ctx, func(ctx context.Context, t *tx) (erased int, _ bool, err error) {
		passed, err := count(ctx, t.w.conn, "SELECT v FROM meta WHERE k = 'rows_purged_to'")
		if err != nil {
			return 0, false, err
		}
		for _, seq := range seqs {
			n, gone, err := p.event(ctx, t, seq)
			if err != nil {
				return 0, false, err
			}
			erased += n
			if !gone && (n == 0 || seq <= passed) {
				continue // stays
			}
			t.w.deleteLate.args[0].Value = seq
			if err := t.w.deleteLate.run(ctx); err != nil {
				return 0, false, err
			}
		}
		return erased, more, nil
	})
}

// event erases of one event what may go, and says how much that was and whether
// nothing is left. One that damage keeps from that stays as it was.
func (p *purge) event(ctx context.Context, t *tx, seq int64) (erased int, gone bool, err error) {
	err = p.try(seq, func() (err error) {
		erased, gone, err = p.whatMayGo(ctx, t, seq)
		return err
	})
	return erased, gone, err
}

// whatMayGo is event where nothing is damaged. A dead delivery keeps the body: it
// may be retried.
func (p *purge) whatMayGo(ctx context.Context, t *tx, seq int64) (erased int, gone bool, err error) {
	q := t.w.readFinished
	q.args[0].Value = seq
	found, err := q.row(ctx)
	if err != nil || !found {
		return 0, true, err
	}
	finished, targets := q.int(0), q.int(1)
	switch {
	case finished == notFinished: // whatever the clock says
		return 0, false, nil
	case finished > p.future:
		return 0, false, p.finishNow(ctx, t, seq)
	}
	finished = max(finished, p.received(seq, q.int(2))) // a clock may have been behind
	dead, own := 0, int64(0)
	rows := t.w.readStates
	rows.args[0].Value = seq
	err = rows.each(ctx, func() error {
		id, state := rows.int(0), event.State(rows.int(1)) //nolint:gosec // as it was written
		dead += one(state, event.Dead)
		if p.s.names.of(kindAddress, id) == "" { // damaged: it may be any number
			return nil
		}
		if id <= maxBit {
			own |= 1 << (id - 1)
		}
		if finished < p.rows {
			t.tally(id, 0, -one(state, event.Done), -one(state, event.Dead))
		}
		return nil
	})
	switch {
	case err != nil:
		return 0, false, err
	case finished < p.rows:
		pendingBits(targets&^own, func(id int64) { t.tally(id, 0, -1, 0) })
		return 1, true, t.w.eraseEvent(ctx, seq)
	case finished < p.bodies && dead == 0:
		t.w.eraseBody.args[0].Value = seq
		n, err := t.w.eraseBody.changed(ctx)
		return int(n), false, err
	}
	return 0, false, nil
}

// journal drops the commits all of whose events are gone. The last one stays:
// commits are counted by it.
func (p *purge) journal(ctx context.Context) (bool, error) {
	if p.oldest == 0 {
		return true, p.findOldest(ctx)
	}
	return p.transact(ctx, func(ctx context.Context, t *tx) (int, bool, error) {
		q, at, upTo, more := t.w.journalFrom, p.journalAt, int64(0), true
		for i := 0; more && i < purgeStep; i++ {
			q.args[0].Value = at + 1
			found, err := q.row(ctx)
			if err != nil {
				return 0, false, err
			}
			seq := greatest(append([]byte(q.text(1)), q.blob(1)...), p.s.lastSeq.Load()) // a flipped bit makes it a text
			if more = found && q.int(0) < p.commits && seq < p.oldest; !more {
				break
			}
			if at = q.int(0); seq > 0 { // what cannot be read goes with the next
				upTo = at
			}
		}
		p.journalAt = at
		t.w.deleteJournal.args[0].Value = upTo
		return 0, more, t.w.deleteJournal.run(ctx)
	})
}

// findOldest notes the seq of the oldest event that there is, or may be, of those
// that had come by a commit.
func (p *purge) findOldest(ctx context.Context) error {
	_, err := p.transact(ctx, func(ctx context.Context, t *tx) (int, bool, error) {
		p.commits = p.s.commits
		t.w.setMeta.args[0].Value, t.w.setMeta.args[1].Value = p.s.lastSeq.Load(), "last_seq"
		return 0, false, t.w.setMeta.run(ctx)
	})
	if err != nil {
		return err
	}
	return p.s.read(ctx, "purge", func(ctx context.Context, tx *sql.Tx) (err error) {
		p.oldest, err = oldestOf(ctx, tx)
		p.oldest = max(1, p.oldest) // known
		return err
	})
}
