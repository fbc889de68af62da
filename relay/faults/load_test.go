package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load sends invitations, each with an id of its own, and remembers what became
// of them.
type load struct {
	url  string
	next atomic.Int64
	step chan struct{} // a token for each 2xx

	mu       sync.Mutex
	sent     map[string]bool
	begun    map[string]time.Time // of those accepted; nil: nobody asks
	acked    map[string]bool
	statuses map[int]int // 0: no answer
	took     []time.Duration
	phases   []phase
	wrong    []string  // answers that must not be
	out      bool      // the last answer was 503
	back     time.Time // when the first was accepted after such
}

func newLoad(url string) *load {
	return &load{url: url, sent: map[string]bool{}, acked: map[string]bool{}, statuses: map[int]int{}, step: make(chan struct{}, 1<<16)}
}

// run posts over so many connections until ctx ends; every is the pause between
// two requests of a connection. When the channel is closed all have ended.
func (l *load) run(ctx context.Context, connections int, every time.Duration) <-chan struct{} {
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				begun := time.Now()
				l.post(client)
				if rest := every - time.Since(begun); rest > 0 {
					pause(ctx, rest)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

func (l *load) post(client *http.Client) {
	id := fmt.Sprintf("fault-%d", l.next.Add(1))
	l.mu.Lock()
	l.sent[id] = true
	l.mu.Unlock()
	begun := time.Now()
	resp, err := client.Post(l.url, "application/json", strings.NewReader(invitation(id)))
	status, retryAfter := 0, ""
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		status, retryAfter = resp.StatusCode, resp.Header.Get("Retry-After")
	}
	l.note(id, status, retryAfter, time.Since(begun))
}

// invitation is the body of the event with this id, to the byte.
func invitation(id string) string {
	return fmt.Sprintf(`{"id":%q,"invitation_state":"COMPLETED","full_name":"Jon Doe","transaction_status":"REJECTED","attempts":3}`, id)
}

func (l *load) note(id string, status int, retryAfter string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statuses[status]++
	switch {
	case status/100 == 2:
		l.acked[id] = true
		if l.begun != nil {
			l.begun[id] = time.Now().Add(-took)
		}
		l.took = append(l.took, took)
		if l.out {
			l.out, l.back = false, time.Now()
		}
		select {
		case l.step <- struct{}{}:
		default: // nobody waits for that many
		}
	case status == 0: // killed or cut: nothing was promised
	case status != http.StatusServiceUnavailable || retryAfter == "":
		l.wrong = append(l.wrong, fmt.Sprintf("%d with Retry-After %q", status, retryAfter))
	default:
		l.out = true
	}
}

// waitFor returns after n more events were accepted.
func (l *load) waitFor(t *testing.T, n int) {
	t.Helper()
	limit := time.After(time.Minute)
	for range n {
		select {
		case <-l.step:
		case <-limit:
			t.Fatal("the relay accepts nothing")
		}
	}
}

// forget drops the tokens of what was accepted so far.
func (l *load) forget() {
	for {
		select {
		case <-l.step:
		default:
			return
		}
	}
}

func (l *load) count(status int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.statuses[status]
}

func (l *load) accepted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// p99 is of the answers 2xx.
func (l *load) p99() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return quantile(l.took, 0.99)
}

// phase is what was seen of the answers 2xx since the phase before.
type phase struct {
	name string
	ends int // index into took
	p99  time.Duration
}

func (p phase) String() string {
	return fmt.Sprintf("%s %s", p.p99.Round(100*time.Microsecond), p.name)
}

// phase ends one.
func (l *load) phase(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	begun := 0
	if n := len(l.phases); n > 0 {
		begun = l.phases[n-1].ends
	}
	l.phases = append(l.phases, phase{name, len(l.took), quantile(l.took[begun:], 0.99)})
}

// quantile is a duration that so much of all are at most as long as.
func quantile(all []time.Duration, q float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// sink is where everything must arrive. Its paths: /flaky refuses one in eight,
// /slow takes up to 20ms, /down refuses until up, /hangs does not answer while
// hang, all others take at once.
type sink struct {
	url      string
	apart    bool // in a process of its own
	up, hang atomic.Bool

	mu    sync.Mutex
	got   map[string]map[string]int // target -> id -> times taken
	first map[string]time.Time      // "target id" -> when it first came; nil: nobody asks
	extra []*load                   // whose events may arrive too
	ids   map[string]string         // of the load -> webhook-id
	wrong int                       // bodies that are not as they were sent, or with another webhook-id than before
}

func emptySink() *sink { return &sink{got: map[string]map[string]int{}, ids: map[string]string{}} }

func newSink(t *testing.T) *sink {
	t.Helper()
	s := emptySink()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	s.url = "http://" + l.Addr().String()
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct{ ID string }
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut: the other side is gone
	}
	if json.Unmarshal(text, &body) != nil || string(text) != invitation(body.ID) {
		s.mu.Lock()
		s.wrong++
		s.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	target := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case target == "flaky" && rand.IntN(8) == 0, target == "down" && !s.up.Load():
		w.WriteHeader(http.StatusInternalServerError)
		return
	case target == "hangs":
		for s.hang.Load() && r.Context().Err() == nil {
			pause(r.Context(), 10*time.Millisecond)
		}
	case target == "slow":
		pause(r.Context(), rand.N(20*time.Millisecond))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.got[target] == nil {
		s.got[target] = map[string]int{}
	}
	id := r.Header.Get("webhook-id")
	if known := s.ids[body.ID]; id == "" || known != "" && known != id {
		s.wrong++
	}
	s.ids[body.ID] = id
	if s.got[target][body.ID]++; s.first != nil && s.got[target][body.ID] == 1 {
		s.first[target+" "+body.ID] = time.Now()
	}
}

// account compares what was promised with what arrived.
type account struct{ accepted, lost, invented, repeated int }

func (s *sink) account(l *load, targets []string) (a account) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	a.accepted = len(l.acked)
	for _, target := range targets {
		got := s.got[target]
		for id := range l.acked {
			if got[id] == 0 {
				a.lost++
			}
		}
		for id, n := range got {
			if !l.sent[id] && !slices.ContainsFunc(s.extra, func(e *load) bool { return e.sent[id] }) {
				a.invented++
			}
			a.repeated += n - 1
		}
	}
	return a
}

// settle drains the relay and fails the test when the promise was broken.
func settle(t *testing.T, r *relay, s *sink, l *load, mostRepeats int) account {
	t.Helper()
	s.up.Store(true)
	r.drain(t)
	if s.apart {
		s.fetch(t)
	}
	a := s.account(l, r.targets)
	if a.lost > 0 {
		t.Errorf("lost %d deliveries of %d accepted events, want none", a.lost, a.accepted)
	}
	s.judge(t, a, l, mostRepeats)
	return a
}

// judge fails the test for what must not happen besides a loss.
func (s *sink) judge(t *testing.T, a account, l *load, mostRepeats int) {
	t.Helper()
	if a.invented > 0 {
		t.Errorf("%d deliveries are of events that nobody sent", a.invented)
	}
	if mostRepeats >= 0 && a.repeated > mostRepeats {
		t.Errorf("repeated %d deliveries, want at most the %d attempts in flight", a.repeated, mostRepeats)
	}
	if s.wrong > 0 {
		t.Errorf("%d messages are not as they were sent, or their webhook-id is not that of the event", s.wrong)
	}
	if len(l.wrong) > 0 {
		t.Errorf("%d answers were neither 2xx nor 503 with Retry-After, such as %s", len(l.wrong), l.wrong[0])
	}
}
