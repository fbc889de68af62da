package sqlite

import (
	"bytes"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/relaytest/racetest"
)

// values are all texts and blobs in all tables that could not be there by
// chance, as they stand in the file.
func values(t *testing.T, path string) map[string]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string]string{}
	for table := range strings.FieldsSeq(text(t, db, "SELECT group_concat(name, ' ') FROM sqlite_schema WHERE type = 'table'")) {
		for column := range strings.FieldsSeq(text(t, db, "SELECT group_concat(name, ' ') FROM pragma_table_info('"+table+"')")) {
			valuesOf(t, db, table, column, all)
		}
	}
	return all
}

func valuesOf(t *testing.T, db *sql.DB, table, column string, into map[string]string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), fmt.Sprintf("SELECT CAST(%[1]s AS BLOB) FROM %[2]s WHERE typeof(%[1]s) IN ('text', 'blob') AND length(%[1]s) >= 12", column, table))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var value []byte
		if err := rows.Scan(&value); err != nil {
			t.Fatal(err)
		}
		into[string(value[:min(len(value), 200)])] = table + "." + column // a longer one goes on on a page of its own
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, db *sql.DB, query string) (s string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

// Whatever a row held that the retention has erased, body or not, encrypted or
// not, is in no file any more: not in the store, its write-ahead log, nor on a
// page that is free.
func TestWhatTheRetentionErasesIsInNoFileAnyMore(t *testing.T) {
	racetest.Sequential(t)
	for _, keys := range [][][]byte{nil, {testKey(1)}} {
		t.Run(fmt.Sprint(len(keys), " keys"), func(t *testing.T) {
			s := openStore(t, Config{Keys: keys})
			var ids event.IDs
			for i := range 120 {
				e, r := canary(&ids, fmt.Sprintf("Jo Canary %03d", i))
				e.To = []outbox.Address{"a", "b"}
				e.Ruleset, e.Verdicts = fmt.Sprintf("when: ruleset %02d", i%20), []outbox.Verdict{{Rule: "one", Verdict: "match"}}
				e.Event.Body = append(e.Event.Body, bytes.Repeat([]byte(" "), i*i%20_000)...)
				k := outbox.Key{Event: e.Event.ID, Address: "b"}
				if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{e}, Refused: []*event.Refused{r}}); err != nil {
					t.Fatal(err)
				}
				if err := s.Write(t.Context(), &outbox.Batch{Attempts: []outbox.Attempt{
					{Key: outbox.Key{Event: e.Event.ID, Address: "a"}, Number: 1, At: time.Now(), Outcome: event.Delivered, Tries: 1, State: event.Done},
					{Key: k, Number: 1, At: time.Now(), Outcome: event.Rejected, Tries: 1, State: event.Dead, Reason: fmt.Sprintf("the reason of %03d", i)},
				}}); err != nil {
					t.Fatal(err)
				}
				if err := s.SaveThread(t.Context(), "a", fmt.Sprintf("thread of ticket %03d", i), fmt.Sprintf("reference %03d", i), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			before := values(t, s.cfg.Path)
			later := time.Now().Add(time.Hour)
			if _, err := s.Purge(t.Context(), outbox.Retention{
				Bodies: later, Rows: later, RefusedAfter: func(string) (time.Time, int) { return later, 0 },
			}); err != nil {
				t.Fatal(err)
			}
			after, files := values(t, s.cfg.Path), contents(t, s.cfg.Path)
			gone := map[string]int{}
			for value, where := range before {
				if _, there := after[value]; there {
					continue
				}
				gone[where]++
				if bytes.Contains(files, []byte(value)) {
					t.Errorf("a value of %s is still there", where)
				}
			}
			for _, where := range []string{"events.body", "events.dedupe", "refused.body", "threads.key", "threads.ref", "attempts.reason", "rulesets.text"} {
				if gone[where] == 0 {
					t.Errorf("nothing of %s was erased, of %v", where, gone)
				}
			}
		})
	}
}

func TestWhatAPurgeLeftInTheLogIsErasedByTheNextOneThoughThatErasesNothingItself(t *testing.T) {
	s := openStore(t, Config{})
	e := newEntry(new(event.IDs), "a")
	write(t, s, e)
	deliver(t, s, e)
	done := readForLong(t, s.cfg.Path)
	for want := range 2 {
		if n, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now().Add(time.Hour)}); err != nil || n != 1-want {
			t.Fatalf("purge: %d erased (%v), want %d", n, err, 1-want)
		}
		if there := bytes.Contains(contents(t, s.cfg.Path), e.Event.Body); there != (want == 0) {
			t.Errorf("after purge %d the body is in the files: %t", want+1, there)
		}
		done()
	}
}

func TestSaltInTheClearThatAReaderKeepsInTheLogIsErasedByTheNextPurge(t *testing.T) {
	t.Parallel() // it waits for the reader
	path := filepath.Join(t.TempDir(), "relay.db")
	s := openStore(t, Config{Path: path})
	salt := bytes.Clone(s.salt)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	done := readForLong(t, path)
	s = openStore(t, Config{Path: path, Keys: [][]byte{testKey(1)}})
	done()
	if _, err := s.Purge(t.Context(), outbox.Retention{}); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(contents(t, path), salt) {
		t.Error("it is still there")
	}
}
