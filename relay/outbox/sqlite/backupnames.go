package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"invitation-relay/relay/outbox"
)

// mendCopy looks at the names in a copy, and at which store it is of, which none of
// SQLite's checks does: all that is in it hangs on them. One flipped bit is mended
// in the copy; the store itself mends it at its next start. Worse is an error. mark
// is the store's: it says which it is too.
func mendCopy(ctx context.Context, copied, mark string) (mended []string, err error) {
	c, err := dial(copied, "")
	if err != nil {
		return nil, fault("open the copy", err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	sealed, err := count(ctx, c, "SELECT count(*) FROM pragma_table_info('names') WHERE name = 'crc'")
	if err != nil || sealed == 0 {
		return nil, fault("check the copy", err) // an older store: nobody can look
	}
	rows, mended, err := newNames().load(ctx, c)
	if err != nil {
		return nil, fault("check the names in the copy", err)
	}
	id, err := mendedStore(ctx, c, mark)
	if err != nil || len(mended) == 0 && id == nil {
		return nil, fault("check the copy", err)
	}
	err = c.exec(ctx, "BEGIN IMMEDIATE")
	if err == nil && len(mended) > 0 {
		err = rewriteNames(ctx, c, rows)
	}
	if err == nil && id != nil {
		mended = append(mended, "which store it is")
		err = setStore(ctx, c, id)
	}
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	return mended, fault("mend the copy", err) // an open transaction ends with its connection
}

// mendedStore is which store it is, where that is one flipped bit away from what
// the mark says, or has become a text; nil: nothing is to be mended.
func mendedStore(ctx context.Context, c *conn, mark string) ([]byte, error) {
	v, err := c.value(ctx, "SELECT v FROM meta WHERE k = 'store'")
	if err != nil {
		return nil, err
	}
	_, whole := v.([]byte)
	id, marked := bytesOf(v), markedStore(mark)
	switch {
	case len(id) != storeSize && len(marked) != storeSize:
		return nil, fmt.Errorf("%w: what it is cannot be read", outbox.ErrCorrupt)
	case len(id) != storeSize:
		return marked, nil
	case len(marked) == storeSize:
		differ := 0
		for i := range id {
			differ += bits.OnesCount8(id[i] ^ marked[i])
		}
		if differ == 1 {
			return marked, nil
		} // else it is the same, or the mark is another store's
	}
	if whole {
		return nil, nil //nolint:nilnil // as it says
	}
	return id, nil
}
