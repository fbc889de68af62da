package sqlite

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// chunk is how many events a scanner looks for at once.
const chunk = 256

// scanner finds the events a filter may want, newest first, in chunks.
type scanner struct {
	s    *Store
	tx   *sql.Tx
	f    outbox.Filter
	want wanted

	idsAhead bool // of the clock, which was set back: they do not say when an event was received

	// Ways that are damaged, and are not gone any more.
	noIndex, noJournal, noTable bool
	tried                       way
}

// way is one of those to the events' seqs.
type way int

const (
	byIndex way = iota
	byJournal
	byTable
)

// damage reports whether what is asked cannot be read: another way may be whole.
func damage(err error) bool { return code(err) == codeCorrupt || errors.Is(err, outbox.ErrCorrupt) }

// another says whether there is another way left after one that is damaged.
func (sc *scanner) another(err error) bool {
	if !damage(err) {
		return false
	}
	gone := [...]*bool{byIndex: &sc.noIndex, byJournal: &sc.noJournal, byTable: &sc.noTable}[sc.tried]
	again := *gone
	*gone = true
	return !again && (!sc.noJournal || !sc.noTable)
}

// wanted is a filter in the store's numbers.
type wanted struct {
	source       int64
	person       int64
	since, until int64
	bits         uint64  // of the target's addresses
	ids          []int64 // of the target's addresses, or of all
	beyond       []int64 // those of ids without a bit
}

func (s *Store) wanted(f outbox.Filter) wanted {
	w := wanted{
		source: s.names.find(kindSource, f.Source), person: person(s.salt, f.Person),
		since: nanos(f.Since), until: math.MaxInt64,
	}
	if !f.Until.IsZero() {
		w.until = nanos(f.Until)
	}
	for i, name := range s.names.all(kindAddress) {
		if f.Target != "" && outbox.Address(name).Target() != f.Target {
			continue
		}
		id := int64(i + 1)
		w.ids = append(w.ids, id)
		if id > maxBit {
			w.beyond = append(w.beyond, id)
		} else {
			w.bits |= 1 << i
		}
	}
	return w
}

// matches looks at what an event is, not at its deliveries.
func (sc *scanner) matches(r *row) bool {
	f, w := &sc.f, &sc.want
	return (f.Event == event.ID{} || r.id() == f.Event) &&
		(f.Source == "" || r.source == w.source) &&
		(f.ID == "" || r.subject == f.ID) &&
		(f.Ticket == "" || r.ticket == f.Ticket) &&
		(f.Person == "" || r.person == w.person) &&
		r.received >= w.since && r.received < w.until
}

// next returns the next seqs below before, in descending order, and whether
// there may be more.
func (sc *scanner) next(ctx context.Context, before int64) (seqs []int64, more bool, err error) {
	f := &sc.f
	if f.Source != "" && sc.want.source == 0 || f.Target != "" && len(sc.want.ids) == 0 {
		return nil, false, nil // never heard of
	}
	if seq := f.Event.Seq(); f.Event != (event.ID{}) {
		if seq >= before {
			return nil, false, nil
		}
		return []int64{seq}, false, nil
	}
	if !f.Until.IsZero() && !sc.idsAhead { // a little they may be
		before = min(before, event.SeqAt(f.Until.Add(leap)))
	}
	searched := f.ID != "" || f.Ticket != "" || f.Person != ""
	switch sc.tried = sc.way(searched); {
	case sc.tried == byJournal:
		seqs, err = sc.search(ctx, before)
		return seqs, false, err
	case sc.tried == byTable:
		seqs, err = sc.all(ctx, before)
	case f.State == event.Pending.String():
		seqs, err = sc.pending(ctx, before)
	default:
		state, _ := event.ParseState(f.State)
		seqs, err = sc.byState(ctx, before, state)
	}
	if err != nil {
		return nil, false, err
	}
	slices.Sort(seqs)
	slices.Reverse(seqs)
	seqs = slices.Compact(seqs)
	seqs = seqs[:min(chunk, len(seqs))]                                    // each query gave as many at most: below these, some are missing
	if len(seqs) > 0 && seqs[max(0, len(seqs)-2)] < event.SeqAt(f.Since) { // a flipped bit may have made the last one low
		return seqs, false, nil
	}
	return seqs, len(seqs) == chunk, nil
}

// way is the cheapest one that is not damaged.
func (sc *scanner) way(searched bool) way {
	f := &sc.f
	indexed := f.State == event.Pending.String() || f.State == event.Dead.String() || f.State == event.Discarded.String()
	switch {
	case sc.noTable || searched && !sc.noJournal:
		return byJournal
	case indexed && !searched && !sc.noIndex:
		return byIndex
	}
	return byTable
}

// search goes through the journal, newest commit first. All of it is looked at
// when little is found: some 30 ms for a million events.
func (sc *scanner) search(ctx context.Context, before int64) (seqs []int64, err error) {
	f := &sc.f
	want := keys{ticket: textKey(f.Ticket), subject: textKey(f.ID), person: personKey(sc.want.person)}
	needle := []byte{} // in all, where the table is damaged
	switch {           // the most telling one; SQLite looks for its bytes, in a text of which a flipped bit made one too
	case want.ticket != 0:
		needle = binary.BigEndian.AppendUint32(nil, want.ticket)
	case want.subject != 0:
		needle = binary.BigEndian.AppendUint32(nil, want.subject)
	case want.person != 0:
		needle = binary.BigEndian.AppendUint16(nil, want.person)
	}
	rows, err := sc.tx.QueryContext(ctx, "SELECT keys FROM journal WHERE instr(CAST(keys AS BLOB), ?) > 0 ORDER BY n DESC", needle)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var b sql.RawBytes
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		for ; len(b) >= keysSize; b = b[keysSize:] {
			k := keysAt(b)
			if k.seq < before && (f.Ticket == "" || k.ticket == want.ticket) && (f.ID == "" || k.subject == want.subject) &&
				(f.Person == "" || k.person == want.person) {
				seqs = append(seqs, k.seq)
			}
		}
	}
	slices.Sort(seqs)
	slices.Reverse(seqs)
	return seqs, rows.Err()
}

// pending finds events with a pending delivery to one of the wanted addresses.
func (sc *scanner) pending(ctx context.Context, before int64) (seqs []int64, err error) {
	masks, err := waitingMasks(ctx, sc.tx)
	if err != nil {
		return nil, err
	}
	for _, m := range masks {
		if mask(m)&sc.want.bits == 0 {
			continue
		}
		more, err := sc.seqs(ctx, `SELECT seq FROM events WHERE waiting = ? AND waiting <> -9223372036854775808 AND seq < ?
			ORDER BY seq DESC LIMIT ?`, m, before, chunk)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	rows, err := sc.byState(ctx, before, event.Pending)
	return append(seqs, rows...), err
}

// byState finds events with a row of deliveries in a state.
func (sc *scanner) byState(ctx context.Context, before int64, state event.State) (seqs []int64, err error) {
	for _, id := range sc.want.ids {
		more, err := sc.seqs(ctx, "SELECT seq FROM deliveries WHERE state = ? AND address = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
			int64(state), id, before, chunk)
		if err != nil {
			return nil, err
		}
		seqs = append(seqs, more...)
	}
	return seqs, nil
}

// all walks through the events themselves.
func (sc *scanner) all(ctx context.Context, before int64) ([]int64, error) {
	w := &sc.want
	where := []string{"seq < ?", "seq >= ?", "received_at >= ?", "received_at < ?"}
	args := []any{before, event.SeqAt(sc.f.Since), w.since, w.until}
	if sc.f.Since.IsZero() {
		args[1] = int64(0)
	}
	add := func(cond string, values ...any) { where, args = append(where, cond), append(args, values...) }
	if sc.f.Source != "" {
		add("source = ?", w.source)
	}
	if sc.f.ID != "" { // as the rest that is searched for: the journal is damaged
		add("subject = ?", sc.f.ID)
	}
	if sc.f.Ticket != "" {
		add("ticket = ?", sc.f.Ticket)
	}
	if sc.f.Person != "" {
		add("person = ?", w.person)
	}
	if sc.f.State == "finished" {
		add("finished_at <> ?", int64(notFinished))
	}
	if sc.f.Target != "" {
		cond := "targets & ? <> 0"
		values := []any{int64(w.bits)} //nolint:gosec // bits
		if len(w.beyond) > 0 {
			cond = "(" + cond + " OR EXISTS (SELECT 1 FROM deliveries d WHERE d.seq = events.seq AND d.address IN (?" +
				strings.Repeat(",?", len(w.beyond)-1) + ")))"
			for _, id := range w.beyond {
				values = append(values, id)
			}
		}
		add(cond, values...)
	}
	return sc.seqs(ctx, "SELECT seq FROM events WHERE "+strings.Join(where, " AND ")+" ORDER BY seq DESC LIMIT ?", append(args, chunk)...)
}

func (sc *scanner) seqs(ctx context.Context, text string, args ...any) (seqs []int64, err error) {
	rows, err := sc.tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err says it
	for rows.Next() {
		var v any
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		seq, ok := v.(int64)
		if !ok {
			return nil, errNoMask
		}
		seqs = append(seqs, seq)
	}
	return seqs, rows.Err()
}
