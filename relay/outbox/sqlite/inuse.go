package sqlite

import (
	"errors"
	"io/fs"
	"os"

	"invitation-relay/relay/outbox"
)

// InUse reports whether a process has the store at path open. It makes no file;
// a relay that starts in the moment of asking is kept out.
func InUse(path string) (bool, error) {
	path = behindLinks(path) + ".lock"
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	f, err := lock(path)
	switch {
	case errors.Is(err, outbox.ErrLocked):
		return true, nil
	case err != nil:
		return false, err
	}
	return false, f.Close()
}
