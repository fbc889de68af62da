package sqlite

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
)

// victim is the environment variable that makes the test binary the process to
// be killed, and says where its store is.
const victim = "SQLITE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victim); path != "" {
		if err := acknowledge(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// acknowledge stores events from many goroutines for ever, delivers half of
// them, and prints the id of each that was acknowledged.
func acknowledge(path string) error {
	s, err := Open(context.Background(), Config{Path: path})
	if err != nil {
		return err
	}
	var ids event.IDs
	ids.Floor(s.LastSeq())
	var out sync.Mutex
	w := outbox.NewWriter(outbox.WriterConfig{Store: s})
	for range 16 {
		go func() {
			for n := 0; ; n++ {
				e := newEntry(&ids, "a", "b")
				if err := w.Put(context.Background(), e); err != nil {
					continue
				}
				out.Lock()
				fmt.Println(e.Event.ID) // the answer
				out.Unlock()
				if n%2 == 0 {
					w.Record(outbox.Attempt{
						Key: outbox.Key{Event: e.Event.ID, Address: "a"}, Number: 1, At: e.Event.ReceivedAt,
						Outcome: event.Delivered, Status: 200, Tries: 1, State: event.Done,
					}, true, nil)
				}
			}
		}()
	}
	return w.Run(context.Background())
}

func TestKilledProcessLosesNothingItAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relay.db")
	acked := map[event.ID]bool{}
	for round := range 5 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victim+"="+path)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ { // what it wrote before it died counts too
			id, err := event.ParseID(lines.Text())
			if err != nil {
				continue // cut short
			}
			acked[id] = true
			if n == 100+77*round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // "signal: killed"

		s := openStore(t, Config{Path: path})
		if s.Damaged() != "" {
			t.Error(s.Damaged())
		}
		waiting := claimed(t, s, "b")
		if !slices.IsSortedFunc(waiting, func(a, b event.ID) int { return cmp.Compare(a.Seq(), b.Seq()) }) {
			t.Error("not in the order of the events")
		}
		there := map[event.ID]bool{}
		for _, id := range waiting {
			there[id] = true
		}
		lost := 0
		for id := range acked {
			if !there[id] {
				lost++
			}
		}
		if lost > 0 || s.Pending() < len(waiting) {
			t.Errorf("round %d: %d of %d acknowledged events are lost", round, lost, len(acked))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
