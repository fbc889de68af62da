package relay

import (
	"context"
	"time"
)

// threads is a target.Threads in the store.
type threads struct {
	store interface {
		Thread(ctx context.Context, target, key string) (ref string, err error)
		SaveThread(ctx context.Context, target, key, ref string, now time.Time) error
	}
	target string
	now    func() time.Time
}

func (t threads) Thread(ctx context.Context, key string) (ref string, err error) {
	return t.store.Thread(ctx, t.target, key)
}

func (t threads) SaveThread(ctx context.Context, key, ref string) error {
	return t.store.SaveThread(ctx, t.target, key, ref, t.now())
}
