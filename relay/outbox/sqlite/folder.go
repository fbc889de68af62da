package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// makeFolder makes a folder and what is missing above it, for this user only, and
// makes their names durable: what is synced in a folder that a power cut takes is
// gone too.
func makeFolder(folder string, sync func(folder string) error) error {
	var missing []string
	for at := filepath.Clean(folder); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) { // of a drive that is not there
			break
		}
		missing = append(missing, at)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for _, made := range missing {
		if err := namesDurable(filepath.Dir(made), sync); err != nil {
			return err
		}
	}
	return nil
}

// namesDurable syncs a folder. One that may be written to and not read cannot be.
func namesDurable(folder string, sync func(folder string) error) error {
	err := sync(folder)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

// syncFolder is the function of that name, where a test can look.
func (s *Store) syncFolder(folder string) error {
	if err := s.hook("sync " + folder); err != nil {
		return err
	}
	return syncFolder(folder)
}
