package sqlite

import (
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
