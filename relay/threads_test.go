package relay

import (
	"context"
	"testing"
	"time"

	"invitation-relay/relay/target"
)

// noted remembers what a target saved, and when.
type noted struct {
	ref map[[2]string]string
	at  time.Time
}

func (n *noted) Thread(_ context.Context, target, key string) (string, error) {
	return n.ref[[2]string{target, key}], nil
}

func (n *noted) SaveThread(_ context.Context, target, key, ref string, now time.Time) error {
	n.ref[[2]string{target, key}], n.at = ref, now
	return nil
}

func TestThreadsOfOneTargetAreNotThoseOfAnother(t *testing.T) {
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	store := &noted{ref: map[[2]string]string{}}
	of := func(name string) target.Threads { return threads{store, name, func() time.Time { return at }} }
	if err := of("risk").SaveThread(t.Context(), "key", "1700000000.000100"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"risk": "1700000000.000100", "ops": ""} {
		if ref, err := of(name).Thread(t.Context(), "key"); ref != want || err != nil {
			t.Errorf("%s has %q (%v), want %q", name, ref, err, want)
		}
	}
	if !store.at.Equal(at) {
		t.Errorf("saved as of %v, want the relay's clock: %v", store.at, at)
	}
}
