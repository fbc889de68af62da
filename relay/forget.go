package relay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

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
			switch {
			case errors.Is(err, event.ErrNotFound): // purged since
				continue
			case err != nil:
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
		tells, err := hasPerson(jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)), person)
		return tells || err != nil && bytes.Contains(body, []byte(person))
	}
}

// hasPerson reads token by token, so that a member that comes twice, for which a
// body was refused, does not hide the first. The error says that it is not JSON.
func hasPerson(d *jsontext.Decoder, person string) (bool, error) {
	named := false // the value to come is the person's id
	for {
		t, err := d.ReadToken()
		if err != nil && d.StackDepth() == 0 && errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kind, n := d.StackIndex(d.StackDepth())
		scalar := t.Kind() == jsontext.KindString || t.Kind() == jsontext.KindNumber
		if named && scalar && t.String() == person {
			return true, nil
		}
		named = kind == jsontext.KindBeginObject && n%2 == 1 && t.String() == personField
	}
}
