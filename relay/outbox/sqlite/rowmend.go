package sqlite

import (
	"context"
	"errors"
)

// A row of deliveries changes, and has no checksum. But some of what a flipped bit
// makes of one is never written: a delivery that has ended has a time of that, and
// one that was tried and has not ended has a time when it is due.

const (
	// notWritten is 1 of a row of deliveries that a flipped bit has changed.
	notWritten = "(state <> 0 AND finished_at = 0 OR state = 0 AND (next_at < 0 OR next_at = 0 AND attempts <> 0))"
	// stateNow is the state of a row of deliveries.
	stateNow = "iif(finished_at = 0, 0, state)"
)

// mendRows makes such rows what they were: pending, and due, if not at the time
// they were. The indexes may have them as they were, and then SQLite changes
// nothing: so these are made anew first. The caller is in the gate.
func (s *Store) mendRows(ctx context.Context, c *conn) error {
	n, err := count(ctx, c, "SELECT count(*) FROM deliveries NOT INDEXED WHERE "+notWritten)
	if err != nil || n == 0 {
		return err
	}
	s.log.Error("flipped bits in rows of deliveries are mended: the disk may be damaging files", "rows", n)
	err = c.exec(ctx, `SAVEPOINT rows; REINDEX deliveries;
		UPDATE deliveries NOT INDEXED SET state = 0, next_at = max(attempts <> 0, next_at) WHERE `+notWritten+`; RELEASE rows`)
	if err != nil {
		err = errors.Join(err, c.exec(ctx, "ROLLBACK TO rows; RELEASE rows"))
	}
	return err
}
