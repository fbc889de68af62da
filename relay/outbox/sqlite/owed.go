package sqlite

import (
	"context"
	"errors"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// owed is what is mended in memory and not in the file, which took no write just
// then: the next transaction writes it, or the next start mends it again. What is
// there can be read and sent meanwhile.
type owed struct {
	names    bool
	store    []byte // which store it is
	unlisted bool   // see loadUnlisted
}

func (o *owed) any() bool { return o.names || o.store != nil || o.unlisted }

// owe says whether what could not be written is to be written later: not where the
// file is damaged further. It is logged once.
func (s *Store) owe(err error) bool {
	if f := fault("mend", err); !errors.Is(f, event.ErrUnavailable) || errors.Is(f, outbox.ErrCorrupt) {
		return false
	}
	if !s.owed.any() {
		s.log.Warn("the store's file takes no write: what was mended is in memory only, until the next one", "err", err)
	}
	return true
}

// settle writes what is owed. Of names it writes all: a damaged one may stand where
// a new one belongs.
func (t *tx) settle(ctx context.Context) error {
	o := &t.s.owed
	if o.names {
		if err := rewriteNames(ctx, t.w.conn, t.s.names.rows()); err != nil {
			return err
		}
	}
	if o.store != nil {
		if err := setStore(ctx, t.w.conn, o.store); err != nil {
			return err
		}
	}
	if o.unlisted {
		return setUnlisted(ctx, t.w.conn, t.s.unlistedTo.Load())
	}
	return nil
}

func setStore(ctx context.Context, c *conn, id []byte) error {
	return c.runOnce(ctx, "INSERT OR REPLACE INTO meta (k, v) VALUES ('store', ?)", id)
}

// rows are all names, in the table's order within each kind.
func (n *names) rows() (rows []nameRow) {
	for k := range kinds {
		for i, name := range n.all(k) {
			rows = append(rows, nameRow{kind: kindName(k), id: int64(i + 1), name: name})
		}
	}
	return rows
}
