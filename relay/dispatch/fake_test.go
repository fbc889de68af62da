package dispatch

import (
	"context"
	"slices"
	"sync"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

// fake is a target that answers as its script says.
type fake struct {
	w      *world
	rcpt   []string
	answer func(m *target.Message) target.Result
	take   time.Duration // how long each attempt takes

	mu     sync.Mutex
	sent   []target.Message
	at     []time.Time
	most   int // attempts at the same time
	now    int
	closed int
}

func (w *world) target(answer func(m *target.Message) target.Result) *fake {
	return &fake{w: w, answer: answer}
}

func (f *fake) Kind() string         { return "fake" }
func (f *fake) Recipients() []string { return f.rcpt }

func (f *fake) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	if f.now > 0 || f.closed > 1 {
		f.w.Errorf("target closed %d times, with %d attempts in flight", f.closed, f.now)
	}
}

// Send fails the test when a delivery is tried twice at the same time, or once
// more after it was taken.
func (f *fake) Send(ctx context.Context, m *target.Message) target.Result {
	f.begin(m)
	res := target.Result{Outcome: event.Retry, Reason: "cut short"}
	if f.take == 0 || sleep(ctx, f.take) == nil {
		res = f.answer(m)
	}
	f.end(m, res)
	return res
}

func (f *fake) end(m *target.Message, res target.Result) {
	f.w.mu.Lock()
	delete(f.w.inFlight, m.DeliveryID)
	if res.Outcome == event.Delivered {
		f.w.done[m.DeliveryID] = true
	}
	f.w.mu.Unlock()
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
}

func (f *fake) begin(m *target.Message) {
	f.w.mu.Lock()
	if f.w.inFlight[m.DeliveryID] {
		f.w.Errorf("delivery %s is tried twice at the same time", m.DeliveryID)
	}
	if f.w.done[m.DeliveryID] {
		f.w.Errorf("delivery %s is tried again after the target took it", m.DeliveryID)
	}
	f.w.inFlight[m.DeliveryID] = true
	f.w.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed > 0 {
		f.w.Errorf("delivery %s is sent through a closed target", m.DeliveryID)
	}
	if m.Event.Fields == nil {
		f.w.Errorf("delivery %s has an event that is not decoded", m.DeliveryID)
	}
	f.sent, f.at = append(f.sent, *m), append(f.at, m.Now)
	f.now++
	f.most = max(f.most, f.now)
}

// count is how many attempts there were.
func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}

func (f *fake) messages() []target.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.sent)
}

// when is when the attempts began.
func (f *fake) when() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.at)
}

func (f *fake) mostAtOnce() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

func (f *fake) wasClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closed > 0
}

func takes(*target.Message) target.Result {
	return target.Result{Outcome: event.Delivered, Status: 200}
}

func answers(o event.Outcome, reason string) func(*target.Message) target.Result {
	return func(*target.Message) target.Result { return target.Result{Outcome: o, Reason: reason} }
}

// switched answers with the first until flip is called, then with the second.
func switched(first, second func(*target.Message) target.Result) (answer func(*target.Message) target.Result, flip func()) {
	var mu sync.Mutex
	now := first
	return func(m *target.Message) target.Result {
			mu.Lock()
			f := now
			mu.Unlock()
			return f(m)
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			now = second
		}
}

var (
	busy   = answers(event.Retry, "503")
	broken = answers(event.Held, "404: the hook is gone")
)
