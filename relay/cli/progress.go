package cli

import (
	"fmt"
	"io"
	"time"
)

const (
	progressAfter = time.Second            // what is quicker needs none
	progressEvery = 100 * time.Millisecond // between two lines
)

// progress shows a person at a terminal how far long work has come, in a line
// that is overwritten and goes when it is done. Elsewhere it shows nothing.
type progress struct {
	w     io.Writer // nil: not a terminal
	next  time.Time
	shown bool
}

func newProgress(w io.Writer) *progress {
	if !terminal(w) {
		w = nil
	}
	return &progress{w: w, next: time.Now().Add(progressAfter)}
}

// tick says that n are done, and at what.
func (p *progress) tick(n int, at string) {
	if p.w == nil || n%64 != 0 || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(progressEvery), true
	fmt.Fprintf(p.w, "\r\x1b[K%d done  %s", n, at)
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
