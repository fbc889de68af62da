package sqlite

import (
	"context"
	"errors"
)

// A row of deliveries changes, and has no checksum. But some of what a flipped bit
// makes of one is never written: a delivery that has ended has a time of that and
// none when it is due, and one that was tried and has not ended has it the other way.

const (
	// notWritten is 1 of a row of deliveries that a flipped bit has changed.
	notWritten = "(state <> 0 AND finished_at = 0 OR state = 0 AND (next_at < 0 OR next_at = 0 AND attempts <> 0) OR " + hasEnded + ")"
	// hasEnded is 1 of one that says that it is pending, and when it ended, and not
	// when it is due. A bit may make 1 of the 0 that stands for no time.
	hasEnded = "(state = 0 AND next_at = 0 AND finished_at BETWEEN 2 AND 9223372036854775807)"
	// stateNow is the state of a row of deliveries. How one ended that does not say so
	// stands with its attempts: what came of the last is mostly the same.
	stateNow = "CASE WHEN finished_at = 0 THEN 0 WHEN " + hasEnded + " THEN " + byOutcome + " ELSE state END"

	byOutcome = "iif(outcome = 1, 1, 2)"
	howEnded  = `coalesce((SELECT a.state FROM attempts a WHERE a.seq = deliveries.seq AND a.address = deliveries.address
		AND a.at = deliveries.finished_at AND a.state <> 0), ` + byOutcome + ")"
)

// mendRows makes such rows what they were: ended, or pending, and due, if not at the
// time they were. The indexes may have them as they were, and then SQLite changes
// nothing: so these are made anew first. The caller is in the gate.
func (s *Store) mendRows(ctx context.Context, c *conn) error {
	n, err := count(ctx, c, "SELECT count(*) FROM deliveries NOT INDEXED WHERE "+notWritten)
	if err != nil || n == 0 {
		return err
	}
	s.log.Error("flipped bits in rows of deliveries are mended: the disk may be damaging files", "rows", n)
	err = c.exec(ctx, `SAVEPOINT rows; REINDEX deliveries;
		UPDATE deliveries NOT INDEXED SET state = iif(`+hasEnded+`, `+howEnded+`, 0),
			next_at = iif(`+hasEnded+`, 0, max(attempts <> 0, next_at)) WHERE `+notWritten+`; RELEASE rows`)
	if err != nil {
		err = errors.Join(err, c.exec(ctx, "ROLLBACK TO rows; RELEASE rows"))
	}
	return err
}
