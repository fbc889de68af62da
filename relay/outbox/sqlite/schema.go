package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"invitation-relay/relay/outbox"
)

// object is a table or an index as the schema has it.
type object struct{ kind, table, sql string }

// schemaOf reads the schema's objects by name, and whether two of them share a page.
func schemaOf(ctx context.Context, c *conn) (objects map[string]object, shared bool, err error) {
	q, err := c.prepareOnce("SELECT name, type, tbl_name, sql, rootpage FROM sqlite_schema", 0, 5)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	objects = map[string]object{}
	roots := map[int64]bool{}
	err = q.each(ctx, func() error {
		objects[q.text(0)] = object{q.text(1), q.text(2), q.text(3)}
		shared = shared || roots[q.int(4)]
		roots[q.int(4)] = true
		return nil
	})
	return objects, shared, err
}

// wholeSchema refuses a schema in which something of ours is missing or is not as
// the migrations made it: a flipped bit there turns a column into another one.
// What is there beside it does no harm.
func wholeSchema(ctx context.Context, c *conn) error {
	got, shared, err := schemaOf(ctx, c)
	if err != nil {
		return fault("read the schema", err)
	}
	m, err := open(uri(":memory:", "_dqs=0&_error_rc=1"))
	if err != nil {
		return fault("read the schema", err)
	}
	defer func() { _ = m.close() }() // nothing is kept
	if err := makeSchema(ctx, m); err != nil {
		return err
	}
	want, _, err := schemaOf(ctx, m)
	if err != nil {
		return fault("read the schema", err)
	}
	for name, o := range want {
		if got[name] != o || shared {
			return fault("read the schema", fmt.Errorf("%w: what it says of %s is not what was written", outbox.ErrCorrupt, name))
		}
	}
	return nil
}

// makeSchema is migrate for a file in which there is nothing.
func makeSchema(ctx context.Context, c *conn) error {
	err := c.exec(ctx, "BEGIN")
	if err == nil {
		err = steps(ctx, c, 0)
	}
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	return fault("make the schema", err)
}

// patchSchema puts the schema of a new store into a copy of one whose own cannot
// be read. All tables have their roots where they were made, which is the same in
// each store, or, where it was restored from a backup, as VACUUM made them. Should
// they not be there, nothing that is read has the right checksum.
func patchSchema(ctx context.Context, copied string, vacuumed bool) error {
	model := filepath.Join(filepath.Dir(copied), "model.db")
	c, err := open(uri(model, "_dqs=0&_error_rc=1"))
	if err != nil {
		return err
	}
	err = makeSchema(ctx, c)
	if err == nil && vacuumed {
		err = c.exec(ctx, "VACUUM")
	}
	pages := map[int64][]byte{}
	if err == nil {
		err = readSchemaPages(ctx, c, pages)
	}
	if err = errors.Join(err, c.close(), os.Remove(model)); err != nil {
		return err
	}
	f, err := os.OpenFile(copied, os.O_RDWR, 0) //nolint:gosec // in a folder of ours
	if err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		binary.BigEndian.PutUint32(pages[1][28:], uint32(size/defaultPage)) //nolint:gosec // a file has no more pages
	}
	for n := range maps.Keys(pages) {
		if err == nil {
			_, err = f.WriteAt(pages[n], (n-1)*defaultPage)
		}
	}
	return errors.Join(err, f.Close())
}

func readSchemaPages(ctx context.Context, c *conn, pages map[int64][]byte) error {
	q, err := c.prepareOnce("SELECT pgno, data FROM sqlite_dbpage WHERE pgno IN (SELECT pageno FROM dbstat WHERE name = 'sqlite_schema')", 0, 2)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	return q.each(ctx, func() error { pages[q.int(0)] = append([]byte(nil), q.blob(1)...); return nil })
}
