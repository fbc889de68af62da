package sqlite

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"

	"invitation-relay/relay/outbox"
)

// load fills the memory from the file.
func (s *Store) load(ctx context.Context) error {
	w := s.w
	last, err := count(ctx, w.conn, `SELECT max(coalesce((SELECT max(seq) FROM events), 0),
		coalesce((SELECT max(seq) FROM refused), 0), (SELECT v FROM meta WHERE k = 'last_seq'))`)
	if err != nil {
		return fault("read", err)
	}
	s.lastSeq.Store(max(last, s.lastSeq.Load()))
	if s.commits, err = count(ctx, w.conn, "SELECT coalesce(max(n), 0) FROM journal"); err != nil {
		return fault("read", err)
	}
	if err := s.loadNames(ctx); err != nil {
		return err
	}
	if err := s.loadUnlisted(ctx); err != nil {
		return err
	}
	if err := s.findStrays(ctx, w); err != nil {
		return fault("read", err)
	}
	err = s.hook("load")
	if err == nil {
		err = s.countAgain(ctx)
	}
	if err != nil {
		return fault("count", err)
	}
	s.latest, err = s.recent.load(ctx, w, s.cfg.Now())
	return fault("read the journal", err)
}

// compareMark tells whether commits were lost since the store was last open.
func (s *Store) compareMark(ctx context.Context) error {
	id, err := s.w.value(ctx, "SELECT v FROM meta WHERE k = 'store'")
	if err != nil {
		return fault("read", err)
	}
	store, _ := id.([]byte)
	if s.owed.store != nil {
		store = s.owed.store
	}
	var marked int64
	if s.mark, marked, err = openMark(s.cfg.Path+".mark", store); err != nil {
		return err
	}
	s.mark.commits = s.commits
	if s.mark.fresh {
		if err := namesDurable(filepath.Dir(s.cfg.Path), s.syncFolder); err != nil {
			return err
		}
	}
	if n := s.mark.ofAnother; s.made && n > 0 {
		s.damaged = fmt.Sprintf("the store is new, and the mark beside it is of another one, with %d commits", n)
		s.log.Error("the store was empty or not there, and the mark beside it is of another one: if nobody has moved that away, a backup has what it had",
			"file", s.cfg.Path, "commits", n)
	}
	if lost := marked - s.commits; lost > 0 {
		s.damaged = fmt.Sprintf("the last %d commits are missing: the store was damaged, or an older copy was put in its place", lost)
		s.log.Error("commits are missing since the last run: the store was damaged, or an older copy was put in its place", "commits", lost)
	}
	return nil
}

// countAgain counts what waits when the file is opened. After a commit that failed
// and stands all the same it may find fewer than before, or more: of these whoever
// records them does so again, and learns of it then.
func (s *Store) countAgain(ctx context.Context) error {
	stands := map[outbox.Address]int{}
	for _, p := range s.revived {
		n, err := count(ctx, s.w.conn, "SELECT count(*) FROM deliveries WHERE seq = ? AND address = ? AND state = 0", p.seq, p.address)
		if err != nil {
			return err
		}
		stands[outbox.Address(s.names.of(kindAddress, p.address))] += int(n)
	}
	more, err := s.counts.load(ctx, s.w, s.names)
	if err != nil {
		return err
	}
	s.revived = nil
	for a, n := range stands {
		more[a] -= n
	}
	maps.DeleteFunc(more, func(_ outbox.Address, n int) bool { return n <= 0 })
	if len(more) > 0 {
		s.counts.say(more)
	}
	return nil
}
