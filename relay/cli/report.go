package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxLines = 20 // more messages than this are summed up
	maxBad   = 5  // of those, so many refusals are shown
)

// report prints what became of each message, a line each, or, when they are
// many, a sum. It is safe for concurrent use.
type report struct {
	w      *world
	json   bool
	single bool
	lines  bool // a line for each message
	start  time.Time

	mu         sync.Mutex
	took       []time.Duration
	byStatus   map[int]int // 0: no answer
	duplicates int
	bad        int
	firstBad   answer
	firstErr   error
}

func newReport(w *world, s *simulation) *report {
	total := s.count * (1 + s.duplicates)
	return &report{w: w, json: s.json, single: total == 1, lines: total <= maxLines, start: time.Now(), byStatus: map[int]int{}}
}

// line is an answer as --json prints it.
type line struct {
	Sample    string  `json:"sample"`
	Status    int     `json:"status"` // 0: no answer
	ID        string  `json:"id,omitempty"`
	Duplicate bool    `json:"duplicate"`
	Detail    string  `json:"detail,omitempty"`
	Millis    float64 `json:"ms"`
}

// add takes one answer, or the error that came instead.
func (r *report) add(s sample, a answer, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byStatus[a.status]++
	if err == nil {
		r.took = append(r.took, a.took)
	}
	if a.duplicate {
		r.duplicates++
	}
	if err != nil {
		a.detail = printable(err.Error())
	}
	if !a.ok() {
		if r.bad++; r.bad == 1 {
			r.firstBad, r.firstErr = a, err
		}
	}
	switch {
	case r.json:
		l := line{s.name, a.status, a.id, a.duplicate, "", float64(a.took.Microseconds()) / 1000}
		if !a.ok() {
			l.Detail = a.detail
		}
		_ = json.NewEncoder(r.w.stdout).Encode(l) // a reader that has gone, as of head, needs no more
	case r.lines || !a.ok() && r.bad <= maxBad:
		fmt.Fprintln(r.w.stdout, a.text(s.name))
	}
}

// text is an answer as a person reads it.
func (a answer) text(name string) string {
	word, about := "refused", a.detail
	switch {
	case a.status == 0:
		return "no answer  " + a.detail
	case a.ok() && a.duplicate:
		word, about = "duplicate", a.id
	case a.ok():
		word, about = "stored", a.id
	}
	return fmt.Sprintf("%d %-9s  %s  %s  %s", a.status, word, about, millis(a.took), name)
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// end prints the sum of many, and what may be surprising about one.
func (r *report) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.single && r.duplicates > 0 {
		fmt.Fprintln(r.w.stderr, "it was stored before and is delivered once; --fresh sends it as another invitation")
	}
	if r.lines || r.json {
		return
	}
	var parts []string
	total := 0
	for _, status := range slices.Sorted(maps.Keys(r.byStatus)) {
		word := fmt.Sprintf("%d %s", status, http.StatusText(status))
		if status == 0 {
			word = "without answer"
		}
		parts = append(parts, fmt.Sprintf("%d × %s", r.byStatus[status], word))
		total += r.byStatus[status]
	}
	took := time.Since(r.start)
	fmt.Fprintf(r.w.stdout, "sent %d in %.1fs (%.0f/s): %s; %d duplicates\n",
		total, took.Seconds(), float64(total)/max(took.Seconds(), 0.001), strings.Join(parts, ", "), r.duplicates)
	if n := len(r.took); n > 0 {
		slices.Sort(r.took)
		fmt.Fprintf(r.w.stdout, "answers took %s (median), %s (99 of 100), %s (longest)\n",
			millis(r.took[n/2]), millis(r.took[min(n-1, n*99/100)]), millis(r.took[n-1]))
	}
}

// verdict is the command's error: nil when every message was taken.
func (r *report) verdict(encrypted bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad == 0 {
		return nil
	}
	f := &failure{code: exitFailed, msg: "the message was not taken", hint: hintFor(r.firstBad.status, encrypted)}
	if !r.single {
		f.msg = fmt.Sprintf("%d messages were not taken", r.bad)
	}
	f.err = r.firstErr
	return f
}

// hintFor is what to look at first after such an answer.
func hintFor(status int, encrypted bool) string {
	switch status {
	case 0:
		return "is the relay running? invitation-relay serve -c FILE starts it and prints where it listens"
	case http.StatusBadRequest:
		if encrypted {
			return "on a source with keys everything wrong with a body is this 400: is it the source's key, and is the sample what its preset expects?"
		}
		return "a source with keys takes no plain body: --key-file FILE or -c FILE encrypts it"
	case http.StatusUnauthorized:
		return "user name and password, and the headers, must be those of sources.NAME.auth in the config that runs: -c FILE takes them from there, --user and --password-file name them"
	case http.StatusForbidden:
		return "this machine's address is not in sources.NAME.auth.allow_from"
	case http.StatusNotFound:
		return "no source has this path: sources.NAME.path says where it is, and serve prints it"
	case http.StatusRequestEntityTooLarge:
		return "sources.NAME.max_body is smaller than the sample"
	case http.StatusUnprocessableEntity:
		return "it was understood, but it is not what the source's preset expects: see simulate --list, and sources.NAME.preset"
	case http.StatusTooManyRequests:
		return "too many wrong passwords from here: wait a minute"
	case http.StatusServiceUnavailable:
		return "the relay cannot store now: /readyz on its admin listener says why"
	default:
		if status/100 == 3 {
			return "redirects are not followed: --to the place itself"
		}
		return "is this the relay's webhook listener? serve prints its address and paths"
	}
}
