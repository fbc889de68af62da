package sqlite

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// noMending is a disk that takes no write while fails is set.
func noMending(path string, log *strings.Builder, fails *bool, keys ...[]byte) Config {
	return Config{Path: path, Keys: keys, Log: logTo(log), hook: func(point string) error {
		if *fails && (point == "mend" || point == "before commit") {
			return errIO
		}
		return nil
	}, pause: 1}
}

func TestAFlippedBitThatCannotBeMendedInTheFileIsMendedInMemory(t *testing.T) {
	for what, at := range map[string]int{"number": 7, "name": len(rowOfB) - 1} {
		path, entries, row := pinged(t)
		change(t, path, func(b []byte) { b[row+at] ^= 1 })
		for _, written := range []bool{false, true} {
			var log strings.Builder
			fails := true
			s := openStore(t, noMending(path, &log, &fails))
			goesWhere(t, s, entries)
			var ids event.IDs
			fresh := newEntry(&ids, "slack-c", "slack-d")
			if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{fresh}}); !errors.Is(err, event.ErrUnavailable) {
				t.Errorf("%s: write: %v, want event.ErrUnavailable", what, err)
			}
			goesWhere(t, s, entries)
			if strings.Count(log.String(), "level=WARN") != 1 || strings.Count(log.String(), "address 2") != 1 {
				t.Errorf("%s: want one line of each:\n%s", what, log.String())
			}
			if fails = false; written {
				fresh = newEntry(&ids, "slack-c", "slack-d")
				write(t, s, fresh)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			s = openStore(t, noMending(path, &log, &fails))
			goesWhere(t, s, entries)
			if got := len(claimed(t, s, "slack-d")); written != (got == 1) || written == strings.Contains(log.String(), "mended") {
				t.Errorf("%s, written %t: slack-d gets %d; log:\n%s", what, written, got, log.String())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if !written {
				change(t, path, func(b []byte) { b[bytes.Index(b, []byte(rowOfB))+at] ^= 1 })
			}
		}
	}
}

func TestWhichStoreItIsNeedNotBeMendedInTheFileAtOnce(t *testing.T) {
	path, e, at := encryptedStore(t, testKey(1))
	change(t, path, func(b []byte) { b[at] ^= 1 })
	for _, takesWrites := range []bool{false, true, true} {
		var log strings.Builder
		fails := !takesWrites
		s := openStore(t, noMending(path, &log, &fails, testKey(1)))
		if got, err := s.Event(t.Context(), e.Event.ID); err != nil || !bytes.Equal(got.Body, e.Event.Body) || s.mark.ofAnother != 0 {
			t.Errorf("event %+v (%v), mark of another: %d", got, err, s.mark.ofAnother)
		}
		if strings.Contains(log.String(), "level=WARN") != fails {
			t.Errorf("takes writes: %t:\n%s", takesWrites, log.String())
		}
		fails = false
		if !takesWrites {
			var ids event.IDs
			write(t, s, newEntry(&ids, "a"))
		} else if log.Len() > 0 {
			t.Errorf("it was not written:\n%s", log.String())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
