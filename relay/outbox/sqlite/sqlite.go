// Package sqlite keeps an outbox in one SQLite file.
//
// Its shape follows from measurements: what an event costs is decided by how
// many pages its commit dirties. So there is one row per event, appended; no
// index on a random value; what a delivery that succeeds at once changes is
// overwritten in place; deduplication is answered from memory; and one
// connection, without database/sql around it, writes what all requests have
// queued in one transaction. The schema is explained in migrations/.
//
// SQLite alone does not notice a flipped bit in a row, nor that it drops commits
// of a damaged or shortened WAL: each event and each name has a checksum, all
// frames of the WAL are judged before SQLite reads it, and a mark beside the file
// says how far it had come. The names of addresses, sources and rules, which all
// events hang on, and which store it is, survive one flipped bit: it is mended.
//
// The file must be on a local disk, and one process at a time has it open.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	sqlite3 "modernc.org/sqlite"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// Config says where the store is. Path is required.
type Config struct {
	Path   string           // the database file; its folder is made when missing
	Keys   [][]byte         // encrypt bodies, 32 bytes each: the first encrypts, all decrypt; none: bodies are in the clear
	Dedupe time.Duration    // the longest deduplication window of any source; 0: 7 days. Entries may ask for a longer one: it counts from then on
	Log    *slog.Logger     // nil: no log
	Now    func() time.Time // nil: time.Now

	hook  func(point string) error // tests: an error here is an error there
	pause time.Duration            // between tries to open the file again; 0: 500ms
	long  int64                    // bytes of a log that is too long; 0: longLog
	every time.Duration            // between two looks through the indexes; 0: auditEvery
}

// Store is an outbox.Store in one SQLite file.
type Store struct {
	cfg     Config
	log     *slog.Logger
	lock    *os.File
	file    os.FileInfo
	keeper  *conn // keeps the log from being emptied unseen: see closeFile
	readers *sql.DB
	ring    *keyring
	damaged string
	made    bool // the file was not there, or had nothing, when it was opened
	left    bool // a process that did not close the file has left a log

	names   *names
	counts  counters
	lastSeq atomic.Int64

	unlistedTo atomic.Int64 // see goesTo
	unclear    atomic.Bool  // what Purge erased may still be in the log

	alarmsLost atomic.Bool // see SetAlarm
	strays     sync.Map    // seqs, and whether they are to be tried: see strayed
	astray     atomic.Bool // there are some

	quarantine sync.Map // reported: seqs of rows whose checksum does not match, -seq where only a delivery is damaged, and onlyListedKey

	// What follows belongs to whoever is in the gate.
	gate      gate
	w         *writer // nil after a fault, until it is opened again
	tx        tx
	recent    recent
	inForce   inForce
	owed      owed
	latest    int64 // time by which an event came or ended, see tx.dated
	salt      []byte
	commits   int64
	mark      *mark
	succeeded time.Time // last write that worked
	fault     error     // of the last write, when it did not
	faultAt   time.Time
	doubtful  []int64 // seqs of events that may have been stored by a commit that failed
	revived   []place // deliveries that had ended, and may have been made pending by it
	closed    bool
	longer    int64 // how long the log may be now, when somebody reads it for long

	found      error                // damage that a check beside has found: nothing is taken any more
	mended     map[string]time.Time // when indexes were made anew
	looked     time.Time            // when who reads last had the indexes looked through
	disagrees  bool                 // an index does not say what its table does: they are made anew
	rechecking bool
	straysAt   time.Time // before, none is tried

	stop    chan struct{}  // closed when the store is being closed
	audits  sync.WaitGroup // of those who look through the indexes
	audited chan struct{}  // closed when the indexes have been looked through
	beside  sync.WaitGroup
}

var _ outbox.Store = (*Store)(nil)

// Open opens the store, and makes it when it is not there: the folder with
// mode 0700, the file and those beside it 0600. The error wraps
// outbox.ErrLocked, ErrNewer, ErrKey or ErrCorrupt when it is one of these.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg.Path = behindLinks(cfg.Path)
	if cfg.Dedupe == 0 {
		cfg.Dedupe = 7 * 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.pause == 0 {
		cfg.pause = 500 * time.Millisecond
	}
	if cfg.long == 0 {
		cfg.long = longLog
	}
	if cfg.every == 0 {
		cfg.every = auditEvery
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, log: log, names: newNames(), gate: newGate(), stop: make(chan struct{})}
	s.tx = tx{s: s, fresh: map[uint64]int{}, ends: []byte{}, verdicts: []byte{}, journal: []byte{}} // nil is NULL
	s.recent.window = cfg.Dedupe
	if err := s.open(context.WithoutCancel(ctx)); err != nil {
		_ = s.Close() // err says more
		return nil, fmt.Errorf("open store %s: %w", cfg.Path, err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	if err := makeFolder(filepath.Dir(s.cfg.Path), s.syncFolder); err != nil {
		return err
	}
	var err error
	if s.lock, err = lock(s.cfg.Path + ".lock"); err != nil {
		return err
	}
	if err := s.judgeLog(); err != nil {
		return fault("read its log", err)
	}
	if err := makeFile(s.cfg.Path); err != nil {
		return err
	}
	if s.w, err = s.connect(ctx); err != nil {
		return err
	}
	if s.keeper, err = s.keep(ctx); err != nil {
		return err
	}
	if s.file, err = os.Stat(s.cfg.Path); err != nil {
		return err
	}
	if err := s.unlock(ctx, s.w.conn); err != nil {
		return err
	}
	err = s.load(ctx)
	if code(err) == codeCorrupt && (s.mend(ctx, s.w, false) || s.mendWrong(ctx, s.w)) {
		err = s.load(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.compareMark(ctx); err != nil {
		return err
	}
	if s.left {
		if err := s.startLogAnew(ctx, s.w); err != nil {
			s.failed(nil, err) // what there is can be read and sent all the same
		}
	}
	connector, err := sqlite3.NewConnector(dsn(s.cfg.Path, readerParams))
	if err != nil {
		return err
	}
	s.readers = sql.OpenDB(connector)
	s.readers.SetMaxOpenConns(4)
	s.readers.SetConnMaxIdleTime(time.Minute)
	s.auditBeside(ctx)
	return nil
}

// makeFile makes the file, so that SQLite does not with the rights of the umask:
// the files it puts beside it have those of this one. It must come before SQLite
// opens the file: in the process that has it open, closing it once more would drop
// SQLite's locks.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the path comes from the config
	if err != nil {
		return err
	}
	return f.Close()
}

// private takes rights away from files that are ours: see identify.
func private(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm", path + ".lock", path + ".mark"} {
		if err := os.Chmod(name, 0o600); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// connect opens the connection that writes.
func (s *Store) connect(ctx context.Context) (*writer, error) {
	c, err := dial(s.cfg.Path, "")
	if err != nil {
		return nil, fault("open the file", err)
	}
	w, err := s.equip(ctx, c)
	if err != nil {
		_ = c.close() // err says more
		return nil, err
	}
	return w, nil
}

func (s *Store) equip(ctx context.Context, c *conn) (*writer, error) {
	if err := c.exec(ctx, "PRAGMA busy_timeout = 5000"); err != nil {
		return nil, fault("open the file", err)
	}
	if err := identify(ctx, c); err != nil {
		return nil, err
	}
	if err := private(s.cfg.Path); err != nil {
		return nil, err
	}
	if err := apply(ctx, c); err != nil {
		return nil, err
	}
	made, err := migrate(ctx, c)
	if err == nil && !made {
		err = wholeSchema(ctx, c)
	}
	s.made = s.made || made
	if err != nil {
		return nil, err
	}
	w, err := prepareWriter(c)
	return w, fault("open the file", err)
}

// Damaged is "" or a sentence about commits that were lost since the last run.
func (s *Store) Damaged() string { return s.damaged }

// LastSeq implements outbox.Store.
func (s *Store) LastSeq() int64 { return s.lastSeq.Load() }

// Close waits for who writes, closes the file, so that nothing of it is left
// in the WAL, and lets the next process in. It may be called twice.
func (s *Store) Close() error {
	s.gate.wait()
	if s.closed {
		s.gate.leave()
		return nil
	}
	s.closed = true
	close(s.stop)
	s.gate.leave()
	s.beside.Wait() // what is checked beside comes to the gate once more
	s.audits.Wait()

	s.gate.wait()
	defer s.gate.leave()
	errs := s.closeFile()
	if s.mark != nil {
		errs = append(errs, s.mark.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	s.fault = fmt.Errorf("%w: the store is closed", event.ErrUnavailable)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close store %s: %w", s.cfg.Path, err)
	}
	return nil
}
