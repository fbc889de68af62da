package event_test

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"invitation-relay/relay/event"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestIDsAreUUIDsOfVersion7AndSayWhenTheyWereMade(t *testing.T) {
	var ids event.IDs
	id := ids.New(noon.Add(123456789))
	u, err := uuid.Parse(id.String())
	if err != nil || u.Version() != 7 || u.Variant() != uuid.RFC4122 {
		t.Fatalf("%s is version %d, variant %s (%v)", id, u.Version(), u.Variant(), err)
	}
	sec, nsec := u.Time().UnixTime()
	if got := time.Unix(sec, nsec).UTC().Truncate(time.Millisecond); !got.Equal(noon.Add(123 * time.Millisecond)) {
		t.Errorf("the id says %s, want 12:00:00.123", got)
	}
}

func TestIDsIncreaseWhateverTheClockDoes(t *testing.T) {
	var ids event.IDs
	last := int64(-1)
	for _, now := range []time.Time{
		noon, noon, noon.Add(time.Hour), noon.Add(-10 * 365 * 24 * time.Hour), noon, noon.Add(time.Hour + time.Nanosecond), time.Unix(0, 0),
	} {
		id := ids.New(now)
		if id.Seq() <= last {
			t.Errorf("at %s the id %s has Seq %d, not above %d", now, id, id.Seq(), last)
		}
		last = id.Seq()
	}
}

func TestIDsAreAboveTheFloorOfAStoreWrittenByAClockAhead(t *testing.T) {
	var before, after event.IDs
	stored := before.New(noon.Add(24 * time.Hour))
	after.Floor(stored.Seq())
	after.Floor(1) // a lower one changes nothing
	if id := after.New(noon); id.Seq() <= stored.Seq() {
		t.Errorf("Seq %d, want above the stored %d", id.Seq(), stored.Seq())
	}
}

func TestConcurrentIDsAreDistinct(t *testing.T) {
	var ids event.IDs
	seqs := make([][]int64, 8)
	var wg sync.WaitGroup
	for i := range seqs {
		wg.Go(func() {
			for range 1000 {
				seqs[i] = append(seqs[i], ids.New(noon).Seq())
			}
		})
	}
	wg.Wait()
	all := slices.Concat(seqs...)
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 8000 {
		t.Errorf("%d distinct Seqs of 8000 ids", n)
	}
}

func TestSeqAtDividesIDsByTime(t *testing.T) {
	var ids event.IDs
	earlier, later := ids.New(noon.Add(-time.Millisecond)), ids.New(noon)
	at := event.SeqAt(noon)
	if earlier.Seq() >= at || later.Seq() < at {
		t.Errorf("SeqAt %d does not stand between %d and %d", at, earlier.Seq(), later.Seq())
	}
}

func TestIDIsTextInJSONAndComesBack(t *testing.T) {
	var ids event.IDs
	id := ids.New(noon)
	b, err := json.Marshal(id)
	if err != nil || string(b) != `"`+id.String()+`"` {
		t.Fatalf("%s is %s in JSON (%v)", id, b, err)
	}
	var back event.ID
	if err := json.Unmarshal(b, &back); err != nil || back != id {
		t.Errorf("came back as %s (%v), want %s", back, err, id)
	}
}

func TestParseIDTakesCanonicalVersion7Only(t *testing.T) {
	for _, s := range []string{
		"", "x", "01a2063b-3318-4f6f-bdba-83295c2f7b14", // version 4
		"01a2063b33187f6fbdba83295c2f7b14", "{01a2063b-3318-7f6f-bdba-83295c2f7b14}", "urn:uuid:01a2063b-3318-7f6f-bdba-83295c2f7b14",
		"01a2063b-3318-7f6f-bdba-83295c2f7b1", "00000000-0000-0000-0000-000000000000",
	} {
		if id, err := event.ParseID(s); !errors.Is(err, event.ErrBadID) {
			t.Errorf("%q is %s (%v), want ErrBadID", s, id, err)
		}
	}
}

func TestShortIsTheRandomEnd(t *testing.T) {
	id, err := event.ParseID("01a2063b-3318-7f6f-bdba-83295c2f7b14")
	if err != nil || id.Short() != "5c2f7b14" {
		t.Errorf("Short is %q (%v)", id.Short(), err)
	}
}

func TestStatesAreReadAsTheyAreWritten(t *testing.T) {
	for s := event.Pending; s <= event.Discarded; s++ {
		if back, ok := event.ParseState(s.String()); !ok || back != s {
			t.Errorf("%s comes back as %v, %t", s, back, ok)
		}
	}
	if _, ok := event.ParseState("lost"); ok {
		t.Error("there is no state lost")
	}
}

func BenchmarkNewID(b *testing.B) {
	var ids event.IDs
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		ids.New(now)
	}
}
