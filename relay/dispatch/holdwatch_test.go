package dispatch

import (
	"cmp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// What the store, the batching of retries and a reload may add to the time at
// which an attempt is to begin.
const (
	promptly   = 3 * time.Second
	afterFault = 5 * time.Second // "back within 5s after a fault of the store ends"
)

// holdWatch looks at one target from outside: at its attempts, at what an
// Observer is told and at what is stored. From these alone it knows when the next
// attempt must have begun.
type holdWatch struct {
	w     *world
	c     *chaos
	disk  *disk
	lanes Lane // what a reload varies
	to    Recorder

	each  time.Duration // an event comes, on average
	quiet atomic.Bool   // none does

	mu           sync.Mutex
	refuses      int // of 1000 attempts so many fail
	slow         time.Duration
	conf         int // which config is in force
	gone         bool
	held, byHand bool
	wait         time.Duration // until the probe after this one
	due          time.Time     // of the next probe
	until        time.Time     // Retry-After
	asked        time.Time     // when the target asked for that
	flying       int           // attempts
	unsaved      int           // ends that are not committed
	begun        time.Time     // the last attempt
	excused      time.Time     // until then no attempt needed to begin
	tally
}

// tally is what a life has seen.
type tally struct {
	holds  int
	lasted int // of these, until the first probe
	probes int
	failed int
}

func (t *tally) add(more tally) {
	t.holds += more.holds
	t.lasted += more.lasted
	t.probes += more.probes
	t.failed += more.failed
}

func (h *holdWatch) locked(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// answer is that of the target of one config.
func (h *holdWatch) answer(conf int) func(*target.Message) target.Result {
	return func(*target.Message) target.Result {
		h.mu.Lock()
		h.begun = time.Now()
		if h.begun.Before(h.until) && h.begun.After(h.asked) {
			h.w.Errorf("%s: an attempt, though the target asked at %s to wait until %s; on hold %t", h.begun, h.asked, h.until, h.held)
			h.until = time.Time{} // once is enough
		}
		h.flying++
		probe := h.held && !h.byHand
		if probe {
			h.probes++
		}
		slow := h.slow
		h.mu.Unlock()
		time.Sleep(time.Duration(h.c.n(1 + int(slow))))
		res := h.result()
		h.mu.Lock()
		h.ended(conf, probe, &res)
		h.mu.Unlock()
		return res
	}
}

func (h *holdWatch) result() target.Result {
	h.mu.Lock()
	refuses := h.refuses
	h.mu.Unlock()
	if h.c.n(1000) >= refuses {
		return takes(nil)
	}
	switch h.c.n(40) {
	case 0:
		return target.Result{Outcome: event.Held, Reason: "401"}
	case 1:
		return target.Result{Outcome: event.Rejected, Reason: "422"}
	case 2:
		return target.Result{Outcome: event.Retry, Reason: "429", RetryAfter: time.Duration(1+h.c.n(90)) * time.Second}
	}
	return target.Result{Outcome: event.Retry, Reason: "500"}
}

// ended draws from an attempt when the next is to come. Called with mu held.
func (h *holdWatch) ended(conf int, probe bool, res *target.Result) {
	now := time.Now()
	h.flying--
	if until := now.Add(res.RetryAfter); res.RetryAfter > 0 && until.After(h.until) {
		h.until, h.asked = until, now
	}
	if conf != h.conf { // says nothing else about the target in force
		return
	}
	if !probe || !h.held || res.Outcome == event.Delivered { // one that began in an earlier hold counts as well
		return
	}
	h.failed++
	if h.wait = min(2*h.wait, time.Minute); res.Outcome == event.Held {
		h.wait = time.Minute
	}
	h.due = later(now.Add(h.wait), h.until)
}

// Record counts what is on its way into the store.
func (h *holdWatch) Record(a outbox.Attempt, soon bool, done func(error)) {
	h.locked(func() { h.unsaved++ })
	h.to.Record(a, soon, func(err error) {
		done(err)
		h.locked(func() { h.unsaved-- })
	})
}

func (h *holdWatch) Dead(outbox.Key, string) {}

func (h *holdWatch) Held(_, reason string, byHand bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	h.holds++
	h.held, h.byHand, h.wait = true, byHand, time.Minute
	if strings.HasPrefix(reason, "five failures") {
		h.wait = firstProbe
	}
	h.due, h.excused = later(now.Add(h.wait), h.until), later(h.excused, now)
}

func (h *holdWatch) Released(string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.held, h.excused = false, later(h.excused, now); !now.Before(h.due) {
		h.lasted++
	}
}

// look fails the test when an attempt should have begun by now. It is called
// again and again.
func (h *holdWatch) look() {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	latest := later(h.excused, h.begun)
	if h.held {
		latest = later(latest, h.due)
	}
	latest = later(latest, h.until).Add(promptly)
	h.disk.mu.Lock()
	down := h.disk.down
	h.disk.mu.Unlock()
	switch {
	case down:
		h.excused = now.Add(afterFault)
	case h.gone, !h.held && h.lanes.Order != nil, h.held && (h.byHand || h.flying > 0), h.flying+h.unsaved >= cmp.Or(h.lanes.Concurrency, 1), !h.waits(now, now.After(latest)):
		h.excused = later(h.excused, now)
	case now.After(latest):
		h.w.Errorf("%s: no attempt since %s, though excused until %s only: on hold %t, probe due %s, asked to wait until %s, %d in flight, %d not committed; %+v",
			now, h.begun, h.excused, h.held, h.due, h.until, h.flying, h.unsaved, h.w.status("hook"))
		h.excused = now.Add(time.Hour) // once is enough
	}
}

// waits reports whether something waits on disk that may be tried now: of a
// target on hold anything. It asks the store what is due only if it must know.
func (h *holdWatch) waits(now time.Time, must bool) bool {
	counts, err := h.disk.Counts(h.w.Context())
	if err != nil {
		h.w.Fatal(err)
	}
	mine := h.flying + h.unsaved
	if counts["hook"].Pending <= mine || h.held || !must {
		return counts["hook"].Pending > mine
	}
	due, _, err := h.disk.Store.Claim(h.w.Context(), outbox.Query{Addresses: []outbox.Address{"hook"}, DueBy: now.Add(-promptly), Limit: mine + 1})
	if err != nil {
		h.w.Fatal(err)
	}
	return len(due) > mine
}
