package sqlite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"invitation-relay/relay/outbox"
)

// The kinds of names.
const (
	kindAddress = iota
	kindRule
	kindVerdict
	kindSource
	kinds
)

// maxBit is how many addresses, the first to come, have a bit in the masks.
// Those after them have a row per delivery from the start: right, but slower.
const maxBit = 63

func kindName(kind int) string {
	return [...]string{"address", "rule", "verdict", "source"}[kind]
}

// names gives names small numbers that stay theirs, counted from 1. Only the
// transaction under way adds to it; everybody may read. What was added is
// saved with the next commit: a number without a row harms nobody, and after a
// rollback it is saved with the next one.
type names struct {
	tables [kinds]atomic.Pointer[nameTable]
	saved  [kinds]int
}

type nameTable struct {
	list []string // the name of number i+1
	ids  map[string]int64
}

func newNames() *names {
	n := &names{}
	for k := range n.tables {
		n.tables[k].Store(&nameTable{ids: map[string]int64{}})
	}
	return n
}

// find returns a name's number, 0 when it has none.
func (n *names) find(kind int, name string) int64 { return n.tables[kind].Load().ids[name] }

// of returns a number's name, "" for a number that nobody has.
func (n *names) of(kind int, id int64) string {
	list := n.tables[kind].Load().list
	if id < 1 || id > int64(len(list)) {
		return ""
	}
	return list[id-1]
}

// all lists the names of a kind; the number of the i-th is i+1.
func (n *names) all(kind int) []string { return n.tables[kind].Load().list }

// number returns a name's number and gives it one when it has none.
func (n *names) number(kind int, name string) int64 {
	t := n.tables[kind].Load()
	if id, ok := t.ids[name]; ok {
		return id
	}
	next := &nameTable{list: append(slices.Clone(t.list), name), ids: maps.Clone(t.ids)}
	next.ids[name] = int64(len(next.list))
	n.tables[kind].Store(next)
	return int64(len(next.list))
}

// save writes the new names in the transaction under way. The caller calls
// keep after its commit.
func (n *names) save(ctx context.Context, w *writer) error {
	var said [kinds]int
	insert, fresh := w.insertName.args, false
	for k := range n.tables {
		list := n.all(k)
		said[k] = len(list)
		for i := n.saved[k]; i < len(list); i++ {
			r := nameRow{kind: kindName(k), id: int64(i + 1), name: list[i]}
			insert[0].Value, insert[1].Value, insert[2].Value, insert[3].Value = r.kind, r.id, r.name, r.sum()
			if err := w.insertName.run(ctx); err != nil {
				return err
			}
			fresh = true
		}
	}
	if !fresh {
		return nil
	}
	w.sayNames.args[0].Value = sayNames(said)
	return w.sayNames.run(ctx)
}

func (n *names) keep() {
	for k := range n.tables {
		n.saved[k] = len(n.all(k))
	}
}

// load reads the names that are saved. Their numbers must be 1 to n: events and
// deliveries have the number only, and with a gap closed they would go to
// another address. Each must be what was written, or one flipped bit away: those
// are listed, for the file to be mended by rewriteNames.
func (n *names) load(ctx context.Context, c *conn) (rows []nameRow, mended []string, err error) {
	said, _, known, err := namesSaid(ctx, c) // first: who reads beside the relay must not miss one that has come since
	if err != nil {
		return nil, nil, err
	}
	if rows, err = readNames(ctx, c, namesSQL); err != nil {
		return nil, nil, err
	}
	if mended, err = wholeNames(rows); err != nil {
		return nil, nil, err
	}
	if err := n.take(rows); err != nil {
		return nil, nil, err
	}
	for k := range kinds {
		if known && said[k] > n.saved[k] {
			return nil, nil, fmt.Errorf("%w: it has no %s with number %d any more", outbox.ErrCorrupt, kindName(k), n.saved[k]+1)
		}
	}
	if !known {
		mended = append(mended, "how many there are")
	}
	return rows, mended, nil
}

// take is told of rows, in order.
func (n *names) take(rows []nameRow) error {
	n.saved = [kinds]int{} // after an error there may be names in memory that are not in the file
	for _, r := range rows {
		k := kindOf(r.kind)
		if k == kinds {
			return fmt.Errorf("%w: it has a name of an unknown kind", outbox.ErrCorrupt)
		}
		n.saved[k]++
		if want := int64(n.saved[k]); r.id != want || n.number(k, r.name) != want {
			return fmt.Errorf("%w: it has no %s with number %d but a later one", outbox.ErrCorrupt, kindName(k), want)
		}
	}
	return nil
}

// loadNames is load, and mends the file, if not now, then later.
func (s *Store) loadNames(ctx context.Context) error {
	rows, mended, err := s.names.load(ctx, s.w.conn)
	if err != nil || len(mended) == 0 {
		s.owed.names = s.owed.names && err != nil
		return fault("read names", err)
	}
	for _, what := range mended {
		if !s.owed.names { // else it was said
			s.log.Error("a flipped bit in the store's names is mended: the disk may be damaging files", "name", what)
		}
	}
	if err = s.hook("mend"); err == nil {
		err = s.w.begin.run(ctx)
	}
	if err == nil {
		err = rewriteNames(ctx, s.w.conn, rows)
	}
	if err == nil {
		err = s.w.commit.run(ctx)
	}
	if err != nil {
		_ = s.w.rollback.run(ctx) // err says more
	}
	if s.owed.names = err != nil && s.owe(err); s.owed.names {
		return nil
	}
	return fault("mend names", err)
}

// mask is the bits of those addresses that have one, and the numbers of the
// others. Addresses the store has never seen are left out.
func (n *names) mask(addresses []outbox.Address) (bits uint64, beyond []int64) {
	for _, a := range addresses {
		switch id := n.find(kindAddress, string(a)); {
		case id > maxBit:
			beyond = append(beyond, id)
		case id > 0:
			bits |= 1 << (id - 1)
		}
	}
	return bits, beyond
}
