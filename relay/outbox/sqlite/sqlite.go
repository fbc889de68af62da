// Package sqlite keeps an outbox in one SQLite file.
package sqlite

import (
	"context"
	"log/slog"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Config says where the store is. Path is required.
type Config struct {
	Path   string           // the database file; its folder is made when missing
	Dedupe time.Duration    // the longest deduplication window of any source; 0: 7 days
	Log    *slog.Logger     // nil: no log
	Now    func() time.Time // nil: time.Now
}

// Store is an outbox.Store in one SQLite file.
type Store struct {
	outbox.Store // the methods, until they are here
}

// Open opens the store, making it when it is not there.
func Open(_ context.Context, _ Config) (*Store, error) { return nil, event.ErrUnavailable }

// Damaged is "" or a sentence about commits that were lost since the last run.
func (s *Store) Damaged() string { return "" }
