package sqlite

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

// mark is a small file beside the store that says how far it had come. SQLite
// drops all commits after a damaged place in its WAL without an error; against
// the mark that shows at the next start.
//
// It is written in place, at most once a second and when the store is closed,
// and without an fsync: a mark behind the store only narrows what can be
// noticed, while one ahead of it would be a false alarm, and cannot come to be,
// since it is written after the commit.
type mark struct {
	f       *os.File
	store   []byte // which store
	written int64
	at      time.Time
	commits int64

	fresh     bool  // it was made now
	ofAnother int64 // the commit of another store that it spoke of when it was opened
}

// markSize is more than a mark has.
const markSize = 256

const markFormat = "invitation-relay mark 1 store %s commit %020d\n"

// openMark opens or makes the mark, and returns the commit it speaks of: 0 when
// it is new, belongs to another store or cannot be read.
func openMark(path string, store []byte) (m *mark, commits int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path comes from the config
	if err != nil {
		return nil, 0, err
	}
	m = &mark{f: f, store: store}
	text, err := io.ReadAll(io.LimitReader(f, markSize))
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, 0, err
	}
	m.fresh = len(text) == 0
	of, commits, ok := readMark(text)
	switch {
	case !ok:
		return m, 0, nil // half written in a power cut, or not ours: it tells nothing
	case !bytes.Equal(of, store):
		m.ofAnother = commits
		return m, 0, nil
	}
	return m, commits, nil
}

// readMark is the inverse of text. It is not ok when the text is another's.
func readMark(text []byte) (store []byte, commits int64, ok bool) {
	var id string
	_, err := fmt.Sscanf(string(text), markFormat, &id, &commits)
	store, bad := hex.DecodeString(id)
	if err != nil || bad != nil || string(text) != (&mark{store: store}).text(commits) {
		return nil, 0, false
	}
	return store, commits, true
}

func (m *mark) text(commits int64) string {
	line := fmt.Sprintf(markFormat, hex.EncodeToString(m.store), commits)
	return fmt.Sprintf("%scrc %08x\n", line, crc32.ChecksumIEEE([]byte(line)))
}

// note is told of each commit.
func (m *mark) note(commits int64, now time.Time) {
	m.commits = commits
	if now.Sub(m.at) >= time.Second {
		m.at = now
		_ = m.write() // best effort: the commit itself is safe
	}
}

func (m *mark) write() error {
	if m.written == m.commits {
		return nil
	}
	_, err := m.f.WriteAt([]byte(m.text(m.commits)), 0)
	if err == nil {
		m.written = m.commits
	}
	return err
}

func (m *mark) close() error {
	err := m.write()
	if err == nil {
		err = m.f.Sync()
	}
	if e := m.f.Close(); err == nil {
		err = e
	}
	return err
}
