package sqlite

import (
	"context"
	"errors"
	"time"
)

// SQLite believes an index that can be read. One flipped bit in it hides what it
// does not list any more, and what a search does not reach any more because it
// went astray. So the indexes that deliveries are found with are looked through
// at the start and from time to time, beside what else is done.

const (
	// auditEvery is how often that is, unless it would take more than one part in
	// auditPart of the time.
	auditEvery = time.Minute
	auditPart  = 50
	// auditWait is how long the start waits for the first time, which is enough for
	// auditSoon deliveries that wait.
	auditWait = 20 * time.Millisecond
	auditSoon = 5000
)

// errStopping says that the store is being closed.
var errStopping = errors.New("the store is being closed")

// auditBeside looks through the indexes until the store is closed, and waits for
// the first time where that is soon over.
func (s *Store) auditBeside(ctx context.Context) {
	s.audited = make(chan struct{})
	s.audits.Go(func() {
		took := s.audit(ctx, time.Now().Add(auditWait))
		close(s.audited)
		for s.pause(max(s.cfg.every, auditPart*took)) {
			if s.Pending() > 0 {
				took = s.audit(ctx, time.Time{})
			}
		}
	})
	if s.Pending() > auditSoon {
		return
	}
	t := time.NewTimer(auditWait)
	defer t.Stop()
	select {
	case <-s.audited:
	case <-t.C:
	}
}

// pause waits, and says whether the store is open still.
func (s *Store) pause(wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-s.stop:
		return false
	case <-t.C:
		return true
	}
}

// audit looks through the indexes, makes those anew that do not say what their
// tables do, and says how long it worked. Until a time it takes no rest. For ctx see
// conn.
func (s *Store) audit(ctx context.Context, hurry time.Time) (took time.Duration) {
	wrong, took, err := s.wrongIndexes(ctx, hurry)
	if len(wrong) > 0 {
		s.remakeNow(ctx, wrong)
	}
	if err != nil && !errors.Is(err, errStopping) {
		s.log.Warn("the indexes of the store could not be looked through", "err", err)
	}
	return took
}

// wrongIndexes names the indexes that do not say what their tables do, and says
// how long that took without the rests.
func (s *Store) wrongIndexes(ctx context.Context, hurry time.Time) (wrong []string, took time.Duration, err error) {
	began := time.Now()
	c, err := dial(s.cfg.Path, readerParams)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = c.close() }() // nothing was written
	a := &auditor{s: s, conn: c, hurry: hurry}
	defer func() { took = time.Since(began) - a.rested }()
	for _, x := range indexes() {
		if x.lists == "" {
			continue
		}
		whole, err := a.whole(ctx, x)
		if err != nil {
			return wrong, 0, err
		}
		if !whole {
			wrong = append(wrong, x.name)
		}
	}
	return wrong, 0, nil
}

// auditor looks through indexes on a connection of its own.
type auditor struct {
	s      *Store
	conn   *conn
	hurry  time.Time
	rows   int
	rested time.Duration
}

// whole reports whether an index is in order and says what its table does.
func (a *auditor) whole(ctx context.Context, x index) (bool, error) {
	whole, err := a.inOrder(ctx, x)
	if err == nil && whole {
		whole, err = a.agrees(ctx, x)
	}
	return whole, err
}

// step is called for each row: the store may be closed meanwhile.
func (a *auditor) step() error {
	if a.rows++; a.rows%1024 == 0 {
		select {
		case <-a.s.stop:
			return errStopping
		default:
		}
	}
	return nil
}

// rest leaves the disk to others.
func (a *auditor) rest(since time.Time) error {
	if time.Now().Before(a.hurry) {
		return nil
	}
	rest := recheckRest * time.Since(since)
	a.rested += rest
	if !a.s.pause(rest) {
		return errStopping
	}
	return nil
}
