package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/storetest"
)

func TestStoreKeepsThePromisesOfTheOutbox(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		path := filepath.Join(t.TempDir(), "relay.db")
		return func(t *testing.T) outbox.Store {
			s, err := Open(t.Context(), Config{Path: path, every: 1000 * time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}
