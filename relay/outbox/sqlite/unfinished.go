package sqlite

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// unfinishedName begins the names of folders for what is not finished.
const unfinishedName = ".invitation-relay-unfinished-"

const unfinishedFile = "relay.db"

// unfinished is a folder in which a store is made that is to stand beside it: under
// its own name it never is half of one, whatever ends the process. Nobody but this
// user may enter it.
type unfinished struct {
	folder string
	lock   *os.File // nil where the disk has no locks
}

var errNotAll = errors.New("not all of it came into its file: is the disk full?")

// makeBeside makes such a folder beside a file that is to be made, and removes
// those that processes which were killed have left there.
func makeBeside(path string) (*unfinished, error) {
	beside := filepath.Dir(path)
	removeLeft(beside)
	folder, err := os.MkdirTemp(beside, unfinishedName+"*") // mode 0700
	if err != nil {
		return nil, err
	}
	u := &unfinished{folder: folder}
	u.lock, _ = lock(filepath.Join(folder, "lock"))
	return u, nil
}

// removeLeft removes the folders that nobody works in any more. What it cannot
// remove, or not know of, stays.
func removeLeft(beside string) {
	list, _ := os.ReadDir(beside)
	for _, e := range list {
		if matched, _ := filepath.Match(unfinishedName+"*", e.Name()); !matched || !e.IsDir() {
			continue
		}
		folder := filepath.Join(beside, e.Name())
		locked := filepath.Join(folder, "lock")
		if _, err := os.Lstat(locked); err != nil {
			continue // it is just being made
		}
		if l, err := lock(locked); err == nil {
			_ = l.Close() // nothing was written
			_ = removeFolder(folder)
		}
	}
}

// Unfinished is the size in bytes of what Backup has made so far of a copy that is
// to be at into: 0 before there is any, and when it is finished. It is for showing
// that something goes on.
func Unfinished(into string) (size int64) {
	found, _ := filepath.Glob(filepath.Join(filepath.Dir(into), unfinishedName+"*", unfinishedFile))
	for _, file := range found {
		if n, err := sizeOf(file); err == nil {
			size = max(size, n)
		}
	}
	return size
}

// file is the store until it is finished.
func (u *unfinished) file() string { return filepath.Join(u.folder, unfinishedFile) }

// finish gives what is whole, and on disk, its name, unless somebody has that. SQLite
// does not say when closing leaves something beside the file, as on a full disk.
func (u *unfinished) finish(path string) error {
	for _, suffix := range []string{"-wal", "-journal"} {
		if n, err := sizeOf(u.file() + suffix); n > 0 || err != nil {
			return errors.Join(errNotAll, err)
		}
	}
	err := os.Link(u.file(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a disk that has no second names
		if err = free(path); err == nil {
			err = os.Rename(u.file(), path)
		}
	}
	if err == nil {
		err = namesDurable(filepath.Dir(path), syncFolder)
	}
	return err
}

// remove removes the folder with what is left in it.
func (u *unfinished) remove() error {
	if u.lock != nil {
		_ = u.lock.Close() // nothing was written
	}
	return removeFolder(u.folder)
}

// removeFolder removes a folder of files. os.RemoveAll must read the one it is in.
func removeFolder(folder string) error {
	list, err := os.ReadDir(folder)
	for _, e := range list {
		err = errors.Join(err, os.Remove(filepath.Join(folder, e.Name())))
	}
	return errors.Join(err, os.Remove(folder))
}

// free is an error when there is a file of this name, or cannot be one.
func free(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}
