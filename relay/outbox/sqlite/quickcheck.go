package sqlite

import (
	"context"
	"fmt"
	"strings"

	"invitation-relay/relay/outbox"
)

// quickCheck checks the file, or one table with its indexes. Pages that belong
// to nothing do no harm: an index that was made anew may leave some. Nor does a
// row that cannot be what was written: a start does not look at it, who reads it
// leaves it out and reports it, and nothing that is written hangs on it.
func (s *Store) quickCheck(ctx context.Context, c *conn, table string) error {
	pragma := "PRAGMA quick_check"
	if table != "" {
		pragma += "(" + table + ")"
	}
	q, err := c.prepareOnce(pragma, 0, 1)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	return q.each(ctx, func() error {
		switch found := q.text(0); {
		case found == "ok", unused(found):
		case ofARow(found):
			if _, logged := s.quarantine.LoadOrStore(found, true); !logged {
				s.log.Error("a row in the store's file is damaged: the disk may be damaging files", "found", found)
			}
		default:
			return fmt.Errorf("%w (%s)", outbox.ErrCorrupt, found)
		}
		return nil
	})
}

// ofARow reports whether a finding is of a row that has another type of value than
// its table can have, or is longer than what there is of it: what is wrong with
// pages is found before, and said otherwise.
func ofARow(found string) bool {
	return found == "database disk image is malformed" || strings.Contains(found, " value in ") && !strings.Contains(found, "\n")
}

// unused reports whether a finding says of nothing but pages that they are not used.
func unused(found string) bool {
	for line := range strings.SplitSeq(found, "\n") {
		if line != "" && !strings.HasSuffix(line, "never used") && !strings.HasPrefix(line, "*** in database") {
			return false
		}
	}
	return true
}
