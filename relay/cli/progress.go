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
	p.next = time.Now().Add(progressEvery)
	p.show(n, at)
}

func (p *progress) show(n int, at string) {
	p.shown = true
	fmt.Fprintf(p.w, "\r\x1b[K%d done  %s", n, at)
}

// watch shows how far work has come that has no moment of its own to say so,
// until the func that it returns is called. That takes the line away.
func (p *progress) watch(how func() (n int, at string)) (stop func()) {
	if p.w == nil {
		return func() {}
	}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for every := time.NewTimer(progressAfter); ; every.Reset(progressEvery) {
			select {
			case <-stopped:
				return
			case <-every.C:
				p.show(how())
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
		p.clear()
	}
}

// clear takes the line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
