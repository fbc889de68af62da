package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressThatIsWatchedIsShownAfterASecondAndGoes(t *testing.T) {
	for worked, want := range map[time.Duration]string{
		900 * time.Millisecond:  "",
		1150 * time.Millisecond: "\r\x1b[K1 done  MiB copied\r\x1b[K2 done  MiB copied\r\x1b[K",
	} {
		synctest.Test(t, func(t *testing.T) {
			var shown bytes.Buffer
			asked := 0
			stop := (&progress{w: &shown}).watch(func() (int, string) { asked++; return asked, "MiB copied" })
			time.Sleep(worked)
			stop()
			if shown.String() != want {
				t.Errorf("after %s: %q, want %q", worked, shown.String(), want)
			}
		})
	}
}

func TestBackupShowsWhatIsCopiedAndThenWhatIsLookedThrough(t *testing.T) {
	into := filepath.Join(t.TempDir(), "copy.db")
	want := func(looked int64, wantN int, wantAt string) {
		t.Helper()
		if n, at := soFar(into, looked); n != wantN || at != wantAt {
			t.Errorf("%d %s, want %d %s", n, at, wantN, wantAt)
		}
	}
	want(0, 0, "MiB copied")
	unfinished := filepath.Join(filepath.Dir(into), ".invitation-relay-unfinished-1")
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(unfinished, "relay.db"), make([]byte, 3<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	want(0, 3, "MiB copied")
	want(7, 7, "events looked through")
}
