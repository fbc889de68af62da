package sqlite

import (
	"context"
	"encoding/binary"
	"math/bits"
)

// What waits of an event stands in its row and in an index. Where they differ,
// the row has witnesses: of each address it goes to, either the delivery waits, or
// its end stands in the row, or it has a row of its own. If they contradict it, it
// is the row that is damaged, and what the index lists is sent. How the row is mended
// is in waitmend.go.

// ownRows is a mask of the addresses of an event that have a row of their own, and
// ownOf that up to which event it is.
const (
	ownRows = ownOf + "?"
	ownOf   = "SELECT coalesce(sum(1 << (address - 1)), 0) FROM deliveries WHERE address BETWEEN 1 AND 63 AND seq = "
)

// accountedFor reports whether the row does not contradict itself.
func (r *row) accountedFor(own int64) bool {
	waiting, targets, ended := mask(r.waiting), uint64(r.targets), uint64(own) //nolint:gosec // bits
	for m := targets; m != 0; m &= m - 1 {
		if id := bits.TrailingZeros64(m) + 1; r.endedAtOnce(int64(id)) {
			ended |= 1 << (id - 1)
		}
	}
	return waiting&^targets == 0 && waiting&ended == 0 && targets&^(waiting|ended) == 0
}

// endedAtOnce is whether the first attempt delivered. The row may be damaged.
func (r *row) endedAtOnce(id int64) bool {
	if len(r.ends)%endSize != 0 {
		return false
	}
	_, ok := r.first(id)
	return ok
}

// journalHas is of a seq that an index lists and the table does not have: what was
// stored stands in the journal, and then it is the row that is damaged, or one that
// hides it. An index made anew from such a table cannot be changed with it any more.
const journalHas = "SELECT count(*) FROM journal WHERE instr(CAST(keys AS BLOB), ?) > 0"

func seqBytes(seq int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(seq)) //nolint:gosec // bits
}

// blames reports whether an index is whole although the table says something else
// of a row of it: the table contradicts itself, or the other index.
func (a *auditor) blames(ctx context.Context, x index, key [3]int64) (whole bool, err error) {
	if x.name != waitingIndex {
		return a.lost(ctx, x, key)
	}
	q, err := a.conn.prepareOnce("SELECT waiting, targets, ends, ("+ownRows+") FROM events WHERE seq = ?", 2, 4)
	if err != nil {
		return false, err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	seq := key[1]
	q.args[0].Value, q.args[1].Value = seq, seq
	found, err := q.row(ctx)
	if err != nil {
		return false, err
	}
	if !found {
		n, err := count(ctx, a.conn, journalHas, seqBytes(seq))
		if n == 0 && err == nil {
			a.s.notThere(seq)
		}
		return n > 0, err
	}
	r := &row{waiting: q.int(0), targets: q.int(1), ends: q.blob(2)}
	return !r.accountedFor(q.int(3)), nil
}

// lost is blames for what lists deliveries: each of its indexes is a witness of
// where a delivery is to go. What both have and the table has not is its damage.
func (a *auditor) lost(ctx context.Context, x index, key [3]int64) (bool, error) {
	state, address := key[0], key[1]
	if x.name == dueIndex {
		state, address = 0, key[0]
	}
	n, err := count(ctx, a.conn, "SELECT t.seq IS NULL AND "+otherLists(x.name, "x.state")+` FROM (SELECT ? AS state, ? AS address, ? AS seq) x
		LEFT JOIN deliveries t ON t.seq = x.seq AND t.address = x.address`, state, address, key[2])
	if n == 0 || err != nil {
		return false, err
	}
	a.s.lostRow(key[2])
	return true, nil
}

// lostRow is told of an event of which the table has not a row that both indexes
// of deliveries have: a flipped bit has made it another one's.
func (s *Store) lostRow(seq int64) {
	if _, reported := s.quarantine.LoadOrStore(-seq, true); !reported {
		s.log.Error("a delivery is damaged and is not sent: its table does not have its row", "event_id", (&row{seq: seq}).id())
		s.strayed(seq)
	}
}

// notThere logs, once, that an index lists an event that is not there: the index
// is damaged, or the event is.
func (s *Store) notThere(seq int64) {
	if _, logged := s.quarantine.LoadOrStore(onlyListedKey{waitingIndex, seq, 0}, true); !logged {
		s.log.Warn("an index of the store lists an event that is not there", "index", waitingIndex, "event_id", (&row{seq: seq}).id())
	}
}

// onlyListedKey is, in quarantine, what an index alone lists; address 0 is all of
// an event.
type onlyListedKey struct {
	index        string
	seq, address int64
}

// leaveOut logs, once, that a delivery is left out of what is sent because an
// index alone has it, and has that index made anew.
func (c *claim) leaveOut(index string, seq, address int64) {
	c.suspect(index)
	if _, logged := c.s.quarantine.LoadOrStore(onlyListedKey{index, seq, address}, true); !logged {
		c.s.log.Warn("an index of the store lists a delivery as pending that is not: it is not sent", "index", index, "event_id", (&row{seq: seq}).id())
	}
}

// differs is told of a delivery that events_waiting lists otherwise than its event
// says, and reports whether it is not pending at all.
func (c *claim) differs(ctx context.Context, r *row, id int64) (ended bool, err error) {
	var own int64
	if err := c.query(ctx, func(n, _, _ int64, _ string) { own = n },
		"SELECT ("+ownRows+"), 0, 0, ''", r.seq); err != nil {
		return false, err
	}
	if !r.accountedFor(own) {
		return false, nil
	}
	if mask(r.waiting)&(1<<(id-1)) == 0 {
		c.leaveOut(waitingIndex, r.seq, id)
		return true, nil
	}
	c.suspect(waitingIndex)
	return false, nil
}
