package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"math/bits"
	"slices"
	"time"
)

// A row of deliveries whose address a flipped bit has changed is sent nowhere else:
// its event does not have that address, or that delivery waits or ended at once and
// has no row. The one it was for is the event's only address, one bit away, that
// neither waits nor has an end or a row. A row is never deleted but with its event,
// so what stands in the stray one is how far that delivery had come, and giving it
// back sends nothing twice.

const (
	// mostStrays is how many of an address that nobody has are looked at.
	mostStrays = 100
	// strayEvery is how often what could not be given back for now is tried.
	strayEvery = time.Minute
)

// strayed is told of an event that has such a row. It is tried before the next
// transaction, once: what cannot be given back then waits for `store salvage`.
func (s *Store) strayed(seq int64) {
	if _, known := s.strays.LoadOrStore(seq, true); !known {
		s.astray.Store(true)
	}
}

// findStrays looks for pending rows whose address nobody has, one step in an index
// for each address: no target would ever ask for them.
func (s *Store) findStrays(ctx context.Context, w *writer) error {
	next, err := w.prepareOnce("SELECT min(address) FROM deliveries WHERE state = 0 AND address > ?", 1, 1)
	if err != nil {
		return err
	}
	defer func() { _ = next.s.Close() }() // nothing was written
	for after := int64(-1 << 63); ; {
		next.args[0].Value = after
		if _, err := next.row(ctx); err != nil {
			return err
		}
		id, ok := next.dest[0].(int64)
		if !ok || id <= after {
			return nil
		}
		if after = id; s.names.of(kindAddress, id) != "" {
			continue
		}
		if err := s.findStraysAt(ctx, w, id); err != nil {
			return err
		}
	}
}

func (s *Store) findStraysAt(ctx context.Context, w *writer, id int64) error {
	q, err := w.prepareOnce("SELECT seq FROM deliveries WHERE state = 0 AND address = ? LIMIT ?", 2, 1)
	if err != nil {
		return err
	}
	defer func() { _ = q.s.Close() }() // nothing was written
	q.args[0].Value, q.args[1].Value = id, int64(mostStrays)
	return q.each(ctx, func() error {
		seq := q.int(0)
		if _, reported := s.quarantine.LoadOrStore(-seq, true); !reported {
			s.log.Error("a delivery is damaged and is not sent to where its row says: nobody has its address", "event_id", (&row{seq: seq}).id())
		}
		s.strayed(seq)
		return nil
	})
}

// giveBack gives stray rows back, in transactions of their own: what fails there
// fails for nobody else, unless the connection is done for. The caller is in the
// gate.
func (s *Store) giveBack(ctx context.Context, w *writer) (err error) {
	if time.Now().Before(s.straysAt) {
		return nil
	}
	given, later := false, false
	s.strays.Range(func(key, open any) bool {
		if open == false { // tried
			return true
		}
		seq, _ := key.(int64)
		var changed bool
		switch changed, err = s.giveBackOf(ctx, w, seq); {
		case err == nil:
			given = given || changed
		case !disagrees(err) && breaks(err):
			return false
		default:
			later, err = true, nil
		}
		return true
	})
	if err == nil && !later {
		s.astray.Store(false)
		s.strays.Range(func(_, open any) bool { // what came meanwhile
			if open == true {
				s.astray.Store(true)
			}
			return true
		})
	} else {
		s.straysAt = time.Now().Add(strayEvery)
	}
	if err != nil {
		s.failed(nil, err)
		return fault("give a delivery back", err)
	}
	if given && !s.recount(ctx, w) && (s.w == nil || s.found != nil) {
		return s.fault
	}
	return nil
}

// giveBackOf is that for one event, and says whether any of its rows was changed. When
// it returns an error, it is to be tried again.
func (s *Store) giveBackOf(ctx context.Context, w *writer, seq int64) (changed bool, err error) {
	a, err := s.lookAstray(ctx, w, seq)
	if err != nil && code(err) != codeCorrupt {
		return false, err
	}
	if err != nil || a == nil || len(a.strays)+len(a.missing) == 0 { // what else is damaged there is not touched
		s.strays.Store(seq, false)
		return false, nil
	}
	back, lost := a.rename(), len(a.missing) > 0
	if back > 0 || !a.inOrder() {
		err = s.putBack(ctx, w, a)
		switch changed = err == nil; {
		case changed:
		case code(err) == codeCorrupt && !disagrees(err), code(err) == codeConstraint, errors.Is(err, errAmiss):
			back, lost = 0, true
		default:
			return false, err
		}
	}
	s.strays.Store(seq, false)
	if back > 0 {
		s.strays.Delete(seq) // it may be damaged again
		s.log.Error("a flipped bit in the address of a delivery is mended: the disk may be damaging files", "event_id", a.r.id())
	}
	if _, reported := s.quarantine.LoadOrStore(-seq, true); lost && (!reported || len(a.strays) > 0) {
		s.log.Error("a delivery is damaged and will not be sent: which target it was for cannot be told", "event_id", a.r.id())
	}
	if back > 0 && !lost {
		s.quarantine.Delete(-seq)
	}
	return changed, nil
}

// astray is an event and its rows of deliveries, some of which are not its own.
type astray struct {
	r       *row
	rows    [][]driver.Value // as they stand
	strays  []int            // of rows
	missing []int64          // addresses of which nothing is known
}

// deliveryRows reads an event's rows one after the other: a stray one hides others
// from a search, since it stands where its address belonged.
const deliveryRows = "SELECT address, state, attempts, next_at, finished_at, outcome, status, reason FROM deliveries WHERE seq = ?"

// lookAstray reads an event, nil when it is not whole.
func (s *Store) lookAstray(ctx context.Context, w *writer, seq int64) (*astray, error) {
	r, err := (&tx{s: s, w: w}).stands(ctx, seq)
	if err != nil || r == nil || r.verify(false) != nil {
		return nil, err
	}
	q := w.readEvent
	q.args[0].Value = seq
	if _, err := q.row(ctx); err != nil {
		return nil, err
	}
	waiting := mask(q.int(1))
	r.ends = q.blob(4)
	a := &astray{r: r}
	if a.rows, err = everyRow(ctx, w, deliveryRows, 8, seq); err != nil {
		return nil, err
	}
	tried, err := everyRow(ctx, w, "SELECT DISTINCT address FROM attempts WHERE seq = ?", 1, seq)
	if err != nil {
		return nil, err
	}
	var have []int64
	for i, v := range a.rows {
		id, _ := v[0].(int64)
		_, ended := r.first(id)
		again := slices.ContainsFunc(tried, func(v []driver.Value) bool { return v[0] == id }) // by hand
		if s.names.of(kindAddress, id) == "" || !r.goesTo(id, s.unlistedTo.Load()) ||
			id <= maxBit && (waiting&(1<<(id-1)) != 0 || ended && !again) {
			a.strays = append(a.strays, i)
		} else {
			have = append(have, id)
		}
	}
	pendingBits(r.targets, func(id int64) {
		if _, ended := r.first(id); !ended && waiting&(1<<(id-1)) == 0 && !slices.Contains(have, id) {
			a.missing = append(a.missing, id)
		}
	})
	for _, id := range r.beyond() {
		if !slices.Contains(have, id) {
			a.missing = append(a.missing, id)
		}
	}
	return a, nil
}

// inOrder is false where rows of the event are hidden from a search by one that is
// not where it belongs.
func (a *astray) inOrder() bool {
	return slices.IsSortedFunc(a.rows, func(x, y []driver.Value) int {
		i, _ := x[0].(int64)
		j, _ := y[0].(int64)
		return cmp.Compare(i, j)
	})
}

// rename makes the addresses what they were, as far as that can be told.
func (a *astray) rename() (n int) {
	for _, i := range a.strays {
		from, _ := a.rows[i][0].(int64)
		near := slices.DeleteFunc(slices.Clone(a.missing), func(to int64) bool { return !oneBitAway(from, to) })
		if len(near) == 1 {
			a.rows[i][0] = near[0]
			n++
			a.missing = slices.DeleteFunc(a.missing, func(id int64) bool { return id == near[0] })
		}
	}
	return n
}

// oneBitAway also sees the sign of a number that is stored narrower.
func oneBitAway(a, b int64) bool {
	d := a ^ b
	return bits.OnesCount64(uint64(d)) == 1 || d < 0 && bits.OnesCount64(uint64(-d)) == 1 //nolint:gosec // bits
}
