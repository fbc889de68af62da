package sqlite

import (
	"io"
	"maps"
	"os"
	"slices"
)

// latest is, for each page, the last frame that has it as a commit left it.
// Damaged frames are stepped over: such a page is as the frame before had it, or
// the file. What stands behind a break may also be the rest of a longer
// transaction that failed and was written over: it is taken when a commit in it
// stood, or when the break is within a transaction.
// A damaged frame whose page is in the file already counts like a whole one.
// Where the file is newer than the log, the last transaction was committed.
func (l *wal) latest(inFile func(frame int) bool, newer bool) map[uint32]int {
	pages, begun := map[uint32]int{}, map[uint32]int{}
	take := true
	for i, f := range l.frames {
		if !f.whole && !f.ours { // of an older log
			continue
		}
		if !f.whole && !inFile(i) {
			inside := i == 0 || l.frames[i-1].size == 0
			if take = inside || l.stands(i); !take {
				clear(begun)
			}
			continue
		}
		if !take {
			continue
		}
		begun[f.page] = i
		if f.size != 0 {
			maps.Copy(pages, begun)
			clear(begun)
		}
	}
	if newer {
		maps.Copy(pages, begun)
	}
	return pages
}

// without takes out what the file has. Where the file is newer than the log it has
// all of the last transaction. A frame of that which cannot be read does not show
// its page here, but an older frame of the same page may: so as many pages as there
// are such frames are not newer than the file either.
func (l *wal) without(pages map[uint32]int, inFile func(frame int) bool, newer bool) {
	maps.DeleteFunc(pages, func(_ uint32, i int) bool { return inFile(i) })
	if !newer {
		return
	}
	unread := 1 // one may be cut off
	for i := l.begun(); i < len(l.frames); i++ {
		if l.frames[i].ours && !l.frames[i].whole && !inFile(i) {
			unread++
		}
	}
	if len(pages) <= unread {
		clear(pages)
	}
}

// stands reports whether a commit stood in what follows the damaged frame i, up
// to the next one.
func (l *wal) stands(i int) bool {
	for {
		if l.stood(i) {
			return true
		}
		if i++; i >= len(l.frames) || !l.frames[i].whole {
			return false
		}
	}
}

// writeCopy makes a copy of a store's file, and writes into it what the log has.
func (l *wal) writeCopy(store, copied string) (err error) {
	to, err := os.OpenFile(copied, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in a folder of ours
	if err != nil {
		return err
	}
	defer func() {
		if e := to.Close(); err == nil {
			err = e
		}
	}()
	from, err := openBoth(store)
	if err != nil {
		return err
	}
	defer from.close()
	if from.file != nil {
		if _, err := io.Copy(to, from.file); err != nil {
			return err
		}
	}
	newer, err := l.copied(store)
	if err != nil {
		return err
	}
	inFile := func(i int) bool { return l.inFile(from, i) }
	pages := l.latest(inFile, newer)
	l.without(pages, inFile, newer)
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		i := pages[page]
		b, err := l.content(from.log, i)
		if err != nil {
			return err
		}
		if _, err := to.WriteAt(b, l.offset(i)); err != nil {
			return err
		}
	}
	return nil
}
