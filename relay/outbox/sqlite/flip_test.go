package sqlite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// cells are where the cells of a page stand in the file, in their order.
func cells(whole []byte, page int) (at []int) {
	p := whole[(page-1)*defaultPage:][:defaultPage]
	head := 8
	if p[0] == 2 {
		head = 12
	}
	for i := range int(binary.BigEndian.Uint16(p[3:])) {
		at = append(at, (page-1)*defaultPage+int(binary.BigEndian.Uint16(p[head+2*i:])))
	}
	return at
}

// indexed is a store, closed, in which three events wait for a, were tried once
// for b, wait for b again, were delivered to d at once, and failed for c for good.
func indexed(t *testing.T) (path string, pages map[string]int) {
	t.Helper()
	path, pages = filepath.Join(t.TempDir(), "relay.db"), map[string]int{}
	s := openStore(t, Config{Path: path})
	var ids event.IDs
	b := &outbox.Batch{}
	for range 3 {
		e := newEntry(&ids, "a", "b", "c", "d")
		b.Entries = append(b.Entries, e)
		dead, done := again(e, 1), again(e, 1)
		dead.Key.Address, dead.State, dead.Outcome, dead.NextAt = "c", event.Dead, event.Rejected, time.Time{}
		done.Key.Address, done.State, done.Outcome, done.NextAt = "d", event.Done, event.Delivered, time.Time{}
		b.Attempts = append(b.Attempts, again(e, 1), dead, done)
	}
	if err := s.Write(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for _, x := range indexes() {
		pages[x.name] = pageOf(t, s, x.name, "leaf", 0)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path, pages
}

// waits counts the deliveries that wait for each address, read in both orders.
func waits(t *testing.T, s *Store) string {
	t.Helper()
	var all []string
	for _, before := range []int64{0, 1 << 62} {
		for _, a := range []outbox.Address{"a", "b", "c", "d"} {
			q := outbox.Query{Addresses: []outbox.Address{a}, DueBy: time.Now().Add(time.Hour), Limit: 100, BeforeSeq: before}
			due, _, err := s.Claim(t.Context(), q)
			if err != nil {
				t.Error(err)
			}
			keys := map[outbox.Key]bool{}
			for _, d := range due {
				keys[d.Key] = true
			}
			all = append(all, fmt.Sprint(string(a), len(due), len(keys)))
		}
	}
	counts, err := s.Counts(t.Context())
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprint(all, counts["a"].Pending, counts["b"].Pending, counts["c"].Pending, counts["d"].Pending, s.Pending())
}

const allWait = "[a3 3 b3 3 c0 0 d0 0 a3 3 b3 3 c0 0 d0 0] 3 3 0 0 6"

// eachFlip calls f once for each bit of the first, a middle and the last entry of
// each index that deliveries are found with, and of the head of its page, with that
// bit of the file flipped.
func eachFlip(t *testing.T, path string, pages map[string]int, f func(what, index string, at, bit int)) {
	t.Helper()
	whole := must(os.ReadFile(path))
	for _, index := range []string{waitingIndex, dueIndex, stateIndex} {
		all := cells(whole, pages[index])
		flip := func(what string, from, n int) {
			for i := range 8 * n {
				f(fmt.Sprintf("%s, %s, byte %d bit %d", index, what, i/8, i%8), index, from+i/8, i%8)
			}
		}
		flip("page", (pages[index]-1)*defaultPage, 8+2*len(all))
		for _, n := range []int{0, len(all) / 2, len(all) - 1} {
			flip(fmt.Sprint("entry ", n), all[n], 1+int(whole[all[n]]))
		}
	}
}

// flipIn flips a bit of a file that may be open: changing it in place closes
// nothing that SQLite has locked.
func flipIn(t *testing.T, f *os.File, at, bit int) {
	t.Helper()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// flippedCopy is a copy of a store with one bit flipped.
func flippedCopy(t *testing.T, whole []byte, at, bit int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	b := bytes.Clone(whole)
	b[at] ^= 1 << bit
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// theLog is of a store that is opened, which must serve all that waits and
// nothing else.
func theLog(t *testing.T, path, what string) string {
	t.Helper()
	var log strings.Builder
	s, err := Open(t.Context(), Config{Path: path, Log: logTo(&log), pause: time.Nanosecond})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	<-s.audited
	if got := waits(t, s); got != allWait {
		t.Errorf("%s: %s", what, got)
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return log.String()
}

// auditOnce looks through one index of a store that nobody has open.
func auditOnce(t *testing.T, path string, x index) (whole bool, err error) {
	t.Helper()
	c, err := dial(path, readerParams)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	s := &Store{log: slog.New(slog.DiscardHandler)}
	return (&auditor{s: s, conn: c, hurry: time.Now().Add(time.Hour)}).whole(t.Context(), x)
}

// flippedOpen is a store, open and looked through, in which a bit of the nth entry
// of an index is then flipped.
func flippedOpen(t *testing.T, index string, n, byteOf, bit int, log io.Writer) *Store {
	t.Helper()
	path, pages := indexed(t)
	at := cells(must(os.ReadFile(path)), pages[index])[n]
	s := openStore(t, Config{Path: path, Log: logTo(log), pause: time.Nanosecond})
	<-s.audited
	f := must(os.OpenFile(path, os.O_RDWR, 0))
	t.Cleanup(func() { _ = f.Close() }) // after the store: it would drop its locks
	flipIn(t, f, at+byteOf, bit)
	return s
}

// integrity also looks whether the rows of deliveries are in order and its indexes
// agree with it, which checkWhole does not.
func integrity(t *testing.T, s *Store) {
	t.Helper()
	q := must(s.w.prepareOnce("PRAGMA integrity_check", 0, 1))
	defer func() { _ = q.s.Close() }()
	err := q.each(context.WithoutCancel(t.Context()), func() error {
		if found := q.text(0); found != "ok" && !unused(found) {
			t.Error("after that:", found)
		}
		return nil
	})
	if err != nil {
		t.Error("after that:", err)
	}
}
