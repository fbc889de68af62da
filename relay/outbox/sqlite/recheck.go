package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"invitation-relay/relay/outbox"
)

const (
	// wholeCheck is how long the whole file may be checked after an error before
	// anything is accepted again. A larger file is checked to its end beside that.
	wholeCheck = 2 * time.Second
	// newestCommits are those that are read back, with their events, when the
	// whole file is not.
	newestCommits = 200
	// recheckRows are what one transaction of the check beside reads, or less when
	// that takes recheckStep; it then rests for as long, times recheckRest.
	recheckRows = 200
	recheckStep = 100 * time.Millisecond
	recheckRest = 3
	// recheckLater is how long it waits at most to begin again.
	recheckLater = time.Minute
)

// checkWhole checks the whole file, or as much of it as there is time for: then
// done is false.
func (s *Store) checkWhole(ctx context.Context) (done bool, err error) {
	err = s.hook("whole check")
	if err == nil {
		var c *conn
		if c, err = dial(s.cfg.Path, readerParams); err != nil {
			return false, fault("check the file", err)
		}
		defer func() { _ = c.close() }() // nothing was written
		ctx, cancel := context.WithTimeout(ctx, wholeCheck)
		defer cancel()
		if err = s.quickCheck(ctx, c, ""); err != nil && ctx.Err() != nil && code(err) != codeCorrupt {
			err = context.DeadlineExceeded
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	return err == nil, fault("check the file", err)
}

// checkTouched reads back what writes that failed may have touched: the
// write-ahead log, where all of them go, the schema, and the newest commits with
// their events.
func (s *Store) checkTouched(ctx context.Context, w *writer) error {
	if err := s.logDamage(); err != nil {
		return err
	}
	if err := current(ctx, w.conn); err != nil {
		return err
	}
	q, err := w.prepareOnce(fmt.Sprintf("SELECT keys FROM journal ORDER BY n DESC LIMIT %d", newestCommits), 0, 1)
	if err != nil {
		return fault("check the newest commits", err)
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	t := &tx{s: s, w: w}
	err = q.each(ctx, func() error {
		for b := q.blob(0); len(b) >= keysSize; b = b[keysSize:] {
			r, err := t.stands(ctx, keysAt(b).seq)
			if err == nil && r != nil {
				err = r.verify(true)
			}
			if _, known := s.quarantine.Load(keysAt(b).seq); err != nil && !known {
				return err
			}
		}
		return nil
	})
	return fault("check the newest commits", err)
}

// recheck checks the whole file beside what else is done, in short transactions
// and with rests, and stops the store when it finds damage. It ends with stop.
func (s *Store) recheck(ctx context.Context, stop <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx) // of few statements: see conn
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for wait := s.cfg.pause; ; wait = min(2*wait, recheckLater) {
		err := s.checkBeside(ctx)
		if err == nil || ctx.Err() != nil || !s.foundBeside(context.WithoutCancel(ctx), fault("check the file", err)) || !s.pause(wait) {
			return
		}
	}
}

func (s *Store) checkBeside(ctx context.Context) error {
	if err := s.hook("check beside"); err != nil {
		return err
	}
	c, err := dial(s.cfg.Path, readerParams)
	if err != nil {
		return err
	}
	return errors.Join(s.checkSlowly(ctx, c), c.close())
}

// foundBeside mends what has been found, and says whether all is to be checked again:
// also where it is not damage, but that for now the file could not be read, or opened.
// Else it stops the store.
func (s *Store) foundBeside(ctx context.Context, found error) (again bool) {
	s.gate.wait()
	defer s.gate.leave()
	if s.closed || s.found != nil {
		return false
	}
	if !errors.Is(found, outbox.ErrCorrupt) {
		s.log.Warn("the store's file could not be checked to its end, which is tried again", "err", found)
		return true
	}
	w, err := s.writer(ctx)
	if err != nil { // whoever writes is told
		return s.found == nil
	}
	if s.mend(ctx, w, false) {
		return s.recount(ctx, w) || s.found == nil
	}
	s.halt(found)
	if s.w != nil {
		_ = s.w.close() // found says more
		s.w = nil
	}
	return false
}

// halt stops the store until it is opened again. The caller is in the gate.
func (s *Store) halt(found error) {
	s.found, s.fault, s.faultAt = found, found, time.Now()
	s.log.Error("the store takes nothing more: damage was found after an error", "file", s.cfg.Path, "err", found)
}

// checkSlowly reads all tables, the largest in steps.
func (s *Store) checkSlowly(ctx context.Context, c *conn) error {
	tables := []string{}
	q, err := c.prepareOnce("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('events', 'sqlite_sequence')", 0, 1)
	if err != nil {
		return err
	}
	err = errors.Join(q.each(ctx, func() error { tables = append(tables, q.text(0)); return nil }), q.s.Close())
	for _, table := range tables {
		since := time.Now()
		if err == nil {
			err = s.quickCheck(ctx, c, table)
		}
		rest(ctx, since)
	}
	if err != nil {
		return err
	}
	if q, err = c.prepare(batchSQL, 3, 14); err != nil {
		return err
	}
	q.args[1].Value, q.args[2].Value = int64(math.MaxInt64), int64(recheckRows)
	for next, more := int64(0), true; more; {
		since := time.Now()
		q.args[0].Value = next
		more = false
		err := q.each(ctx, func() error {
			r := batchRow(q)
			if err := r.verify(true); err != nil {
				s.report(r, err)
			}
			if r.verify(false) != nil {
				return nil // it may not say where it stands
			}
			next, more = max(next, r.seq+1), true
			if time.Since(since) > recheckStep {
				return io.EOF
			}
			return nil
		})
		if err != nil {
			return err
		}
		rest(ctx, since)
	}
	return nil
}

// rest leaves the disk to others.
func rest(ctx context.Context, since time.Time) {
	select {
	case <-ctx.Done():
	case <-time.After(recheckRest * time.Since(since)):
	}
}

// verify looks whether the file is whole and takes a write, and takes back what a
// commit that failed may have stored: its senders were told that nothing was,
// and will send again. The whole file is checked when that is soon done, else
// what the writes that failed may have touched, and the rest beside.
func (s *Store) verify(ctx context.Context, w *writer) error {
	if s.disagrees {
		s.disagrees = !s.mend(ctx, w, true)
	}
	done, err := s.checkWhole(ctx)
	if errors.Is(err, outbox.ErrCorrupt) && s.mend(ctx, w, false) {
		done, err = s.checkWhole(ctx)
	}
	if w.doubt != nil {
		return fault("make an index anew", w.doubt)
	}
	if err != nil {
		return err
	}
	if !done {
		if err := s.checkTouched(ctx, w); err != nil {
			return err
		}
	}
	if err := s.startLogAnew(ctx, w); err != nil {
		return err
	}
	if err := s.takeBack(ctx, w); err != nil {
		return err
	}
	if !done && !s.rechecking {
		s.rechecking = true
		s.beside.Go(func() {
			s.recheck(ctx, s.stop)
			s.gate.wait()
			s.rechecking = false
			s.gate.leave()
		})
	}
	return nil
}

// takeBack erases what commits that failed may have stored, and sees whether the
// file takes that.
func (s *Store) takeBack(ctx context.Context, w *writer) error {
	err := w.begin.run(ctx)
	for _, seq := range s.doubtful {
		if err == nil {
			err = w.erase(ctx, seq)
		}
	}
	if err == nil {
		w.probe.args[0].Value = time.Now().Unix()
		err = w.probe.run(ctx)
	}
	if err == nil {
		err = w.commit.run(ctx)
	}
	return fault("write to the file again", err)
}
