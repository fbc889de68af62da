package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"invitation-relay/relay/event"
)

const (
	// longLog is how long the write-ahead log gets when those who read leave it no
	// moment: twice what it keeps.
	longLog = 128 << 20
	// shortenIn is how long who writes waits then for those who read, and as much
	// longer as the log is longer.
	shortenIn = 250 * time.Millisecond
)

// shortenLog has SQLite begin the write-ahead log anew when it has become long.
// SQLite does so by itself in a moment in which nobody reads: where lanes that
// catch up always do, there is none, and the log would grow until the disk is
// full. While it waits, whoever comes to read needs the log no more. It is not
// waited often for who reads for long, such as a backup.
func (s *Store) shortenLog(ctx context.Context) {
	size, err := sizeOf(s.cfg.Path + "-wal")
	if err == nil && size < s.cfg.long {
		s.longer = 0 // it has begun anew by itself
	}
	if err != nil || size < max(s.cfg.long, s.longer) {
		return
	}
	busy, err := s.w.emptyLog(ctx, min(busyTimeout, shortenIn*time.Duration(size/s.cfg.long)))
	if err != nil {
		s.failed(nil, err) // what was committed is
		return
	}
	if s.longer = 0; busy {
		s.longer = size + s.cfg.long/2
	}
}

// startLogAnew brings the write-ahead log to the disk and empties it into the file.
// What an fsync that failed was for may never come to the disk, though it can be
// read, and SQLite may take it for committed: the next commits would stand behind
// it in the log, and a power cut would take them all; and of what comes into the
// file before it stands in the log, a power cut may leave half. Nothing is accepted
// meanwhile: who reads for long, such as a backup, is not waited for, and neither
// is room on the disk.
func (s *Store) startLogAnew(ctx context.Context, w *writer) error {
	if err := s.logDamage(); err != nil { // it would be copied
		return err
	}
	err := s.writeLogAgain(ctx, w)
	if err == nil {
		err = s.hook("empty the log")
	}
	if err != nil {
		return fault("write the log again", err)
	}
	busy, err := w.emptyLog(ctx, shortenIn)
	if busy || code(err) == codeFull {
		s.unclear.Store(true)
		err = nil
	}
	return fault("empty the log", err)
}

// writeLogAgain writes what the log has to where it stands already: only what was
// written is brought to the disk by an fsync. Nobody notices but the disk.
func (s *Store) writeLogAgain(ctx context.Context, w *writer) error {
	if err := w.begin.run(ctx); err != nil { // others neither write to it nor empty it
		return err
	}
	defer func() { _ = w.rollback.run(ctx) }() // of nothing
	f, err := os.OpenFile(s.cfg.Path+"-wal", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b := make([]byte, 1<<20)
	for at := int64(0); err == nil; at += int64(len(b)) {
		var n int
		if n, err = f.ReadAt(b, at); n > 0 {
			if _, failed := f.WriteAt(b[:n], at); failed != nil {
				err = failed
			}
		}
	}
	if errors.Is(err, io.EOF) {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// busyTimeout is how long a connection waits for another.
const busyTimeout = 5 * time.Second

// emptyLog empties the write-ahead log into the file, unless somebody reads it
// for longer than that may take.
func (w *writer) emptyLog(ctx context.Context, within time.Duration) (busy bool, err error) {
	var v any
	err = w.exec(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", within.Milliseconds()))
	if err == nil {
		v, err = w.value(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	}
	if busy = v == int64(1) || code(err) == codeBusy; busy {
		err = nil
	}
	if e := w.exec(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTimeout.Milliseconds())); err == nil {
		err = e
	}
	return busy, err
}

// truncateWAL empties the WAL, which still has what was erased. Most of that is
// done beside the writer; the last step is tried while nobody reads, and left
// to the next time when somebody always does.
func (s *Store) truncateWAL(ctx context.Context, tries int) error {
	c, err := dial(s.cfg.Path, "")
	if err != nil {
		return fault("checkpoint", err)
	}
	_, err = c.value(context.WithoutCancel(ctx), "PRAGMA wal_checkpoint(PASSIVE)")
	if e := c.close(); err == nil {
		err = e
	}
	if err != nil {
		return fault("checkpoint", err)
	}
	for range tries {
		busy, err := s.truncateOnce(ctx)
		if err != nil || !busy {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return errReadAllTheTime
}

// errReadAllTheTime says that what was erased is still in the WAL.
var errReadAllTheTime = fmt.Errorf("%w: what was erased is still in the write-ahead log: somebody reads all the time", event.ErrUnavailable)

func (s *Store) truncateOnce(ctx context.Context) (busy bool, err error) {
	if err := s.gate.enter(ctx); err != nil {
		return false, fault("checkpoint", err)
	}
	defer s.gate.leave()
	ctx = context.WithoutCancel(ctx)
	w, err := s.writer(ctx)
	if err != nil {
		return false, err
	}
	if busy, err = w.emptyLog(ctx, 0); err != nil { // a reader must not hold up who accepts
		s.failed(nil, err)
		return false, fault("checkpoint", err)
	}
	return busy, nil
}
