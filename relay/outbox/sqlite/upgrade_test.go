package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// olderWithMany is a closed store of schema 3 with an event to 70 addresses.
func olderWithMany(t *testing.T) (path string, old *outbox.Entry) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	s, err := Open(t.Context(), Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	old = newEntry(new(event.IDs), many()...)
	write(t, s, old)
	ctx := context.WithoutCancel(t.Context())
	if err := s.w.exec(ctx, "UPDATE events SET verdicts = x''"); err != nil {
		t.Fatal(err)
	}
	match(t, s, old.Event.ID.Seq())
	back := "ALTER TABLE names DROP COLUMN crc; DELETE FROM meta WHERE k = 'names'; DELETE FROM migrations WHERE n > 3"
	if err := errors.Join(s.w.exec(ctx, back), s.Close()); err != nil {
		t.Fatal(err)
	}
	return path, old
}

func execIn(t *testing.T, path, sql string) {
	t.Helper()
	c, err := dial(path, "")
	if err == nil {
		err = errors.Join(c.exec(context.WithoutCancel(t.Context()), sql), c.close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestOneFlippedBitInMetaStopsNoDeliveryOfAnOlderStore(t *testing.T) {
	for what, damage := range map[string]string{
		"its value": "UPDATE meta SET v = CASE typeof(v) WHEN 'blob' THEN x'00' || substr(v, 2) ELSE v - 1 END WHERE k = 'beyond_to'",
		"its key":   "UPDATE OR REPLACE meta SET k = 'beyond_tn' WHERE k = 'beyond_to'",
	} {
		t.Run(what, func(t *testing.T) {
			path, old := olderWithMany(t)
			s, err := Open(t.Context(), Config{Path: path}) // upgrades
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			execIn(t, path, damage)
			var log strings.Builder
			s = openStore(t, Config{Path: path, Log: logTo(&log)})
			if got := claimed(t, s, "t70"); !slices.Contains(got, old.Event.ID) {
				t.Errorf("t70 gets %v, want the event; log: %s", got, log.String())
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			execIn(t, path, damage)
			out := filepath.Join(t.TempDir(), "saved.db")
			got, err := Salvage(t.Context(), path, out, func(int) {})
			if err != nil {
				t.Fatal(err)
			}
			s = openStore(t, Config{Path: out})
			e, err := s.Event(t.Context(), old.Event.ID)
			if err != nil {
				t.Fatal(err)
			}
			if ids := claimed(t, s, "t70"); len(ids) != 1 {
				t.Errorf("salvaged (%+v): t70 gets %v, want the event, which says it goes to %d", got, ids, len(e.To))
			}
		})
	}
}

func TestAReaderOpensBesideNamesThatCome(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	stop := make(chan struct{})
	done := make(chan error, 1)
	write(t, s, newEntry(&ids, "a"))
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			r, err := OpenReader(context.Background(), s.cfg.Path)
			if err == nil {
				for _, err = range r.Events(context.Background(), time.Time{}) {
					if err != nil {
						break
					}
				}
				err = errors.Join(err, r.Close())
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for i := range 300 {
		e := newEntry(&ids, outbox.Address(fmt.Sprint("n", i)))
		e.Event.Source = fmt.Sprint("s", i)
		write(t, s, e)
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAnOlderStoreWithHundredsOfNamesKilledInTheMiddleOfItsUpgradeIsUpgraded(t *testing.T) {
	path, old := olderWithMany(t)
	c, err := dial(path, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	for i := 71; i <= 400; i++ {
		if err := c.exec(ctx, fmt.Sprintf("INSERT INTO names VALUES ('address', %d, 't%d')", i, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(c.exec(ctx, "BEGIN IMMEDIATE"), steps(ctx, c, 3), sealNames(ctx, c)); err != nil {
		t.Fatal(err)
	}
	_ = c.close() // never committed
	s := openStore(t, Config{Path: path})
	if got := claimed(t, s, "t70"); !slices.Contains(got, old.Event.ID) {
		t.Error("t70 does not get it")
	}
	var ids event.IDs
	ids.New(time.Now())
	e := newEntry(&ids, "t400", "t401", "t1")
	write(t, s, e)
	for _, a := range []outbox.Address{"t400", "t401", "t1"} {
		if got := claimed(t, s, a); !slices.Contains(got, e.Event.ID) {
			t.Error(a, "does not get it")
		}
	}
}
