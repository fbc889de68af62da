package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
)

// The format of a write-ahead log is https://www.sqlite.org/fileformat2.html#the_write_ahead_log:
// a header, and frames of one page each. A frame's checksum continues from the
// one that stands in the frame before it, so that each frame can be judged by
// itself. SQLite does not: it ends at the first frame that does not match, and
// takes what follows for rubbish, however much was promised of it.
const (
	walHeaderSize   = 32
	frameHeaderSize = 24
	walMagic        = 0x377f0682 // | 1: checksums are of big-endian words
	walVersion      = 3007000
	defaultPage     = 4096 // ours, should no header say it
)

// walSum is a checksum as it stands in a frame.
type walSum struct{ a, b uint32 }

func (s walSum) add(order binary.ByteOrder, p []byte) walSum {
	if order == binary.LittleEndian { // the usual one, without calls through an interface
		for ; len(p) >= 8; p = p[8:] {
			s.a += binary.LittleEndian.Uint32(p) + s.b
			s.b += binary.LittleEndian.Uint32(p[4:]) + s.a
		}
		return s
	}
	for ; len(p) >= 8; p = p[8:] {
		s.a += order.Uint32(p) + s.b
		s.b += order.Uint32(p[4:]) + s.a
	}
	return s
}

func walSumAt(p []byte) walSum {
	return walSum{binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])}
}

// frame is what a frame's header says, and whether that can be believed.
type frame struct {
	page  uint32 // which page it has
	size  uint32 // of the database in pages, when it ends a transaction; else 0
	whole bool   // it has what was written after the frame before it
	ours  bool   // its salts are those of the log, and not of one that stood here before
}

// wal is what a write-ahead log says of itself.
type wal struct {
	headed   bool // its header is whole
	pageSize int
	order    binary.ByteOrder
	salts    uint64
	frames   []frame
	seen     int // how many frames SQLite reads
}

// readWAL judges all frames of a write-ahead log. One that is not there has none.
func readWAL(path string) (*wal, error) {
	l := &wal{order: binary.LittleEndian, pageSize: defaultPage}
	f, err := os.Open(path) //nolint:gosec // beside the store
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	in := bufio.NewReaderSize(f, 1<<20)
	header := make([]byte, walHeaderSize)
	if _, err := io.ReadFull(in, header); err != nil {
		return l, ended(err)
	}
	stored, computed := l.readHeader(header)
	return l, l.readFrames(in, stored, computed)
}

// readHeader returns the checksum that stands in the header, and the one that
// should. Of one that is not whole only the order of bytes may be right.
func (l *wal) readHeader(h []byte) (stored, computed walSum) {
	be := binary.BigEndian
	magic, size := be.Uint32(h), be.Uint32(h[8:])
	if magic == walMagic|1 {
		l.order = be
	}
	stored, computed = walSumAt(h[24:]), walSum{}.add(l.order, h[:24])
	l.headed = stored == computed && magic&^1 == walMagic && be.Uint32(h[4:]) == walVersion &&
		size >= 512 && size <= 65536 && size&(size-1) == 0
	if l.headed {
		l.pageSize, l.salts = int(size), be.Uint64(h[16:])
	}
	return stored, computed
}

// readFrames judges one frame after the other. One is also whole when the next
// continues from what its checksum should be: then it is only that which is
// damaged.
func (l *wal) readFrames(in io.Reader, stored, computed walSum) error {
	b := make([]byte, frameHeaderSize+l.pageSize)
	for read := l.headed; ; {
		if _, err := io.ReadFull(in, b); err != nil {
			return ended(err)
		}
		n, salts := len(l.frames), binary.BigEndian.Uint64(b[8:])
		if n == 0 && !l.headed {
			l.salts = salts
		}
		fr := frame{page: binary.BigEndian.Uint32(b), size: binary.BigEndian.Uint32(b[4:]), ours: salts == l.salts}
		here := walSumAt(b[16:])
		if fr.ours || n == 0 || l.frames[n-1].whole { // else it is of an older log: they are many
			sum := stored.add(l.order, b[:8]).add(l.order, b[frameHeaderSize:])
			fr.whole = sum == here && fr.page != 0
			if !fr.whole && stored != computed {
				again := computed.add(l.order, b[:8]).add(l.order, b[frameHeaderSize:])
				if fr.whole = again == here && fr.page != 0; fr.whole {
					sum = again
					if n > 0 {
						l.frames[n-1].whole = true
					}
				}
			}
			stored, computed = here, sum
		} else {
			stored, computed = here, here
		}
		l.frames = append(l.frames, fr)
		if read = read && fr.whole && fr.ours; read {
			l.seen = n + 1
		}
	}
}

// ended is nil for an end, also one within a frame.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// ends reports whether frame i ended a transaction.
func (l *wal) ends(i int) bool {
	return l.frames[i].size != 0 && (l.frames[i].whole || l.frames[i].ours)
}

// stood reports whether frame i ended a transaction that was acknowledged: a
// frame was written behind it. Before a commit has returned, that is with its
// fsync, no other transaction begins; and one whose fsync failed is not written
// behind but over. So neither a power cut, which may leave any part of the last
// transaction, nor what failed writes have left behind a shorter transaction
// looks like this.
func (l *wal) stood(i int) bool { return l.ends(i) && i+1 < len(l.frames) && l.frames[i+1].whole }

// lost reports whether commits that were acknowledged stand where SQLite does
// not look. Without its header it does not look at all, while that was synced
// before the first frame was written.
func (l *wal) lost() bool {
	for i := l.seen; i < len(l.frames); i++ {
		if l.stood(i) || !l.headed && l.frames[i].whole && l.ends(i) {
			return true
		}
	}
	return false
}

// torn reports whether the last transaction has come to its end and is not
// whole: as a power cut leaves it before its fsync has returned, and nobody was
// promised anything, or as a damaged disk does after that.
func (l *wal) torn() bool {
	for i := l.seen; i < len(l.frames); i++ {
		if l.ends(i) {
			return true
		}
	}
	return false
}
