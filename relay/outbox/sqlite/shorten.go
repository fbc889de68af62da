package sqlite

import (
	"context"
	"time"
)

const (
	// longLog is how long the write-ahead log gets when those who read leave it no
	// moment: twice what it keeps.
	longLog = 128 << 20
	// shortenIn is how long who writes waits then for those who read, and as much
	// longer as the log is longer.
	shortenIn = 250 * time.Millisecond
)

// shortenLog has SQLite begin the write-ahead log anew when it has become long.
// SQLite does so by itself in a moment in which nobody reads: where lanes that
// catch up always do, there is none, and the log would grow until the disk is
// full. While it waits, whoever comes to read needs the log no more. It is not
// waited often for who reads for long, such as a backup.
func (s *Store) shortenLog(ctx context.Context) {
	size, err := sizeOf(s.cfg.Path + "-wal")
	if err == nil && size < s.cfg.long {
		s.longer = 0 // it has begun anew by itself
	}
	if err != nil || size < max(s.cfg.long, s.longer) {
		return
	}
	busy, err := s.w.emptyLog(ctx, min(busyTimeout, shortenIn*time.Duration(size/s.cfg.long)))
	if err != nil {
		s.failed(nil, err) // what was committed is
		return
	}
	if s.longer = 0; busy {
		s.longer = size + s.cfg.long/2
	}
}
