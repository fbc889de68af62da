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
func (n *names) save(ctx context.Context, insert *stmt) error {
	for k := range n.tables {
		list := n.all(k)
		for i := n.saved[k]; i < len(list); i++ {
			insert.args[0].Value, insert.args[1].Value, insert.args[2].Value = kindName(k), int64(i+1), list[i]
			if err := insert.run(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (n *names) keep() {
	for k := range n.tables {
		n.saved[k] = len(n.all(k))
	}
}

// load reads the names that are saved. Their numbers must be 1 to n: events and
// deliveries have the number only, and with a gap closed they would go to
// another address. Damage that leaves no gap is not seen here.
func (n *names) load(ctx context.Context, c *conn) error {
	q, err := c.prepareOnce("SELECT kind, id, name FROM names ORDER BY kind, id", 0, 3)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	n.saved = [kinds]int{}             // after an error there may be names in memory that are not in the file
	return q.each(ctx, func() error {
		for k := range kinds {
			if kindName(k) != q.text(0) {
				continue
			}
			n.saved[k]++
			if want := int64(n.saved[k]); q.int(1) != want || n.number(k, q.text(2)) != want {
				return fmt.Errorf("%w: it has no %s with number %d but a later one", outbox.ErrCorrupt, kindName(k), want)
			}
			return nil
		}
		return fmt.Errorf("%w: it has a name of an unknown kind", outbox.ErrCorrupt)
	})
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
