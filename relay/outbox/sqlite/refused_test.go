package sqlite

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

func TestRefusedOnesDoNotMakeTheFileGrowBetweenPurges(t *testing.T) {
	s := openStore(t, Config{})
	var ids event.IDs
	for range 100 {
		now := time.Now()
		r := &event.Refused{ID: ids.New(now), Source: "a", ReceivedAt: now, Status: 400, Body: make([]byte, 100<<10)}
		if err := s.Write(t.Context(), &outbox.Batch{Refused: []*event.Refused{r}, KeepRefused: func(string) int { return 5 }}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.cfg.Path)
	if err != nil || info.Size() > 1<<20 {
		t.Errorf("the file has %d bytes for 5 kept of 100 KB each (%v)", info.Size(), err)
	}
}

// TestDamagedRefusedOneHidesNoOther: neither from who lists them page by page, nor
// from who forgets a person.
func TestDamagedRefusedOneHidesNoOther(t *testing.T) {
	for _, keys := range [][][]byte{nil, {testKey(1)}} {
		s := openStore(t, Config{Keys: keys})
		var ids event.IDs
		b := &outbox.Batch{}
		for range 250 {
			_, r := canary(&ids, "Jo Canary")
			b.Refused = append(b.Refused, r)
		}
		if err := s.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		ctx := context.WithoutCancel(t.Context())
		if err := s.w.runOnce(ctx, "UPDATE refused SET body = CAST(body || x'00' AS BLOB) WHERE seq >= ? AND seq <= ?", b.Refused[130].ID.Seq(), b.Refused[240].ID.Seq()); err != nil {
			t.Fatal(err)
		}
		listed, f := 0, outbox.Filter{Limit: 50}
		for more := true; more; {
			items, next, err := s.Refused(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range items {
				listed++
				f.Before = r.ID.String()
			}
			more = next
		}
		if listed != 250-111 {
			t.Errorf("%d keys: %d are listed, want all that are whole", len(keys), listed)
		}
		holds := func(body []byte) bool { return bytes.Contains(body, []byte("Jo Canary")) }
		done, err := s.Forget(t.Context(), outbox.Forget{Person: "cif-1", Now: time.Now(), Holds: holds})
		if err != nil || done.Refused != 250-111*len(keys) || done.Sealed != 111*len(keys) { // those in the clear can be read, damaged or not
			t.Errorf("%d keys: forgotten %+v (%v)", len(keys), done, err)
		}
	}
}

func TestRefusedOneWhoseSourceIsNobodysIsErasedWhenItsTimeIsUp(t *testing.T) {
	for _, damage := range []string{"source + 64", "-source"} {
		s := openStore(t, Config{})
		var ids event.IDs
		_, r := canary(&ids, "Jo Canary")
		if err := s.Write(t.Context(), &outbox.Batch{Refused: []*event.Refused{r}}); err != nil {
			t.Fatal(err)
		}
		if err := s.w.exec(context.WithoutCancel(t.Context()), "UPDATE refused SET source = "+damage); err != nil {
			t.Fatal(err)
		}
		for i, before := range []time.Time{r.ReceivedAt, r.ReceivedAt.Add(time.Second)} {
			n, err := s.Purge(t.Context(), outbox.Retention{RefusedAfter: func(string) (time.Time, int) { return before, 10 }})
			if err != nil || n != i {
				t.Errorf("%s: %d erased (%v), want %d", damage, n, err, i)
			}
		}
	}
}
