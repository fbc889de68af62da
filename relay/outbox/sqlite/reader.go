package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

const (
	// readerRows and readerBytes end a read transaction of a Reader: the WAL
	// cannot be used again from its start while one is open.
	readerRows  = 500
	readerBytes = 4 << 20
)

const batchSQL = `SELECT seq, rnd, received_at, source, kind, targets, crc, dedupe, verdicts, subject, ticket, status, body, key_id
	FROM events WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`

// ErrOlder says that an older release has made the store's schema.
var ErrOlder = errors.New("the store was written by an older release")

// Reader reads the events of a store beside the relay that has it open, or
// while none has. It keeps no lock of ours, changes nothing in the file, its
// schema included, and holds no transaction between two events that it yields.
// It is not safe for concurrent use.
type Reader struct {
	path  string
	keys  [][]byte
	conn  *conn
	ring  *keyring
	batch *stmt
	names *names
}

// OpenReader opens the store at path, which must be there: the error wraps
// fs.ErrNotExist when it is not, outbox.ErrNewer when a newer release wrote it,
// outbox.ErrKey when the keys are not those it is encrypted with, and
// outbox.ErrCorrupt. A schema older than this release's is ErrOlder: it is for
// Open to bring up to date.
func OpenReader(ctx context.Context, path string, keys ...[]byte) (*Reader, error) {
	r := &Reader{path: behindLinks(path), keys: keys, names: newNames()}
	if err := r.open(context.WithoutCancel(ctx)); err != nil {
		_ = r.Close() // err says more
		return nil, fmt.Errorf("read store %s: %w", path, err)
	}
	return r, nil
}

func (r *Reader) open(ctx context.Context) error {
	if _, err := os.Stat(r.path); err != nil {
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err // the path stands in front of it already
		}
		return err
	}
	err := judgeUnused(r.path)
	if err != nil {
		return err
	}
	if r.conn, err = dial(r.path, readerParams+"&mode=ro"); err != nil {
		return fault("open the file", err)
	}
	if err := identify(ctx, r.conn); err != nil {
		return err
	}
	if err := current(ctx, r.conn); err != nil {
		return err
	}
	if _, _, err := r.names.load(ctx, r.conn); err != nil {
		return fault("read names", err)
	}
	var missing []int64
	if r.ring, _, missing, err = ringOf(ctx, r.conn, r.path, r.keys); err != nil {
		return err
	}
	if err := needs(ctx, r.conn, r.ring, missing); err != nil {
		return err
	}
	r.batch, err = r.conn.prepare(batchSQL, 3, 14)
	return fault("open the file", err)
}

// Close lets go of the file. It may be called twice.
func (r *Reader) Close() error {
	if r.conn == nil {
		return nil
	}
	c := r.conn
	r.conn = nil
	if err := c.close(); err != nil {
		return fmt.Errorf("close store %s: %w", r.path, err)
	}
	return nil
}

// Events yields the events received since a time, oldest first, those that come
// meanwhile excepted. Body is nil when it has been erased; Person and Fields are
// not set. A damaged event comes with an error that wraps outbox.ErrCorrupt, and
// the next follows; after any other error none does.
func (r *Reader) Events(ctx context.Context, since time.Time) iter.Seq2[*event.Event, error] {
	return func(yield func(*event.Event, error) bool) {
		unwatched := context.WithoutCancel(ctx) // see conn
		from := event.SeqAt(since)
		to, err := r.last(unwatched)
		if err != nil {
			yield(nil, fault("read events", err))
			return
		}
		damaged := map[int64]bool{} // seqs that were yielded so: they may not say where they stand
		for more := true; more && from <= to; {
			if ctx.Err() != nil {
				yield(nil, context.Cause(ctx))
				return
			}
			var rows []*row
			if rows, more, err = r.read(unwatched, from); err != nil {
				yield(nil, fault("read events", err))
				return
			}
			begun := from
			from = behind(rows, from)
			for _, row := range rows {
				whole := row.verify(false) == nil
				if whole && (row.seq < begun || row.seq > to) || damaged[row.seq] {
					continue
				}
				damaged[row.seq] = !whole
				err := row.verify(true)
				if err == nil {
					row.body, err = r.ring.decrypt(row.id(), row.keyID, row.body)
				}
				ev := row.event(r.names)
				if !yield(&ev, err) {
					return
				}
			}
		}
	}
}

// last is the seq of the last event that says where it stands.
func (r *Reader) last(ctx context.Context) (to int64, err error) {
	q, err := r.conn.prepareOnce(strings.Replace(batchSQL, "ORDER BY seq", "ORDER BY seq DESC", 1), 3, 14)
	if err != nil {
		return 0, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value, q.args[1].Value, q.args[2].Value = int64(0), int64(math.MaxInt64), int64(readerRows)
	err = q.each(ctx, func() error {
		e := batchRow(q)
		if to = max(to, e.seq); e.verify(false) == nil {
			to = e.seq
			return io.EOF
		}
		return nil
	})
	return to, err
}

// behind is from where to read on behind some: behind the last that says where it
// stands, or, where none does, behind the last but one, as one flipped bit changes
// one of them.
func behind(rows []*row, from int64) int64 {
	next := from
	var seqs []int64
	for _, e := range rows {
		if seqs = append(seqs, e.seq); e.verify(false) == nil {
			next = max(next, e.seq+1)
		}
	}
	if slices.Sort(seqs); next == from && len(seqs) > 0 {
		next = max(next, seqs[max(0, len(seqs)-2)]) + 1
	}
	return next
}

// read is batchOf for a relay that runs, and says whether there may be more: to
// the end of the table, since one that may not say where it stands ends none.
func (r *Reader) read(ctx context.Context, from int64) (rows []*row, more bool, err error) {
	rows, err = r.batchOf(ctx, from, math.MaxInt64)
	size := 0
	for _, e := range rows {
		size += len(e.body)
	}
	more = len(rows) == readerRows || size >= readerBytes
	unknown := slices.ContainsFunc(rows, func(e *row) bool {
		return r.names.of(kindSource, e.source) == "" || e.keyID != 0 && r.ring.byID[e.keyID] == nil
	})
	if err == nil && unknown { // the relay has a source since then, or a key
		if _, _, err = r.names.load(ctx, r.conn); err == nil {
			r.ring, _, _, err = ringOf(ctx, r.conn, r.path, r.keys)
		}
	}
	return rows, more, err
}

// batchRow is an event as batchSQL has it.
func batchRow(q *stmt) *row {
	return &row{
		seq: q.int(0), rnd: q.int(1), received: q.int(2), source: q.int(3), kind: q.int(4), targets: q.int(5), crc: q.int(6),
		dedupe: q.blob(7), verdicts: q.blob(8), subject: q.text(9), ticket: q.text(10), status: q.text(11), body: q.blob(12), keyID: q.int(13),
	}
}

// batchOf is one short transaction.
func (r *Reader) batchOf(ctx context.Context, from, to int64) (rows []*row, err error) {
	q, size := r.batch, 0
	q.args[0].Value, q.args[1].Value, q.args[2].Value = from, to, int64(readerRows)
	err = q.each(ctx, func() error {
		e := batchRow(q)
		rows = append(rows, e)
		if size += len(e.body); size >= readerBytes {
			return io.EOF
		}
		return nil
	})
	return rows, err
}

// current refuses a schema that is not this release's.
func current(ctx context.Context, c *conn) error {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return err
	}
	has, err := c.value(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'migrations'")
	if err != nil {
		return fault("read the schema's version", err)
	}
	done := int64(0)
	if has != int64(0) {
		if done, err = count(ctx, c, "SELECT coalesce(max(n), 0) FROM migrations"); err != nil {
			return fault("read the schema's version", err)
		}
	}
	switch known := int64(len(files)); {
	case done > known:
		return fmt.Errorf("%w: its schema is %d and this one knows %d; use the newer release", outbox.ErrNewer, done, known)
	case done < known:
		return fmt.Errorf("%w: its schema is %d and this one's is %d; serve brings it up to date", ErrOlder, done, known)
	}
	return nil
}
