package sqlite

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"invitation-relay/relay/outbox"
)

// nameRow is a name as it stands in the file.
type nameRow struct {
	kind string
	id   int64
	name string
	crc  int64
}

// namesSealed is the step of the schema since which names have a checksum.
const namesSealed = 4

// kindOf is a kind's number, kinds for one that is not known.
func kindOf(name string) int {
	for k := range kinds {
		if kindName(k) == name {
			return k
		}
	}
	return kinds
}

// sum is the checksum of a name. It is never 0.
func (r *nameRow) sum() int64 {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 64), uint64(r.id)) //nolint:gosec // bits
	b = append(append(append(b, r.kind...), 0), r.name...)
	return 1<<32 | int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// mend says whether a name is whole, and makes it so when it is one flipped bit
// away, in whatever column. Of two names with their CRC-32C at least four bits
// differ, so the bit that makes it match is the one.
func (r *nameRow) mend() (flipped, whole bool) {
	if r.crc == r.sum() {
		return false, true
	}
	for i := range 128 {
		flip := int64(1) << (i / 2)
		if i%2 == 1 {
			flip = -flip // the sign of a number that is stored narrower
		}
		if r.crc^flip == r.sum() { // the checksum's own
			r.crc ^= flip
			return true, true
		}
		t := *r
		if t.id ^= flip; t.sum() == t.crc {
			*r = t
			return true, true
		}
	}
	text := []byte(r.kind + r.name)
	for i := range 8 * len(text) {
		text[i/8] ^= 1 << (i % 8)
		t := nameRow{kind: string(text[:len(r.kind)]), id: r.id, name: string(text[len(r.kind):]), crc: r.crc}
		if t.sum() == t.crc {
			*r = t
			return true, true
		}
		text[i/8] ^= 1 << (i % 8)
	}
	return false, false
}

// readNames reads the names as they stand there, in the table's order; with an
// error, as far as that went. The text is what to ask for and in which order.
func readNames(ctx context.Context, c *conn, text string) (rows []nameRow, err error) {
	q, err := c.prepareOnce(text, 0, 4)
	if err != nil {
		return nil, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	err = q.each(ctx, func() error {
		kind, name := q.text(0), q.text(2)
		if b, ok := q.dest[0].([]byte); ok { // a flipped bit in its type
			kind = string(b)
		}
		if b, ok := q.dest[2].([]byte); ok {
			name = string(b)
		}
		rows = append(rows, nameRow{kind, q.int(1), name, q.int(3)})
		return nil
	})
	return rows, err
}

const namesSQL = "SELECT kind, id, name, crc FROM names ORDER BY kind, id"

// namesSaid is how many names of each kind meta says there are: not known, and
// none, when that is damaged or not there.
func namesSaid(ctx context.Context, c *conn) (n [kinds]int, there, known bool, err error) {
	v, err := c.value(ctx, "SELECT v FROM meta WHERE k = 'names'")
	b, _ := v.([]byte)
	if err != nil || len(b) != 4*kinds+4 {
		return n, v != nil, false, err
	}
	for k := range n {
		n[k] = int(binary.BigEndian.Uint32(b[4*k:]))
	}
	if !slices.Equal(b, sayNames(n)) {
		return [kinds]int{}, true, false, nil
	}
	return n, true, true, nil
}

func sayNames(n [kinds]int) []byte {
	b := make([]byte, 0, 4*kinds+4)
	for _, n := range n {
		b = binary.BigEndian.AppendUint32(b, uint32(n)) //nolint:gosec // far fewer
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// rewriteNames writes all names anew, in the transaction under way. The table is
// emptied without a search in it: what is damaged may not be found where it
// belongs, and the index of names may have another than the table.
func rewriteNames(ctx context.Context, c *conn, rows []nameRow) error {
	if err := c.exec(ctx, "DELETE FROM names"); err != nil {
		return err
	}
	q, err := c.prepareOnce(insertNameSQL, 4, 0)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // what it did is not undone by that
	var n [kinds]int
	for _, r := range rows {
		q.args[0].Value, q.args[1].Value, q.args[2].Value, q.args[3].Value = r.kind, r.id, r.name, r.sum()
		if err := q.run(ctx); err != nil {
			return err
		}
		if k := kindOf(r.kind); k < kinds {
			n[k]++
		}
	}
	return c.runOnce(ctx, sayNamesSQL, sayNames(n))
}

const (
	insertNameSQL = "INSERT INTO names (kind, id, name, crc) VALUES (?,?,?,?)"
	sayNamesSQL   = "INSERT OR REPLACE INTO meta (k, v) VALUES ('names', ?)"
)

// sealNames gives the names of an older store their checksums, in the transaction
// under way. What they are by then cannot be looked at.
func sealNames(ctx context.Context, c *conn) error {
	rows, err := readNames(ctx, c, namesSQL)
	if err == nil {
		err = newNames().take(rows)
	}
	if err != nil {
		return err
	}
	if err := rewriteNames(ctx, c, rows); err != nil {
		return err
	}
	return noteUnlisted(ctx, c)
}

// wholeNames makes rows whole, and says of those that were not what they are. It
// returns them in order.
func wholeNames(rows []nameRow) (mended []string, err error) {
	for i := range rows {
		r := &rows[i]
		flipped, whole := r.mend()
		switch {
		case whole && flipped:
			mended = append(mended, fmt.Sprint(r.kind, " ", r.id))
		case !whole && kindOf(r.kind) == kinds:
			return nil, fmt.Errorf("%w: it has a name of an unknown kind", outbox.ErrCorrupt)
		case !whole:
			return nil, fmt.Errorf("%w: the name of %s %d is not what was written", outbox.ErrCorrupt, r.kind, r.id)
		}
	}
	slices.SortFunc(rows, func(a, b nameRow) int { return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id)) })
	return mended, nil
}
