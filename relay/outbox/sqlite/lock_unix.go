//go:build unix

package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"invitation-relay/relay/outbox"
)

// lock keeps a second process out: SQLite would let it in, and deduplication
// is answered from the memory of one. The file stays when it is released,
// since removing it would let two in.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path comes from the config
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%w: %s is locked; stop the other one first", outbox.ErrLocked, path)
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
