package sqlite

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// testdata/0001.sql is a store as the first schema made it: three events to "a"
// and "b", one of them delivered to "a", one to be tried again there.
func TestStoreOfTheFirstSchemaOpensAndIsDelivered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
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
	s := openStore(t, Config{Path: path})
	if a, b := len(claimed(t, s, "a")), len(claimed(t, s, "b")); a != 2 || b != 3 {
		t.Errorf("%d deliveries to a and %d to b wait, want 2 and 3", a, b)
	}
}
