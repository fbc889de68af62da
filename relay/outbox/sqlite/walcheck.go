package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"invitation-relay/relay/outbox"
)

// judgeLog refuses a store whose write-ahead log SQLite would cut short, and
// acknowledged commits with it. It must come before SQLite opens the file, which
// may overwrite the log or delete it.
//
// While the store is open the log is judged only before it is emptied because of
// an error, or by the last who closes. SQLite copies each 40 MB of it into the file
// without a look at their checksums: of what has been damaged on the disk by then,
// and is not in the system's memory any more, the file gets what a damaged disk
// might as well have done to the file itself, and a row's checksum tells of it. To
// judge it before that would take 2 to 4 % of the time of a store that is written
// to as fast as it can be.
func (s *Store) judgeLog() error {
	size, err := sizeOf(s.cfg.Path)
	if err != nil {
		return err
	}
	l, err := readWAL(s.cfg.Path + "-wal")
	if err != nil {
		return err
	}
	s.left = len(l.frames) > 0
	if size == 0 && (l.lost() || l.torn() || l.seen > 0) { // the file is never that short once there is a log
		return onlyTheLog(s.cfg.Path)
	}
	if err := l.judge(s.cfg.Path, size); err != nil {
		return err
	}
	if l.torn() {
		s.log.Error("the last transaction in the store's log is not whole and is left out: a power cut leaves one like that before it was acknowledged; if there was none, the disk is damaging files",
			"file", s.cfg.Path+"-wal")
	}
	return nil
}

func onlyTheLog(path string) error {
	return fmt.Errorf("%w: the file is empty or gone, and %s-wal beside it is not", outbox.ErrCorrupt, path)
}

// isThere is fs.ErrNotExist when there is nothing of a store, without its path,
// which who asks knows, and outbox.ErrCorrupt when there is only a log.
func isThere(path string) error {
	_, err := os.Stat(path)
	if err == nil {
		return nil
	}
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if l, failed := readWAL(path + "-wal"); errors.Is(err, fs.ErrNotExist) && failed == nil && len(l.frames) > 0 {
		return fault("read its log", onlyTheLog(path))
	}
	return err
}

// judge refuses a log of which SQLite would not read commits that were
// acknowledged. size is that of the file at path.
func (l *wal) judge(path string, size int64) (err error) {
	lost := l.lost()
	if !lost && size > 0 {
		if lost, err = l.copied(path); err != nil {
			return err
		}
	}
	if lost {
		return fmt.Errorf("%w: in %s-wal commits stand behind a damaged place", outbox.ErrCorrupt, path)
	}
	return nil
}

// judgeUnused is judgeLog for who only reads, beside the process that has the
// store open or while none has. One that has it open has judged its log, of
// which SQLite then reads all; by now it may begin it anew at any time.
func judgeUnused(path string) error {
	used := func() bool {
		is, err := InUse(path)
		return is || err != nil
	}
	if used() {
		return nil
	}
	size, err := sizeOf(path)
	if err != nil {
		return err
	}
	l, err := readWAL(path + "-wal")
	if err == nil {
		err = l.judge(path, size)
	}
	if err == nil || used() {
		return nil
	}
	return fault("read its log", err)
}

// logDamage says that commits in the write-ahead log stand behind a damaged
// place. SQLite, which does not look while it has the file open, would copy the
// damage into the file.
func (s *Store) logDamage() error {
	l, err := readWAL(s.cfg.Path + "-wal")
	if err == nil && l.lost() {
		err = fmt.Errorf("%w: in %s-wal commits stand behind a damaged place", outbox.ErrCorrupt, s.cfg.Path)
	}
	return fault("check the log", err)
}

// keep opens a connection that does nothing but stay until closeFile. SQLite
// empties the log into the file when its last connection goes, and deletes it:
// without this one that might be one that was idle, or one that has just found
// the log damaged.
func (s *Store) keep(ctx context.Context) (*conn, error) {
	c, err := dial(s.cfg.Path, readerParams)
	if err != nil {
		return nil, fault("open the file", err)
	}
	if err := identify(ctx, c); err != nil { // it has the log open from its first read on
		_ = c.close() // err says more
		return nil, err
	}
	return c, nil
}

// closeFile closes the connections, the last of which empties the log into the
// file. Of a damaged log it closes all but one: it is left as a kill would leave it.
func (s *Store) closeFile() (errs []error) {
	if s.keeper == nil && s.w == nil {
		return nil
	}
	damage := s.logDamage()
	damaged := errors.Is(damage, outbox.ErrCorrupt)
	if damaged {
		errs = append(errs, damage)
	}
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.w != nil && (s.keeper != nil || !damaged) {
		errs = append(errs, s.w.close())
	}
	if s.keeper != nil && !damaged {
		errs = append(errs, s.keeper.close())
	}
	s.w, s.keeper = nil, nil
	return errs
}

// sizeOf is a file's size, 0 when it is not there.
func sizeOf(path string) (int64, error) {
	i, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return i.Size(), nil
}

// begun is the first frame of the last transaction, of which SQLite will read
// nothing, or how many frames there are.
func (l *wal) begun() int {
	first := l.seen
	for first > 0 && !l.ends(first-1) {
		first--
	}
	return first
}

// copied reports whether all that can be read of the last transaction, of which
// SQLite will read nothing, is in the file already: then it was acknowledged,
// and the file is newer than the log. Its end may be damaged or cut off.
func (l *wal) copied(path string) (copied bool, err error) {
	first := l.begun()
	if !slices.ContainsFunc(l.frames[first:], func(f frame) bool { return f.ours }) { // the usual case
		return false, nil
	}
	b, err := openBoth(path)
	if err != nil {
		return false, err
	}
	defer b.close()
	for i := first; i < len(l.frames); i++ {
		there := l.inFile(b, i)
		if !there && l.frames[i].whole && l.frames[i].ours {
			return false, nil
		}
		copied = copied || there
	}
	return copied, nil
}

// both are a store's file and its log, either nil when it is not there.
type both struct{ file, log *os.File }

func openBoth(path string) (b both, err error) {
	if b.file, err = os.Open(path); err != nil && !errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the path comes from the config
		return b, err
	}
	b.log, err = os.Open(path + "-wal") //nolint:gosec // beside it
	if errors.Is(err, fs.ErrNotExist) { // then it has no frames either
		err = nil
	}
	if err != nil {
		_ = b.file.Close() // nothing was written
	}
	return b, err
}

// close closes what nothing was written to.
func (b both) close() {
	_ = b.file.Close()
	_ = b.log.Close()
}

// offset is where in the file the page of a frame belongs.
func (l *wal) offset(i int) int64 { return int64(l.frames[i].page-1) * int64(l.pageSize) }

// at is where a frame begins.
func (l *wal) at(i int) int64 { return walHeaderSize + int64(i)*int64(frameHeaderSize+l.pageSize) }

// content is the page of a frame.
func (l *wal) content(log *os.File, i int) ([]byte, error) {
	b := make([]byte, l.pageSize)
	_, err := log.ReadAt(b, l.at(i)+frameHeaderSize)
	return b, err
}

// inFile reports whether the file has the page that was written to frame i, which
// shows in the frame's checksum also when the page in the frame is damaged.
func (l *wal) inFile(b both, i int) bool {
	if l.frames[i].page == 0 || !l.frames[i].ours {
		return false
	}
	page, header := make([]byte, l.pageSize), make([]byte, frameHeaderSize)
	before := header[:8] // the checksum before it
	at := l.at(i) - 8 - int64(l.pageSize)
	if i == 0 {
		at = walHeaderSize - 8
	}
	if _, err := b.file.ReadAt(page, l.offset(i)); err != nil {
		return false
	}
	if _, err := b.log.ReadAt(before, at); err != nil {
		return false
	}
	sum := walSumAt(before)
	if _, err := b.log.ReadAt(header, l.at(i)); err != nil {
		return false
	}
	return sum.add(l.order, header[:8]).add(l.order, page) == walSumAt(header[16:])
}
