package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"invitation-relay/relay/admin"
	"invitation-relay/relay/config"
	"invitation-relay/relay/event"
	"invitation-relay/relay/intake"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

// personField is where a body tells who a person is, at any depth.
const personField = "cifcod"

// forgotten is what the history of a delivery says of its end.
const forgotten = "the person was forgotten"

// busyFor is between two looks at an attempt that is under way.
const busyFor = 50 * time.Millisecond

// Forget erases one person, by her customer id, from the store of a config whose
// relay is stopped.
func Forget(ctx context.Context, cfg *config.Config, person string) (done outbox.Forgotten, err error) {
	keys, err := cfg.Store.RawKeys()
	if err != nil {
		return done, fmt.Errorf("store.encryption_keys: %w", err)
	}
	s, err := sqlite.OpenThere(ctx, sqlite.Config{Path: cfg.StorePath(), Keys: keys, Dedupe: longestWindow(cfg)})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Forget(ctx, outbox.Forget{Person: person, Holds: tellsOf(person), Unseal: unsealedBy(cfg), Now: time.Now()})
}

// forget erases one person while the relay runs. Her deliveries are given up
// first, so that nothing of her is in memory; one whose attempt is under way is
// waited for.
func (r *Relay) forget(ctx context.Context, person string) (outbox.Forgotten, error) {
	return r.store.Forget(ctx, outbox.Forget{
		Person: person, Holds: tellsOf(person), Unseal: unsealedBy(r.plan.Load().cfg), Now: r.opts.Now(),
		Discard: r.discardForgotten,
	})
}

// discardForgotten gives deliveries up through dispatch, which has some of them
// in memory.
func (r *Relay) discardForgotten(ctx context.Context, list []outbox.StoredDelivery) error {
	for {
		var busy []outbox.StoredDelivery
		errs := r.override(ctx, list, event.Discarded, forgotten, func(*outbox.StoredDelivery) error { return nil })
		for i, err := range errs {
			switch {
			case errors.Is(err, admin.ErrBusy):
				busy = append(busy, list[i])
			case err != nil:
				return err
			}
		}
		if len(busy) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: an attempt is under way, and has not ended in time", event.ErrUnavailable)
		case <-time.After(busyFor):
		}
		list = list[:0]
		for _, d := range busy { // as it is now, should the attempt have ended
			now, err := r.store.Delivery(ctx, d.Key)
			if err != nil {
				return err
			}
			if now.State == event.Pending || now.State == event.Dead {
				list = append(list, *now)
			}
		}
	}
}

// unsealedBy is what the keys of a config make of a refused request: of one that
// came while a key was wrong, say, and the key has been mended since.
func unsealedBy(cfg *config.Config) func(*event.Refused) [][]byte {
	return func(refused *event.Refused) [][]byte {
		s := cfg.Sources[refused.Source]
		if s == nil {
			return nil
		}
		keys, err := s.Encryption.RawKeys()
		if err != nil {
			return nil // a config in force has none such
		}
		texts, _ := intake.Unseal(keys, refused.IV, refused.Body) // likewise
		return texts
	}
}

// tellsOf reports whether a body tells of a person: whether it has a member of
// that name, at any depth, with her id. What is not JSON does when it has the id
// anywhere.
func tellsOf(person string) func(body []byte) bool {
	return func(body []byte) bool {
		if !bytes.Contains(body, []byte(person)) && !bytes.ContainsRune(body, '\\') {
			return false // the usual case
		}
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return bytes.Contains(body, []byte(person))
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return bytes.Contains(body, []byte(person))
		}
		return hasPerson(v, person)
	}
}

func hasPerson(v any, person string) bool {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if k == personField && (x == any(person) || x == any(json.Number(person))) || hasPerson(x, person) {
				return true
			}
		}
	case []any:
		for _, x := range v {
			if hasPerson(x, person) {
				return true
			}
		}
	}
	return false
}
