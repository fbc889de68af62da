package sqlite

import (
	"errors"
	"fmt"

	sqlite3 "modernc.org/sqlite"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// SQLite's primary result codes (https://www.sqlite.org/rescode.html) that
// decide what an error means for us.
const (
	codeError      = 1 // of what is asked
	codeBusy       = 5
	codeLocked     = 6
	codeNoMem      = 7
	codeCorrupt    = 11
	codeFull       = 13
	codeTooBig     = 18
	codeConstraint = 19
	codeMismatch   = 20
	codeRange      = 25
	codeNotADB     = 26
)

// code is the primary result code of an error of SQLite's, 0 for another one.
func code(err error) int {
	var e *sqlite3.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// fault wraps an error of SQLite's with what was being done, and with what it
// means for the caller. SQLite's texts name tables and columns, never values.
func fault(doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, outbox.ErrCorrupt) && !errors.Is(err, event.ErrUnavailable) { // we found it, not SQLite
		return fmt.Errorf("%s: %w (%w): %s", doing, err, event.ErrUnavailable, wayOut)
	}
	switch code(err) {
	case codeConstraint, codeTooBig, codeMismatch, codeRange:
		return fmt.Errorf("%s: %w", doing, err) // something in the batch is at fault
	case codeCorrupt, codeNotADB:
		return fmt.Errorf("%s: %w (%w; %w): %s", doing, outbox.ErrCorrupt, err, event.ErrUnavailable, wayOut)
	}
	return fmt.Errorf("%s: %w: %w", doing, event.ErrUnavailable, err)
}

const wayOut = "put a backup in its place, save what is whole with `store salvage`, or move it and what is beside it away to start with an empty one"

// breaks reports whether a connection should not be used again after err. After
// a full disk it can be: SQLite has rolled back, and that was tested.
func breaks(err error) bool {
	switch code(err) {
	case codeFull, codeBusy, codeLocked, codeNoMem, codeConstraint, codeTooBig, codeMismatch, codeRange:
		return false
	}
	return err != nil
}
