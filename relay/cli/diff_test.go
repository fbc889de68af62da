package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

func TestSinceIsATimeOrHowLongAgo(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"7d":                        now.AddDate(0, 0, -7),
		"90m":                       now.Add(-90 * time.Minute),
		"2026-11-20":                time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
		"2026-11-20T01:00:00+01:00": time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "7", "-7d", "0s", "yesterday", "2026-13-01"} {
		if got, err := parseSince(text, now); exitCodeOf(err) != exitUsage {
			t.Errorf("%q is %s (%v), want wrong usage", text, got, err)
		}
	}
}

func exitCodeOf(err error) int { return exitCode(err, io.Discard) }

// What cannot be compared is said; what no rule decided on is left out.
func TestDiffCountsErasedAndDamagedEvents(t *testing.T) {
	folder := t.TempDir()
	store, file := filepath.Join(folder, "relay.db"), filepath.Join(folder, "relay.yaml")
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: store})
	if err != nil {
		t.Fatal(err)
	}
	var ids event.IDs
	put := func(kind event.Kind, mark string) {
		now := time.Now().UTC()
		ev := &event.Event{
			ID: ids.New(now), Source: "preventor", ReceivedAt: now, Kind: kind, Subject: "i-1",
			Body: []byte(`{"id":"i-1","transaction_status":"REJECTED","note":"` + mark + `"}`),
		}
		if err := s.Write(t.Context(), &outbox.Batch{Entries: []*outbox.Entry{{Event: ev}}}); err != nil {
			t.Fatal(err)
		}
	}
	put(event.Received, "old")
	if n, err := s.Purge(t.Context(), outbox.Retention{Bodies: time.Now().Add(time.Hour)}); err != nil || n != 1 {
		t.Fatalf("purge erased %d (%v)", n, err)
	}
	put(event.Received, "kept")
	put(event.Replayed, "again")
	put(event.Test, "test")
	put(event.Alarm, "alarm")
	put(event.Received, "DAMAGE-ME")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(store)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(store, bytes.ReplaceAll(raw, []byte("DAMAGE-ME"), []byte("DAMAGED-M")), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `
server: {listen: "127.0.0.1:0"}
sources: {preventor: {path: /webhooks/invitation}}
rules: [{name: all, when: "true", to: [journal]}]
targets: {journal: {log: {}}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := `0 of 2 events would go elsewhere

1 event left out: the body has been erased
1 event left out: damaged in the store
`
	if code, stdout, stderr := command(t, "diff", "-c", file, "--exit-code", file); code != exitDone || stdout != want {
		t.Errorf("exit %d\n%s%s\nwant\n%s", code, stdout, stderr, want)
	}
}

// However many events there are and however differently they change, what is kept
// of them is bounded, and none goes uncounted.
func TestComparisonOfManyEventsKeepsLittleAndCountsAll(t *testing.T) {
	c := &comparison{changes: map[string]*change{}}
	count := func(n int) uint64 {
		for i := range n {
			c.add(fate{targets: []string{"a"}}, fate{targets: []string{fmt.Sprint("target-", i%(2*maxChanges))}}, "01a2063b-3318-7f6f-bdba-83295c2f7b14")
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	few := count(10_000)
	if many := count(200_000); many > few+256<<10 {
		t.Errorf("the heap grew from %d to %d bytes", few, many)
	}
	listed := 0
	for _, ch := range c.sorted() {
		if listed += ch.events; len(ch.examples) > maxExamples {
			t.Errorf("%d examples", len(ch.examples))
		}
	}
	if len(c.changes) != maxChanges || c.compared != 210_000 || c.elsewhere != 210_000 || listed+c.unlisted != 210_000 {
		t.Errorf("%d changes of %d events, %d listed and %d not", len(c.changes), c.compared, listed, c.unlisted)
	}
}
