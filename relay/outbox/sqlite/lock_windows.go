package sqlite

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"invitation-relay/relay/outbox"
)

// lock keeps a second process out: SQLite would let it in, and deduplication
// is answered from the memory of one. No one else may open the file while we
// have it.
func lock(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	const sharingViolation syscall.Errno = 32
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, 0, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, sharingViolation) {
		return nil, fmt.Errorf("%w: %s is locked; stop the other one first", outbox.ErrLocked, path)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return os.NewFile(uintptr(h), path), nil
}
