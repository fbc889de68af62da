package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// gate lets one in at a time: a mutex that can be waited for with a context.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

func (g gate) enter(ctx context.Context) error {
	select {
	case g <- struct{}{}: // the usual case, without looking at ctx
		return nil
	default:
	}
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) wait() { g <- struct{}{} }

func (g gate) leave() { <-g }

// checkEvery is how long a write, or a check, speaks for now.
const checkEvery = time.Second

// hook is where a test makes a disk fail.
func (s *Store) hook(point string) error {
	if s.cfg.hook == nil {
		return nil
	}
	return s.cfg.hook(point)
}

// failed notes that a transaction failed. After an error that leaves the
// connection in doubt it is closed; the next write opens it again.
func (s *Store) failed(_ *tx, err error) {
	s.inForce = inForce{}
	if f := fault("write", err); errors.Is(f, event.ErrUnavailable) { // else something in the batch is at fault
		s.fault, s.faultAt = f, time.Now()
	}
	if !breaks(err) {
		return
	}
	s.disagrees = s.disagrees || disagrees(err)
	if damage := s.logDamage(); errors.Is(damage, outbox.ErrCorrupt) {
		s.halt(damage) // and closes nothing: see logDamage
		return
	}
	s.log.Error("the store's file is opened again after an error", "err", err)
	if s.w != nil {
		_ = s.w.close() // it is done for
		s.w = nil
	}
}

// writer is the connection that writes; after an error, a new one. The caller
// is in the gate.
func (s *Store) writer(ctx context.Context) (*writer, error) {
	if s.found == nil && s.w != nil && s.w.doubt != nil {
		s.failed(nil, s.w.doubt)
	}
	switch {
	case s.found != nil:
		return nil, s.found
	case s.w != nil:
		return s.w, nil
	case s.closed || time.Since(s.faultAt) < s.cfg.pause && s.fault != nil:
		return nil, s.fault
	}
	w, err := s.reopen(ctx)
	if err != nil {
		s.fault, s.faultAt = err, time.Now()
		return nil, err
	}
	s.w = w
	if err := s.load(ctx); err != nil {
		s.failed(nil, err)
		if s.w != nil && s.found == nil { // whatever the error: with half of it in memory nothing is written
			_ = s.w.close() // err says more
			s.w = nil
		}
		return nil, err
	}
	s.fault, s.doubtful = nil, nil
	s.log.Info("the store's file is open again")
	return w, nil
}

// reopen opens the file anew and looks whether it is whole and takes a write
// before anything is promised again. It must be the file that it was: where a
// disk has gone there may be an empty folder, in which a store would begin anew.
func (s *Store) reopen(ctx context.Context) (*writer, error) {
	if err := s.hook("reopen"); err != nil {
		return nil, fault("open the file again", err)
	}
	if is, err := os.Stat(s.cfg.Path); err != nil || !os.SameFile(is, s.file) {
		return nil, fault("open the file again", errAnother)
	}
	w, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.verify(ctx, w); err != nil {
		_ = w.close() // err says more
		return nil, err
	}
	return w, nil
}

var errAnother = errors.New("it is gone, or another file is in its place: put it back, and restart")

// erase removes all rows of an event or of a refused one.
func (w *writer) erase(ctx context.Context, seq int64) error {
	if err := w.eraseEvent(ctx, seq); err != nil {
		return err
	}
	w.deleteRefused.args[0].Value = seq
	return w.deleteRefused.run(ctx)
}

func (w *writer) eraseEvent(ctx context.Context, seq int64) error {
	for _, s := range []*stmt{w.deleteEvent, w.deleteDeliveries, w.deleteAttempts, w.deleteLate} {
		s.args[0].Value = seq
		if err := s.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Check implements outbox.Store: it writes, unless there was a write or a check
// within the last second, and waits no longer than ctx for one under way.
func (s *Store) Check(ctx context.Context) error {
	if err := s.gate.enter(ctx); err != nil {
		return fmt.Errorf("check: %w: a write takes too long: %w", event.ErrUnavailable, err)
	}
	succeeded, faultAt, err, closed, found := s.succeeded, s.faultAt, s.fault, s.closed, s.found
	s.gate.leave()
	switch {
	case closed || found != nil:
		return err
	case err != nil && time.Since(faultAt) < checkEvery:
		return err
	case time.Since(succeeded) < checkEvery:
		return nil
	}
	err = s.transact(ctx, "check", func(ctx context.Context, t *tx) error {
		t.w.probe.args[0].Value = time.Now().Unix()
		return t.w.probe.run(ctx)
	})
	if err != nil && !errors.Is(err, event.ErrUnavailable) {
		err = fmt.Errorf("%w: %w", event.ErrUnavailable, err)
	}
	return err
}
