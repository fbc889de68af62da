package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	sqlite3 "modernc.org/sqlite"

	"invitation-relay/relay/outbox"
)

// An index says nothing that its table does not. So one that is damaged must not
// keep what is whole from being accepted and sent: it is made anew.

// index is one of the schema's, with what it is made for, and those by which
// deliveries are found with what it lists.
type index struct{ name, table, where, lists string }

func indexes() []index {
	return []index{
		{waitingIndex, "events", "waiting <> -9223372036854775808", "waiting, seq"},
		{dueIndex, "deliveries", "state = 0", "address, next_at, seq"},
		{stateIndex, "deliveries", "1", "state, address, seq"},
		{"refused_received", "refused", "1", ""},
		{"threads_at", "threads", "1", ""},
	}
}

const (
	waitingIndex = "events_waiting"
	dueIndex     = "deliveries_due"
	stateIndex   = "deliveries_state"
)

// rowMissing is SQLITE_CORRUPT_INDEX: an index that can be read does not agree
// with its table.
const rowMissing = codeCorrupt | 3<<8

func disagrees(err error) bool {
	var e *sqlite3.Error
	return errors.As(err, &e) && e.Code() == rowMissing
}

// mend makes those indexes anew that cannot be read from end to end, or all of
// them. Nothing is accepted meanwhile. It says whether it made any. The caller is
// in the gate.
func (s *Store) mend(ctx context.Context, w *writer, all bool) (mended bool) {
	if all {
		return s.remakeEach(ctx, w, justNow)
	}
	for _, x := range indexes() {
		if x.unread(ctx, w) {
			mended = s.remake(ctx, w, x) || mended
		}
	}
	return mended
}

// unread reports whether damage keeps it from being read from end to end.
func (x index) unread(ctx context.Context, w *writer) bool {
	_, err := count(ctx, w.conn, fmt.Sprintf("SELECT count(*) FROM %s INDEXED BY %s WHERE %s", x.table, x.name, x.where))
	return code(err) == codeCorrupt
}

// allOfThem stands, in mended, for what remakeEach does.
const allOfThem = ""

// remakeEach makes all indexes anew where it is not known which of them is wrong,
// unless that was done within a time. Those that can be read may be whole: nothing
// is said against them.
func (s *Store) remakeEach(ctx context.Context, w *writer, within time.Duration) (made bool) {
	if at, ok := s.mended[allOfThem]; ok && time.Since(at) < within {
		return false
	}
	for _, x := range indexes() {
		if x.unread(ctx, w) {
			made = s.remake(ctx, w, x) || made
			continue
		}
		s.log.Warn("an index of the store is made anew from its table: it or another one does not say what its table does", "index", x.name)
		made = s.makeAnew(ctx, w, x) == nil || made
	}
	if made {
		s.noteMended(allOfThem)
	}
	return made
}

// mendWrong makes those indexes anew that deliveries are found with and that are
// not whole, or do not say what their tables do. It is for the start, while nobody
// waits for the gate.
func (s *Store) mendWrong(ctx context.Context, w *writer) bool {
	wrong, _, _ := s.wrongIndexes(ctx, time.Now().Add(time.Hour)) // what was found before an error is enough
	return s.remakeAll(ctx, w, wrong)
}

// remakeAll makes the indexes of these names anew, and says whether it made any.
func (s *Store) remakeAll(ctx context.Context, w *writer, names []string) (made bool) {
	for _, x := range indexes() {
		if slices.Contains(names, x.name) {
			made = s.remake(ctx, w, x) || made
		}
	}
	return made
}

// remakeEvery is how often an index may be made anew: one that is damaged again
// so soon is the disk's doing.
const remakeEvery = time.Hour

// remake makes one index anew, and says whether it did.
func (s *Store) remake(ctx context.Context, w *writer, x index) bool {
	if at, ok := s.mended[x.name]; ok && time.Since(at) < remakeEvery {
		return false
	}
	s.log.Error("an index of the store is damaged and is made anew from its table: the disk may be damaging files", "index", x.name)
	err := s.makeAnew(ctx, w, x)
	if err == nil || code(err) == codeCorrupt { // else it is not its doing: the disk may be full
		s.noteMended(x.name)
	}
	return err == nil
}

func (s *Store) makeAnew(ctx context.Context, w *writer, x index) error {
	err := s.hook("make anew")
	var said map[int64]int64
	if err == nil && x.name == waitingIndex {
		said, err = s.trulyWaiting(ctx, w.conn)
	}
	if err == nil {
		err = inTransaction(ctx, w, func() error { return s.reindex(ctx, w.conn, x, said) })
		if code(err) == codeCorrupt { // it cannot even be emptied
			err = s.replace(ctx, x, said)
		}
	}
	if err == nil && x.table == "deliveries" { // what it said of them is gone
		err = s.mendRows(ctx, w.conn)
	}
	if err != nil {
		s.log.Error("the index could not be made anew", "index", x.name, "err", err)
	}
	if breaks(err) && code(err) != codeCorrupt {
		w.doubt = err
	}
	return err
}

// reindex makes an index anew, and mends what waits of events together with it.
func (s *Store) reindex(ctx context.Context, c *conn, x index, waiting map[int64]int64) error {
	err := c.exec(ctx, "REINDEX "+x.name)
	if err == nil {
		err = s.mendWaiting(ctx, c, waiting)
	}
	return err
}

// remakeNow makes indexes anew that were found not to say what their tables do, or
// all where none was found, counts what waits again, and says whether it did.
func (s *Store) remakeNow(ctx context.Context, wrong []string) bool {
	if s.gate.enter(ctx) != nil {
		return false
	}
	defer s.gate.leave()
	ctx = context.WithoutCancel(ctx) // see conn
	w, err := s.writer(ctx)
	if err != nil {
		return false
	}
	made := s.remakeAll(ctx, w, wrong)
	if len(wrong) == 0 {
		made = s.remakeEach(ctx, w, remakeEvery)
	}
	return made && s.recount(ctx, w)
}

// recount counts what waits again after an index was made anew. The caller is in
// the gate.
func (s *Store) recount(ctx context.Context, w *writer) bool {
	err := s.hook("count again")
	if err == nil {
		err = s.findStrays(ctx, w)
	}
	var more map[outbox.Address]int
	if err == nil {
		more, err = s.counts.load(ctx, w, s.names)
	}
	if err != nil {
		s.failed(nil, err)
		return false
	}
	s.counts.say(more)
	return true
}

const (
	// mendEvery is how often who reads may have the indexes looked through.
	mendEvery = time.Minute
	// justNow is how long ago an index was made anew that is worth reading again.
	justNow = time.Second
)

// mendNow is mend for who reads. Where it is not an index that is damaged, it must
// not look through all of them each time.
func (s *Store) mendNow(ctx context.Context) bool {
	mended, look := s.mendUnread(ctx)
	if !look {
		return mended
	}
	// One that can be read may still not say what its table does. Meanwhile others write.
	var wrong []string // what was found before an error is enough
	err := s.hook("look through")
	if err == nil {
		wrong, _, err = s.wrongIndexes(context.WithoutCancel(ctx), time.Now().Add(time.Hour))
	}
	s.audits.Done()
	if errors.Is(err, errStopping) {
		return false
	}
	return len(wrong) > 0 && s.remakeNow(ctx, wrong) || s.remakeNow(ctx, nil)
}

// mendUnread makes those indexes anew that cannot be read, and says whether that
// is what the caller met, or else whether it is time to look through them: then
// the caller is one of audits.
func (s *Store) mendUnread(ctx context.Context) (mended, look bool) {
	if err := s.gate.enter(ctx); err != nil {
		return false, false
	}
	defer s.gate.leave()
	for _, at := range s.mended {
		if time.Since(at) < justNow { // by somebody else, while the caller read it
			return true, false
		}
	}
	if s.closed || !s.looked.IsZero() && time.Since(s.looked) < mendEvery {
		return false, false
	}
	s.looked = time.Now()
	ctx = context.WithoutCancel(ctx) // see conn
	w, err := s.writer(ctx)
	if err != nil {
		return false, false
	}
	if s.mend(ctx, w, false) {
		return s.recount(ctx, w), false
	}
	s.audits.Add(1)
	return false, true
}

// replace makes an index anew whose pages cannot be read: its root becomes an
// empty one. The pages below are lost to the file until it is salvaged or a
// backup is put in its place. Defensive mode forbids that, so it has a
// connection of its own.
func (s *Store) replace(ctx context.Context, x index, waiting map[int64]int64) (err error) {
	c, err := open(uri(s.cfg.Path, "_dqs=0&_error_rc=1"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.exec(ctx, "PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; BEGIN IMMEDIATE"); err != nil {
		return err
	}
	root, err := count(ctx, c, "SELECT rootpage FROM sqlite_schema WHERE name = ?", x.name)
	if err == nil {
		err = c.runOnce(ctx, "UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", emptyIndex(), root)
	}
	if err == nil {
		err = s.reindex(ctx, c, x, waiting)
	}
	if err == nil {
		err = c.exec(ctx, "COMMIT")
	}
	return err // an open transaction ends with its connection
}

// emptyIndex is a page of an index with nothing in it:
// https://www.sqlite.org/fileformat2.html#b_tree_pages
func emptyIndex() []byte {
	b := make([]byte, defaultPage)
	b[0] = 0x0a                                    // a leaf of an index
	binary.BigEndian.PutUint16(b[5:], defaultPage) // where its content begins
	return b
}
