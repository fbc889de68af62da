package sqlite

import (
	"context"
	"database/sql"
)

// What a clock that is wrong must not do to retention: erase at once all that
// there is, or nothing for years. So a clock that has leapt ahead is trusted
// after a day only, and what a clock ahead has dated is dated anew, by a clock
// that is right again, when it is met.

// received is when an event was received; 0 when only a clock that was ahead
// has said so.
func (p *purge) received(seq, received int64) int64 {
	if received = receivedAt(seq, received, p.future); received > p.future {
		return 0
	}
	return received
}

// receivedAt corrects when an event was received by its id, which never goes
// back, unless ids run ahead of the clock.
func receivedAt(seq, received, future int64) int64 {
	if ms := seq >> 12; ms <= future/1e6 {
		return max(received, ms*1e6)
	}
	return received
}

// trust finds out by how much the clock that is trusted is behind: not at all,
// unless from one purge to the next it has gone on by more than a leap, and that
// less than a leap ago. Then it was set, or nobody was there to see it go.
func (p *purge) trust(ctx context.Context) error {
	leapt := false
	_, err := p.transact(ctx, func(ctx context.Context, t *tx) (int, bool, error) {
		var at [3]int64
		keys := [3]string{"clock", "clock_trusted", "clock_leapt"}
		for i, k := range keys {
			var err error
			if at[i], err = count(ctx, t.w.conn, "SELECT v FROM meta WHERE k = ?", k); err != nil {
				return 0, false, err
			}
		}
		last, trusted, since := at[0], at[1], at[2]
		switch step := p.now - last; {
		case last == 0 || p.now <= trusted:
			trusted = p.now
		case step > int64(leap) || step < 0:
			leapt, since = step > 0, p.now
			trusted = min(trusted, p.now)
		case trusted == last || p.now-since >= int64(leap):
			trusted = p.now
		default:
			trusted += step
		}
		p.lag = p.now - trusted
		for i, v := range [3]int64{p.now, trusted, since} {
			if err := t.w.runOnce(ctx, "INSERT OR REPLACE INTO meta (k, v) VALUES (?,?)", keys[i], v); err != nil {
				return 0, false, err
			}
		}
		return 0, false, nil
	})
	if err == nil && leapt {
		p.s.log.Warn("the clock has leapt ahead since the last purge, or the relay was stopped: it is trusted for what is erased in a day")
	}
	return err
}

// metaAhead is a time of an event that was much later than those before it: once
// the clock is far behind it, what has such times is looked for, through all events.
const metaAhead = "clock_ahead"

// meet dates anew what a clock ahead has dated: what is to be erased one
// retention later must not wait until the clock is there again.
func (p *purge) meet(ctx context.Context) (bool, error) {
	var seqs []int64
	found := false
	err := p.s.read(ctx, "purge", func(ctx context.Context, tx *sql.Tx) (err error) {
		sc := scanner{tx: tx}
		ahead, err := sc.seqs(ctx, "SELECT v FROM meta WHERE k = ? AND v > ?", metaAhead, p.future)
		if found = len(ahead) > 0; err != nil || !found {
			return err
		}
		seqs, p.metAfter, err = p.next(ctx, tx, p.metAfter, "finished_at > ? AND finished_at <> ?", []any{p.future, int64(notFinished)},
			func(*row) bool { return false })
		return err
	})
	if err != nil {
		return false, err
	}
	more := len(seqs) == purgeStep
	return p.transact(ctx, func(ctx context.Context, t *tx) (int, bool, error) {
		for _, seq := range seqs {
			if err := p.try(seq, func() error { return p.finishNow(ctx, t, seq) }); err != nil {
				return 0, false, err
			}
		}
		for _, text := range []string{
			"UPDATE rulesets SET since = ? WHERE since > ?",
			"UPDATE threads SET at = ? WHERE at > ?",
		} {
			if err := t.w.runOnce(ctx, text, p.now, p.future); err != nil {
				return 0, false, err
			}
		}
		if !found || more {
			return 0, more, nil
		}
		t.latest = p.now
		return 0, false, t.w.runOnce(ctx, "DELETE FROM meta WHERE k = ?", metaAhead)
	})
}

// finishNow dates the end of an event that is said to end in the future.
func (p *purge) finishNow(ctx context.Context, t *tx, seq int64) error {
	return t.w.runOnce(ctx, "UPDATE events SET finished_at = ? WHERE seq = ? AND finished_at > ? AND finished_at <> ?",
		p.now, seq, p.future, int64(notFinished))
}
