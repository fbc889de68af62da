package sqlite

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/outbox"
)

// testdata/0001.sql is a store as the first schema made it: three events to "a"
// and "b", one of them delivered to "a", one to be tried again there.
func older(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "relay.db")
	dump, err := os.ReadFile("testdata/0001.sql")
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.exec(context.WithoutCancel(t.Context()), string(dump)); err != nil {
		t.Fatal(err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStoreOfTheFirstSchemaOpensAndIsDelivered(t *testing.T) {
	s := openStore(t, Config{Path: older(t)})
	if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != 2 || b != 3 {
		t.Errorf("%d deliveries to a and %d to b wait, want 2 and 3", a, b)
	}
}

func TestStoreOfTheFirstSchemaIsSalvagedAsItIs(t *testing.T) {
	path := older(t)
	for _, schema := range []string{"whole", "damaged"} {
		if got, ids := saved(t, path); got.Events != 3 || len(ids) != 2 || len(got.LostNames) > 0 || schema == "whole" && got.Rows > 0 {
			t.Errorf("schema %s: %+v, %d deliveries to a, want 3 events and 2", schema, got, len(ids))
		}
		change(t, path, func(b []byte) { b[bytes.Index(b, []byte("CREATE TABLE events"))+2] ^= 1 })
	}
}

func TestNamesOfAnOlderStoreAreCheckedFromItsFirstOpeningOn(t *testing.T) {
	path := older(t)
	if err := openStore(t, Config{Path: path}).Close(); err != nil {
		t.Fatal(err)
	}
	change(t, path, func(b []byte) { b[bytes.Index(b, []byte("address\x02b"))+8] ^= 3 })
	s, err := Open(t.Context(), Config{Path: path})
	if err == nil {
		_ = s.Close() // it should not be open
	}
	if !errors.Is(err, outbox.ErrCorrupt) {
		t.Errorf("open: %v, want outbox.ErrCorrupt", err)
	}
}

func TestOlderStoreWithANameThatIsGoneIsRefusedWithTheWayOut(t *testing.T) {
	for _, instead := range []string{"address\x07b", "address\x02a"} { // a gap, and a name twice
		path := older(t)
		change(t, path, func(b []byte) { copy(b[bytes.Index(b, []byte("address\x02b")):], instead) })
		s, err := Open(t.Context(), Config{Path: path})
		if err == nil {
			_ = s.Close() // it should not be open
		}
		if !errors.Is(err, outbox.ErrCorrupt) || !strings.Contains(err.Error(), wayOut) {
			t.Errorf("open: %v, want outbox.ErrCorrupt and the way out", err)
		}
	}
}
