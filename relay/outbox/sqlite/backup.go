package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"invitation-relay/relay/outbox"
)

// BackedUp is what is in a backup.
type BackedUp struct {
	Events  int
	Damaged int // of them, as they are in the store

	Mended []string // names, by kind and number, and the like, that were one flipped bit away from what was written: they are right in the copy
}

// Backup copies the store at path into a file that must not be there yet, beside
// the relay that has it open, or while none has. It is of one moment, has no free
// pages, is for its owner only, and on disk and looked through before it has its
// name; see unfinished and mendCopy. Keys are not needed: what is encrypted stays
// so. looked is called after each event of the copy that was looked through.
func Backup(ctx context.Context, path, into string, looked func(events int)) (b BackedUp, err error) {
	path = behindLinks(path)
	if err := isThere(path); err != nil {
		return b, err
	}
	if into, err = filepath.Abs(into); err != nil { // SQLite takes some relative ones for URIs
		return b, err
	}
	if err := judgeUnused(path); err != nil {
		return b, err
	}
	if err := free(into); err != nil {
		return b, err
	}
	u, err := makeBeside(into)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, u.remove()) }()
	f, err := os.OpenFile(u.file(), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return b, err
	}
	ctx = context.WithoutCancel(ctx) // see conn
	err = copyInto(ctx, path, u.file())
	var mended []string
	if err == nil {
		mended, err = mendCopy(ctx, u.file(), path+".mark") // first: SQLite sees some of that as well
	}
	if err == nil {
		b, err = look(ctx, u.file(), looked)
		b.Mended = mended
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = u.finish(into)
	}
	return b, err
}

// copyInto copies into a file that is empty.
func copyInto(ctx context.Context, path, into string) (err error) {
	c, err := dial(path, "&_pragma=busy_timeout(5000)&_pragma=temp_store(MEMORY)&_pragma=secure_delete(1)&mode=ro") // the copy inherits secure_delete: else remains of rows lie about in it
	if err != nil {
		return fault("open the file", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := identify(ctx, c); err != nil {
		return err
	}
	_, err = c.value(ctx, "VACUUM INTO ?", into)
	return fault("copy", err)
}

// look looks through a copy: its pages, and the checksum of each event.
func look(ctx context.Context, path string, looked func(events int)) (b BackedUp, err error) {
	c, err := dial(path, readerParams+"&mode=ro")
	if err != nil {
		return b, fault("open the copy", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := identify(ctx, c); err != nil {
		return b, fmt.Errorf("open the copy: %w", err)
	}
	switch found, err := c.value(ctx, "PRAGMA integrity_check(1)"); {
	case err != nil:
		return b, fault("check the copy", err)
	case found != "ok":
		return b, fmt.Errorf("check the copy: %w (%v)", outbox.ErrCorrupt, found)
	}
	r := &Reader{path: path, conn: c, names: newNames()}
	if r.batch, err = c.prepare(batchSQL, 3, 14); err != nil {
		return b, fault("read the copy", err)
	}
	from := int64(0)
	for {
		rows, err := r.batchOf(ctx, from, 1<<62)
		if err != nil {
			return b, fault("read the copy", err)
		}
		if len(rows) == 0 {
			return b, nil
		}
		from = rows[len(rows)-1].seq + 1
		for _, row := range rows {
			b.Events++
			if row.verify(true) != nil {
				b.Damaged++
			}
			looked(b.Events)
		}
	}
}

// syncFolder makes the name of a new file durable, where a folder can be synced.
func syncFolder(folder string) error {
	d, err := os.Open(folder) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	_ = d.Sync() // not every system can: the file itself is safe
	return d.Close()
}
