package sqlite

import (
	"context"
	"database/sql"
	"slices"

	"invitation-relay/relay/outbox"
)

// ofSource is which refused ones are of one source, or of none: a flipped bit has
// made its number nobody's.
type ofSource struct {
	where  string
	number int64
	before int64 // what is older goes
	keep   int   // and all but so many
}

// refusals are all that refused ones may be of.
func (p *purge) refusals(r outbox.Retention) (list []ofSource) {
	if r.RefusedAfter == nil {
		return nil
	}
	known := p.s.names.all(kindSource)
	for i, name := range append([]string{""}, known...) {
		of := ofSource{where: "source = ?", number: int64(i)}
		if i == 0 {
			of = ofSource{where: "(source < 1 OR source > ? OR typeof(source) <> 'integer')", number: int64(len(known))}
		}
		before, keep := r.RefusedAfter(name)
		of.before, of.keep = nanos(before)-p.lag, max(0, keep)
		list = append(list, of)
	}
	return list
}

// refused erases what is too old, and all but the newest. Who reads chooses, by the
// index where that is whole.
func (p *purge) refused(ctx context.Context, of ofSource) error {
	ahead, err := p.refusedWhere(ctx, of.where+" AND received_at > ?", of.number, p.future)
	if err != nil {
		return err
	}
	err = p.eachRefused(ctx, ahead, func(ctx context.Context, t *tx, seq int64) (int64, error) {
		return 0, t.w.runOnce(ctx, "UPDATE refused SET received_at = ? WHERE seq = ?", p.now, seq)
	})
	if err != nil {
		return err
	}
	old, err := p.refusedWhere(ctx, of.where+" AND received_at < ?", of.number, of.before)
	if err != nil {
		return err
	}
	all, err := p.refusedWhere(ctx, of.where, of.number)
	if err != nil {
		return err
	}
	gone := append(old, all[min(of.keep, len(all)):]...)
	slices.Sort(gone)
	return p.eachRefused(ctx, slices.Compact(gone), func(ctx context.Context, t *tx, seq int64) (int64, error) {
		t.w.deleteRefused.args[0].Value = seq
		return t.w.deleteRefused.changed(ctx)
	})
}

func (p *purge) refusedWhere(ctx context.Context, where string, args ...any) (seqs []int64, err error) {
	err = p.s.read(ctx, "purge", func(ctx context.Context, tx *sql.Tx) (err error) {
		seqs, err = refusedSeqs(ctx, tx, where, args...)
		return err
	})
	return seqs, err
}

// eachRefused changes refused ones, in transactions of some, and those that damage
// keeps from that not.
func (p *purge) eachRefused(ctx context.Context, seqs []int64, f func(context.Context, *tx, int64) (erased int64, err error)) error {
	for some := range slices.Chunk(seqs, purgeStep) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		_, err := p.transact(ctx, func(ctx context.Context, t *tx) (erased int, _ bool, err error) {
			for _, seq := range some {
				err := p.try(seq, func() error {
					n, err := f(ctx, t, seq)
					erased += int(n)
					return err
				})
				if err != nil {
					return 0, false, err
				}
			}
			return erased, false, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
