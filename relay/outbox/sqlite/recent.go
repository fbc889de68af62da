package sqlite

import (
	"context"
	"math"
	"slices"
	"sort"
	"time"
)

// leap is what a clock may be wrong by, or go on by at once, without being
// distrusted: retention and the like are late or early by that.
const leap = 24 * time.Hour

// set is what two times by the clock must be apart from what has passed in
// between for it to have been set: more than it takes from the one to the other.
const set = time.Minute

// recent answers deduplication from memory: the seq of the latest event with a
// key, for the window. About 40 MB for a million. Only the writer uses it.
//
// How long ago a commit was is told by time that only goes on, not by the clock
// nor by ids, which go by the clock: were it set ahead for a moment, all would be
// forgotten, and were it set back, nothing would be until it is there again.
type recent struct {
	seqs   map[uint64]int64
	window time.Duration
	n      int64 // the oldest commit of the journal that is still in seqs
	begun  time.Time
	past   []milestone // in order; some thousands in a window
}

// milestone says when a commit was made: it, and those before it, at or before
// that time, counted from begun.
type milestone struct {
	n, seq    int64
	since, at time.Duration // of the first commit it stands for, and of n
}

// beforeStart is the since of a milestone that was read from the journal: how
// long nobody was there between its commits and the start is not known.
const beforeStart = time.Duration(math.MinInt64 / 2)

// milestones is how many of them divide a window.
const milestones = 4096

// add notes a stored event.
func (r *recent) add(k keys) {
	if k.dedupe != 0 {
		r.seqs[k.dedupe] = k.seq
	}
}

// note tells of a commit that was made just now.
func (r *recent) note(n, seq int64, now time.Time) {
	at := now.Sub(r.begun)
	if i := len(r.past) - 1; i >= 0 {
		last := &r.past[i]
		seq = max(seq, last.seq)
		if at-last.since < r.window/milestones && last.since != beforeStart {
			last.n, last.seq, last.at = n, seq, at
			return
		}
	}
	r.past = append(r.past, milestone{n: n, seq: seq, since: at, at: at})
}

// age is how long ago an event was committed, at least and at most.
func (r *recent) age(seq int64) (least, most time.Duration) {
	i, _ := slices.BinarySearchFunc(r.past, seq, func(m milestone, seq int64) int {
		if m.seq < seq {
			return -1
		}
		return 1
	})
	if i == len(r.past) {
		return 0, 0
	}
	now := time.Since(r.begun)
	return now - r.past[i].at, now - r.past[i].since
}

// repeats reports whether an event that has the key of one in the store came
// within the window after it. Their times say so, unless the clock was set in
// between: then those do not fit how long ago the first was committed. In doubt
// it does not: what is delivered twice is better than what is not.
func (r *recent) repeats(seq, first, received, since int64) bool {
	least, most := r.age(seq)
	window := time.Duration(received - since)
	switch {
	case first < since && most < window:
		return time.Duration(received-first)-most > set
	case first < since: // an id is never earlier than those before it
		return most > -beforeStart/2 && receivedAt(seq, first, received) >= since && least < window
	case first > received+int64(leap):
		return least < window
	default:
		return true
	}
}

// forget drops what the window has left behind: of each commit that adds one
// row at most two, so that it never takes long and always keeps up.
func (r *recent) forget(ctx context.Context, w *writer) error {
	for rows := 0; len(r.past) > 0 && time.Since(r.begun)-r.past[0].at > r.window; {
		if r.n > r.past[0].n {
			r.past = r.past[1:]
			continue
		}
		if rows == 2 {
			return nil
		}
		rows++
		w.journalFrom.args[0].Value = r.n
		found, err := w.journalFrom.row(ctx)
		switch {
		case err != nil:
			return err
		case !found || w.journalFrom.int(0) > r.past[0].n:
			r.n = r.past[0].n + 1
			continue
		}
		for b := w.journalFrom.blob(1); len(b) >= keysSize; b = b[keysSize:] {
			if k := keysAt(b); r.seqs[k.dedupe] == k.seq {
				delete(r.seqs, k.dedupe)
			}
		}
		r.n = w.journalFrom.int(0) + 1
	}
	return nil
}

// load reads the window from the journal: what was committed in it before the
// newest commit, however long ago that was. It returns when that was received.
func (r *recent) load(ctx context.Context, w *writer, now time.Time) (newest int64, err error) {
	r.seqs, r.past, r.begun = map[uint64]int64{}, nil, time.Now()
	list, err := w.survey(ctx)
	if err != nil {
		return 0, err
	}
	newest = date(list, nanos(now))
	horizon := newest - int64(r.window)
	// Those before the first of the list that reaches into the window have left it.
	i := sort.Search(len(list), func(i int) bool { return list[i].at >= horizon })
	r.n = 1
	if i > 0 {
		if r.n, err = w.firstSince(ctx, list[i-1].n+1, horizon, list[min(i, len(list)-1)]); err != nil {
			return 0, err
		}
	}
	for _, c := range list[i:] {
		r.past = append(r.past, milestone{n: c.n, seq: c.seq, since: beforeStart, at: time.Duration(c.at - newest)})
	}
	w.journalAll.args[0].Value = r.n
	return newest, w.journalAll.each(ctx, func() error {
		for b := w.journalAll.blob(0); len(b) >= keysSize; b = b[keysSize:] {
			r.add(keysAt(b))
		}
		return nil
	})
}

// commit is one of the journal: its last event, and when that was received.
type commit struct{ n, seq, at int64 }

// surveyed is how many commits a survey looks at.
const surveyed = 128

// survey looks at commits all over the journal, the last one included.
func (w *writer) survey(ctx context.Context) (list []commit, err error) {
	low, err := count(ctx, w.conn, "SELECT coalesce(min(n), 1) FROM journal")
	if err != nil {
		return nil, err
	}
	high, err := count(ctx, w.conn, "SELECT coalesce(max(n), 0) FROM journal")
	for i := int64(0); i <= surveyed && err == nil && low <= high; i++ {
		n := low + (high-low)*i/surveyed
		if len(list) > 0 && list[len(list)-1].n >= n {
			continue
		}
		var c commit
		if c, err = w.commitFrom(ctx, n); err == nil && c.n > 0 {
			list = append(list, c)
		}
	}
	return list, err
}

// commitFrom is the first commit from n on; the zero commit: there is none. One
// whose last event has been erased, or stands where nothing can be read, is of
// the year 1970.
func (w *writer) commitFrom(ctx context.Context, n int64) (c commit, err error) {
	w.journalFrom.args[0].Value = n
	found, err := w.journalFrom.row(ctx)
	if err != nil || !found {
		return c, err
	}
	c.n, c.seq = w.journalFrom.int(0), last(w.journalFrom.blob(1))
	w.readReceived.args[0].Value = c.seq
	if found, err = w.readReceived.row(ctx); found {
		c.at = w.readReceived.int(0)
	}
	if code(err) == codeCorrupt {
		err = nil
	}
	return c, err
}

// date puts the times of commits, which were received in this order, into order,
// and returns that of the newest. None of them is later than those after it: one
// that a clock ahead has given is when the next one is. It knows such a clock by
// now, unless all are later than that: then it is now that is wrong.
func date(list []commit, now int64) (newest int64) {
	latest := int64(0)
	for _, c := range list {
		latest = max(latest, c.at)
		if c.at <= now {
			newest = max(newest, c.at)
		}
	}
	if newest == 0 {
		newest = latest
	}
	soFar := int64(0)
	for i := range list {
		if c := &list[i]; c.at > newest+int64(leap) {
			c.at = -1
		} else {
			soFar = min(max(soFar, c.at), newest)
			c.at = soFar
		}
	}
	next := newest
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].at < 0 {
			list[i].at = next
		}
		next = list[i].at
	}
	return newest
}

// firstSince is the first commit from low on, and at most to, that was made at
// or after the horizon.
func (w *writer) firstSince(ctx context.Context, low, horizon int64, to commit) (int64, error) {
	high := to.n
	for low < high {
		mid := low + (high-low)/2
		c, err := w.commitFrom(ctx, mid)
		switch {
		case err != nil:
			return 0, err
		case c.n == 0 || c.n >= high || c.at >= horizon:
			high = mid
		default:
			low = c.n + 1
		}
	}
	return low, nil
}
