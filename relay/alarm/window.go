package alarm

import "time"

const (
	windowLength = 10 * time.Minute
	fewestSealed = 5
)

// window remembers what a source has sent during the last ten minutes, as
// counts of then. It keeps one older than that, to count from.
type window struct{ counts []counted }

type counted struct {
	at            time.Time
	heard, sealed float64
}

// add takes in the counts of now, and reports whether more webhooks than is
// normal could not be decrypted: at least five, and more than half of all.
func (w *window) add(now time.Time, s Sender) bool {
	c := counted{now, s.Heard, s.Sealed}
	if len(w.counts) == 0 {
		w.counts = []counted{{at: now}} // what came before the first look is new
	}
	for len(w.counts) > 1 && now.Sub(w.counts[1].at) >= windowLength {
		w.counts = w.counts[1:]
	}
	if last := w.counts[len(w.counts)-1]; now.Sub(last.at) >= every || now.Before(last.at) {
		w.counts = append(w.counts, c)
	}
	first := w.counts[0]
	sealed := c.sealed - first.sealed
	return sealed >= fewestSealed && 2*sealed > c.heard-first.heard
}
