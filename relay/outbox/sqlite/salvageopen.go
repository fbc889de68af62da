package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"invitation-relay/relay/outbox"
)

// open opens what is read: the store itself, or a copy in a folder of ours with
// what SQLite would not read of the log, and when the schema cannot be read, with
// that of a new store.
func (v *salvage) open(ctx context.Context, damaged, folder string) error {
	l, err := readWAL(damaged + "-wal")
	if err != nil {
		return fmt.Errorf("read its log: %w", err)
	}
	size, err := sizeOf(damaged)
	if err != nil {
		return err
	}
	newer := false
	if size > 0 {
		if newer, err = l.copied(damaged); err != nil {
			return err
		}
	}
	asItIs := size > 0 && !l.lost() && !l.torn() && !newer
	if asItIs {
		err = v.look(ctx, damaged)
		if !errors.Is(err, outbox.ErrCorrupt) {
			return err
		}
	}
	copied := filepath.Join(folder, "copy.db")
	if failed := l.writeCopy(damaged, copied); failed != nil {
		return failed
	}
	if !asItIs {
		err = v.look(ctx, copied)
	}
	if errors.Is(err, outbox.ErrCorrupt) && v.lookWithNewSchema(ctx, copied) {
		err = nil
	}
	return err
}

// lookWithNewSchema says whether there is something with the schema of a new store.
func (v *salvage) lookWithNewSchema(ctx context.Context, copied string) bool {
	for _, vacuumed := range []bool{false, true} {
		if patchSchema(ctx, copied, vacuumed) != nil || v.look(ctx, copied) != nil {
			continue
		}
		if v.agrees(ctx) {
			return true
		}
		_ = v.from.close() // nothing was written
	}
	return false
}

// agrees says whether the tables are where the schema says: events have a journal.
func (v *salvage) agrees(ctx context.Context) bool {
	n, err := count(ctx, v.from, `SELECT NOT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM journal WHERE typeof(keys) = 'blob')
		AND EXISTS (SELECT 1 FROM events WHERE typeof(ends) = 'blob' AND typeof(subject) = 'text')`)
	return err == nil && n == 1
}

// look opens a file, and refuses one in which nothing can be found.
func (v *salvage) look(ctx context.Context, path string) (err error) {
	if v.from, err = dial(path, readerParams+"&mode=ro"); err != nil {
		return fault("open the file", err)
	}
	defer func() {
		if err != nil {
			_ = v.from.close() // nothing was written
		}
	}()
	if err := identify(ctx, v.from); err != nil {
		return err
	}
	switch err := current(ctx, v.from); {
	case errors.Is(err, outbox.ErrNewer):
		return err
	case err == nil: // an older one has what there is to save
		if err := wholeSchema(ctx, v.from); err != nil {
			return err
		}
	}
	v.LostNames = nil
	if err := v.loadNames(ctx); err != nil {
		return err
	}
	store, err := v.from.value(ctx, "SELECT v FROM meta WHERE k = 'store'")
	if err == nil && store == nil {
		err = fmt.Errorf("%w: what it is cannot be read", outbox.ErrCorrupt)
	}
	return fault("read", err)
}
