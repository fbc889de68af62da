package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"invitation-relay/relay/failpoint"
	"invitation-relay/relay/outbox"
)

// tx is what a transaction will change in memory once it is committed. It is
// reused.
type tx struct {
	s *Store
	w *writer

	stored  []*outbox.Entry // in this transaction
	keys    []keys          // of stored, one by one
	fresh   map[uint64]int  // dedupe key → index in stored
	refused []int64         // seqs
	revived []place         // had ended, and are pending
	deltas  []counter       // by address number
	touched []int64         // address numbers with a delta
	latest  int64           // see dated

	journal, ends, verdicts, scratch, sealed []byte
}

func (t *tx) reset(w *writer) {
	t.w, t.latest = w, t.s.latest
	clear(t.stored)
	clear(t.fresh)
	t.stored, t.keys, t.refused, t.revived = t.stored[:0], t.keys[:0], t.refused[:0], t.revived[:0]
	for _, id := range t.touched {
		t.deltas[id] = counter{}
	}
	t.touched = t.touched[:0]
}

// place is where a delivery is: its event's seq and its address's number.
type place struct{ seq, address int64 }

// tally notes a change of an address's counts.
func (t *tx) tally(address int64, pending, delivered, dead int) {
	for int64(len(t.deltas)) <= address {
		t.deltas = append(t.deltas, counter{})
	}
	d := &t.deltas[address]
	if !d.touched {
		d.touched = true
		t.touched = append(t.touched, address)
	}
	d.pending += pending
	d.delivered += delivered
	d.dead += dead
}

// dated is told of each time that retention goes by.
func (t *tx) dated(at int64) { t.latest = max(t.latest, at) }

// metDamage is the error of who erases when damage to a table is in the way: what
// cannot be erased stays, and keeps nobody else from writing.
type metDamage struct{ error }

func (e metDamage) Unwrap() error { return e.error }

// transact runs f in one transaction, alone among those who write. When it
// returns an error, nothing has changed.
func (s *Store) transact(ctx context.Context, doing string, f func(context.Context, *tx) error) error {
	if err := s.gate.enter(ctx); err != nil {
		return fault(doing, err)
	}
	defer s.gate.leave()
	ctx = context.WithoutCancel(ctx) // half a transaction helps nobody
	w, err := s.writer(ctx)
	if err == nil && s.astray.Load() {
		err = s.giveBack(ctx, w)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	t := &s.tx
	t.reset(w)
	if err = w.begin.run(ctx); err == nil {
		if err = f(ctx, t); err == nil {
			err = t.flush(ctx)
		}
		if err == nil {
			err = s.commit(ctx, t)
		} else {
			// After some errors SQLite has done so already and says that there
			// is nothing to roll back. Should there be something left, the next
			// BEGIN fails and the file is opened again.
			_ = w.rollback.run(ctx)
		}
	}
	if _, ok := errors.AsType[metDamage](err); ok {
		return err
	}
	if err != nil {
		s.failed(t, err)
		return fault(doing, err)
	}
	s.applied(t)
	s.shortenLog(ctx)
	return nil
}

// commit makes the transaction durable. When it fails half way, whether it did
// is open: what it stored is then taken back before the next one.
func (s *Store) commit(ctx context.Context, t *tx) error {
	failpoint.Hit(failpoint.BeforeCommit)
	err := s.hook("before commit")
	if err == nil {
		err = t.w.commit.run(ctx)
	}
	if err == nil {
		failpoint.Hit(failpoint.AfterCommit)
		err = s.hook("after commit")
	}
	if err != nil {
		_ = t.w.rollback.run(ctx) // SQLite may have done so already
		if breaks(err) {
			for _, k := range t.keys {
				s.doubtful = append(s.doubtful, k.seq)
			}
			s.doubtful = append(s.doubtful, t.refused...)
			s.revived = append(s.revived, t.revived...)
		}
	}
	return err
}

// flush writes what goes with every transaction.
func (t *tx) flush(ctx context.Context) error {
	w := t.w
	var err error
	if t.s.owed.any() {
		err = t.settle(ctx)
	}
	if err == nil && !t.s.owed.names {
		err = t.s.names.save(ctx, w)
	}
	if err != nil {
		return err
	}
	for _, id := range t.touched {
		d, c := t.deltas[id], t.s.counts.of(id)
		if d.delivered == 0 && d.dead == 0 {
			continue
		}
		a := w.putCounter.args
		a[0].Value, a[1].Value, a[2].Value = id, int64(c.delivered+d.delivered), int64(c.dead+d.dead)
		if err := w.putCounter.run(ctx); err != nil {
			return err
		}
	}
	if t.latest > t.s.latest+int64(leap) { // a clock ahead, or a quiet day: Purge finds out
		if err := w.runOnce(ctx, "INSERT OR REPLACE INTO meta (k, v) VALUES (?,?)", metaAhead, t.latest); err != nil {
			return err
		}
	}
	if len(t.keys) == 0 {
		return nil
	}
	t.journal = t.journal[:0]
	for _, k := range t.keys {
		t.journal = k.append(t.journal)
	}
	a := w.insertJournal.args
	a[0].Value, a[1].Value = t.s.commits+1, t.journal
	if err := w.insertJournal.run(ctx); err != nil {
		return err
	}
	return t.s.recent.forget(ctx, w)
}

// applied brings memory up to what was committed.
func (s *Store) applied(t *tx) {
	s.names.keep()
	s.owed = owed{}
	s.counts.add(t)
	s.succeeded, s.fault = time.Now(), nil
	s.latest = t.latest
	last := s.lastSeq.Load()
	for _, seq := range t.refused {
		last = max(last, seq)
	}
	for _, k := range t.keys {
		last = max(last, k.seq)
		s.recent.add(k)
	}
	s.lastSeq.Store(last)
	if len(t.keys) > 0 {
		s.commits++
		s.recent.note(s.commits, last, s.succeeded)
		s.mark.note(s.commits, s.succeeded)
	}
}
