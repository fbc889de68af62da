package relay

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/config"
	"invitation-relay/relay/outbox"
)

func TestWhatIsKeptForLessThanAnHourIsKeptNoMoreThanTwiceAsLong(t *testing.T) {
	for name, c := range map[string]struct {
		bodies, refused, want time.Duration
	}{
		"the defaults":                 {30 * 24 * time.Hour, 7 * 24 * time.Hour, time.Hour},
		"bodies for ten minutes":       {10 * time.Minute, 7 * 24 * time.Hour, 10 * time.Minute},
		"refused for ten minutes":      {30 * 24 * time.Hour, 10 * time.Minute, 10 * time.Minute},
		"bodies as briefly as can be":  {time.Minute, 7 * 24 * time.Hour, time.Minute},
		"refused for a moment":         {30 * 24 * time.Hour, time.Second, time.Minute},
		"nothing of the refused":       {30 * 24 * time.Hour, 0, time.Hour},
		"both, the refused for longer": {5 * time.Minute, 20 * time.Minute, 5 * time.Minute},
	} {
		p := &plan{cfg: &config.Config{Store: config.Store{Retention: c.bodies}}, sources: map[string]source{"a": {keep: c.refused}, "b": {keep: 24 * time.Hour}}}
		if got := p.purgeEvery(); got != c.want {
			t.Errorf("%s: every %s, want %s", name, got, c.want)
		}
	}
}

// purges is a store that counts how often it is to erase what is too old.
type purges struct {
	outbox.Store
	n atomic.Int64
}

func (p *purges) Purge(context.Context, outbox.Retention) (int, error) { p.n.Add(1); return 0, nil }

func TestWhatAReloadKeepsForLessTimeIsErasedWithinAMinuteAndNotLookedForTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &purges{}
		r := &Relay{opts: Options{Now: time.Now}, log: slog.New(slog.DiscardHandler), store: store}
		keeps := func(bodies time.Duration) {
			r.plan.Store(&plan{cfg: &config.Config{Store: config.Store{Retention: bodies}}})
		}
		keeps(24 * time.Hour)
		upkeep := start("upkeep", r.upkeep)
		for _, c := range []struct {
			passes time.Duration
			keeps  time.Duration // then
			want   int64         // times by then
		}{
			{59 * time.Second, 0, 0},
			{2 * time.Second, 0, 1}, // soon after the start
			{59 * time.Minute, 0, 1},
			{time.Minute, 10 * time.Minute, 2},
			{9 * time.Minute, 0, 2},
			{2 * time.Minute, time.Hour, 3},
			{50 * time.Minute, 90 * time.Second, 3},
			{time.Minute, 0, 4},
			{92 * time.Second, 0, 5},
			{90 * time.Second, 0, 6},
		} {
			time.Sleep(c.passes)
			synctest.Wait()
			if n := store.n.Load(); n != c.want {
				t.Errorf("%d times after another %s, want %d", n, c.passes, c.want)
			}
			if c.keeps > 0 {
				keeps(c.keeps)
			}
		}
		if err := upkeep.end(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
