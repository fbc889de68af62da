package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Salvaged is what Salvage could save.
type Salvaged struct {
	Events, Refused int
	Damaged         []event.ID // read, but not as they were written: left out
	Unreadable      int        // known of, but where they stand nothing can be read
	Rows            int        // of deliveries, attempts, holds, alarms, threads, rulesets and keys that are damaged: left out
	LostNames       []string   // kind and what they are called now, see Salvage
}

// salvageRows is how many events one transaction of Salvage writes.
const salvageRows = 500

// Salvage makes a new store, which must not be there yet, of what can be read of
// a damaged one. No process may have that open. It asks for each event by
// itself, having listed them in every way the file offers, so that one damaged
// page costs what stands on it. Only what its checksum says is whole is taken;
// a delivery of which nothing is known any more is pending again. Keys are not
// needed: what is encrypted stays so. saved is called after each event.
//
// An event has its addresses, source and rules by number. A name that is one
// flipped bit away from what was written is made whole; of another one nobody
// knows what it was, and its number is called "damaged:N" in the new store. No
// target has that name: these deliveries are kept, wait, and go nowhere, rather
// than to a target they were not meant for.
func Salvage(ctx context.Context, damaged, fresh string, saved func(events int)) (r Salvaged, err error) {
	damaged = behindLinks(damaged)
	if err := isThere(damaged); err != nil && !errors.Is(err, outbox.ErrCorrupt) {
		return r, err
	}
	held, err := lock(damaged + ".lock")
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := makeFolder(filepath.Dir(fresh), syncFolder); err != nil {
		return r, err
	}
	for _, suffix := range freshFiles() {
		if err := free(fresh + suffix); err != nil {
			return r, fmt.Errorf("make %s: %w", fresh, err)
		}
	}
	u, err := makeBeside(fresh)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, u.remove()) }()
	unwatched := context.WithoutCancel(ctx) // see conn
	v := &salvage{Salvaged: &r, saved: saved, names: newNames(), mark: damaged + ".mark"}
	if err := v.open(unwatched, damaged, u.folder); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, v.from.close()) }()
	if err := v.create(unwatched, u.file()); err != nil {
		return r, fmt.Errorf("make %s: %w", fresh, err)
	}
	if err = errors.Join(v.all(ctx, unwatched), v.to.close()); err == nil {
		err = u.finish(fresh)
	}
	return r, err
}

// salvage is one Salvage under way.
type salvage struct {
	*Salvaged
	from  *conn
	to    *writer
	names *names
	saved func(int)

	mark       string // the path of that of the store that is read
	older      bool   // what is read has no checksums of names
	unlistedTo int64

	journal []byte
	commits int64
	counts  map[int64]counter
}

// freshFiles are what a new store may have, by how their names end. Where SQLite
// would take it for a part of the new store, nothing may stand already.
func freshFiles() []string { return []string{"", "-wal", "-shm", "-journal"} }

// create makes the new store's file.
func (v *salvage) create(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in a folder of ours
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	c, err := dial(path, "")
	if err != nil {
		return fault("open the file", err)
	}
	if err = apply(ctx, c); err == nil {
		_, err = migrate(ctx, c)
	}
	if err == nil {
		v.to, err = prepareWriter(c)
	}
	if err != nil {
		_ = c.close() // err says more
	}
	v.counts = map[int64]counter{}
	return err
}

// all copies everything, what the rest hangs on first.
func (v *salvage) all(ctx, unwatched context.Context) error {
	if err := v.copyWhole(unwatched); err != nil {
		return err
	}
	seqs, err := v.seqs(unwatched)
	if err == nil {
		err = v.unlisted(unwatched, seqs)
	}
	if err != nil {
		return err
	}
	for some := range slices.Chunk(seqs, salvageRows) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := v.transact(unwatched, func() error { return v.events(unwatched, some) }); err != nil {
			return err
		}
	}
	return v.transact(unwatched, func() error {
		for _, id := range slices.Sorted(maps.Keys(v.counts)) {
			a, c := v.to.putCounter.args, v.counts[id]
			a[0].Value, a[1].Value, a[2].Value = id, int64(c.delivered), int64(c.dead)
			if err := v.to.putCounter.run(unwatched); err != nil {
				return err
			}
		}
		return v.refused(unwatched)
	})
}

func (v *salvage) transact(ctx context.Context, f func() error) error {
	err := v.to.begin.run(ctx)
	if err == nil {
		err = f()
	}
	if err == nil {
		err = v.to.commit.run(ctx)
	}
	return fault("write the new store", err)
}

// events saves those of these seqs that are whole.
func (v *salvage) events(ctx context.Context, seqs []int64) error {
	v.journal = v.journal[:0]
	for _, seq := range seqs {
		r, err := v.read(ctx, seq)
		switch {
		case errors.Is(err, event.ErrNotFound): // purged, and still in the journal
			continue
		case errors.Is(err, outbox.ErrCorrupt):
			v.Damaged = append(v.Damaged, idOf(seq, r.rnd))
			continue
		case err != nil:
			v.Unreadable++
			continue
		}
		if err := v.save(ctx, r); err != nil {
			return err
		}
		v.Events++
		v.saved(v.Events)
	}
	if len(v.journal) == 0 {
		return nil
	}
	v.commits++
	a := v.to.insertJournal.args
	a[0].Value, a[1].Value = v.commits, v.journal
	return v.to.insertJournal.run(ctx)
}

// save writes an event with its deliveries, as far as they could be read.
func (v *salvage) save(ctx context.Context, r *row) error {
	rows := v.deliveries(ctx, r)
	v.settle(r, rows)
	a := v.to.insertEvent.args
	for i, value := range []any{
		r.seq, r.waiting, r.retrying, r.finished, there(r.ends), r.rnd, r.received, r.source, r.kind, r.targets, r.person,
		r.crc, there(r.dedupe), there(r.verdicts), r.subject, r.ticket, r.status, r.body, r.keyID,
	} {
		a[i].Value = value
	}
	if err := v.to.insertEvent.run(ctx); err != nil {
		return err
	}
	t := &tx{w: v.to}
	for id, d := range rows {
		if err := t.putDelivery(ctx, r.seq, id, &d); err != nil {
			return err
		}
	}
	if err := v.attempts(ctx, r.seq); err != nil {
		return err
	}
	k := keys{seq: r.seq, ticket: textKey(r.ticket), subject: textKey(r.subject), person: personKey(r.person)}
	if dedupe := [32]byte(append(slices.Clone(r.dedupe), make([]byte, 32)...)); dedupe != [32]byte{} {
		k.dedupe = dedupeKey(r.source, &dedupe)
	}
	v.journal = k.append(v.journal)
	return nil
}

// settle makes what an event says of its deliveries agree with the rows that
// could be read, and counts. One without a row that is not known to have ended
// is to be tried: twice is better than never.
func (v *salvage) settle(r *row, rows map[int64]delivery) {
	r.waiting, r.retrying = noneWaiting, 0
	last := r.received
	for id, d := range rows {
		c := v.counts[id]
		c.delivered += one(d.state, event.Done)
		c.dead += one(d.state, event.Dead)
		v.counts[id] = c
		r.retrying += int64(one(d.state, event.Pending))
		last = max(last, d.finished)
	}
	pendingBits(r.targets, func(id int64) {
		if _, ok := rows[id]; ok {
			return
		}
		if a, ok := r.first(id); ok {
			c := v.counts[id]
			c.delivered++
			v.counts[id] = c
			last = max(last, nanos(a.At))
			return
		}
		r.waiting |= 1 << (id - 1)
	})
	switch {
	case r.open() > 0:
		r.finished = notFinished
	case r.finished == notFinished:
		r.finished = last
	}
}
