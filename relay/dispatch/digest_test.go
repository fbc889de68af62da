package dispatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

// gatherer is a target that puts deliveries together.
type gatherer struct {
	*fake
	all func(ms []*target.Message) target.Result

	mu   sync.Mutex
	many [][]string // of each digest, what it was about
	at   []time.Time
}

func (w *world) gatherer(one func(*target.Message) target.Result, all func([]*target.Message) target.Result) *gatherer {
	return &gatherer{fake: w.target(one), all: all}
}

func takesAll([]*target.Message) target.Result {
	return target.Result{Outcome: event.Delivered, Status: 200}
}

func (g *gatherer) SendDigest(ctx context.Context, ms []*target.Message) target.Result {
	var about []string
	for i, m := range ms {
		g.begin(m)
		about = append(about, m.Event.Subject)
		if m.Recipient != ms[0].Recipient || m.Event.Kind == event.Alarm || m.Event.Kind == event.Test ||
			i > 0 && m.Event.ID.Seq() < ms[i-1].Event.ID.Seq() {
			g.w.Errorf("a digest holds %s", m.DeliveryID)
		}
	}
	if len(ms) < 2 {
		g.w.Errorf("a digest of %d", len(ms))
	}
	g.mu.Lock()
	g.many, g.at = append(g.many, about), append(g.at, ms[0].Now)
	g.mu.Unlock()
	_ = sleep(ctx, g.take)
	res := g.all(ms)
	for _, m := range ms {
		g.end(m, res)
	}
	return res
}

// digests are the sizes of the digests sent.
func (g *gatherer) digests() (sizes []int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, about := range g.many {
		sizes = append(sizes, len(about))
	}
	return sizes
}

func TestDigestLeavesWhenEveryHasPassedSinceTheFirstCame(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		chat := w.gatherer(takes, takesAll)
		w.run([]Lane{{Name: "chat", Target: chat, Digest: Digest{Every: 10 * time.Minute, Max: 50}}})
		began := w.now()
		for range 5 {
			w.accept("chat")
			w.pass(2*time.Minute - time.Second)
		}
		if chat.count() != 0 {
			t.Fatalf("%d deliveries left early", chat.count())
		}
		w.pass(5 * time.Second)
		if got := chat.digests(); !slices.Equal(got, []int{5}) || !chat.at[0].Equal(began.Add(10*time.Minute)) {
			t.Errorf("digests of %v at %s", got, chat.at)
		}
		w.accept("chat")
		w.pass(10 * time.Minute)
		if got := w.states("chat"); got.Delivered != 6 || len(chat.digests()) != 1 || chat.count() != 6 {
			t.Errorf("one alone: %+v, digests of %v", got, chat.digests())
		}
	})
}

func TestDigestLeavesAsSoonAsThereAreMaxAndOneOfEachAddress(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		mail := w.gatherer(takes, takesAll)
		mail.rcpt = []string{"one", "two"}
		w.run([]Lane{{Name: "mail", Target: mail, Digest: Digest{Every: time.Hour, Max: 3}}})
		for range 3 {
			w.accept("mail.one")
		}
		w.accept("mail.two")
		w.accept("mail.one")
		if got := mail.digests(); !slices.Equal(got, []int{3}) {
			t.Errorf("at once: digests of %v", got)
		}
		w.pass(time.Hour)
		if s := w.status("mail"); s.Delivered != 5 || mail.count() != 5 {
			t.Errorf("after an hour: %+v", s)
		}
	})
}

func TestDigestIsOneAttemptWithOneTokenAndOnePlaceRecordedForEach(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		chat := w.gatherer(takes, takesAll)
		chat.take = time.Second
		w.run([]Lane{{Name: "chat", Target: chat, Rate: 1. / 60, Concurrency: 1, Digest: Digest{Every: time.Hour, Max: 10}}})
		var keys []outbox.Key
		for range 20 {
			keys = append(keys, w.accept("chat")...)
		}
		w.pass(30 * time.Second)
		if got := chat.digests(); !slices.Equal(got, []int{10}) {
			t.Errorf("at first: digests of %v", got)
		}
		w.pass(time.Minute)
		if got := chat.digests(); !slices.Equal(got, []int{10, 10}) {
			t.Errorf("a minute later: digests of %v", got)
		}
		for _, k := range keys {
			if h := w.history(k); len(h) != 1 || h[0].Outcome != event.Delivered || h[0].Status != 200 || h[0].Number != 1 {
				t.Errorf("history %+v", h)
			}
		}
		l := w.d.lane("chat")
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ending != 0 || l.busy != 0 || l.bytes != 0 || len(l.keys) != 0 {
			t.Errorf("%d endings, %d busy, %d bytes, %d keys", l.ending, l.busy, l.bytes, len(l.keys))
		}
	})
}

func TestDigestThatFailedIsTriedAgainTogether(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		calls := 0
		chat := w.gatherer(takes, func([]*target.Message) target.Result {
			if calls++; calls < 3 {
				return target.Result{Outcome: event.Retry, Reason: "503"}
			}
			return target.Result{Outcome: event.Delivered}
		})
		w.run([]Lane{{Name: "chat", Target: chat, Digest: Digest{Every: time.Hour, Max: 4}}})
		for range 4 {
			w.accept("chat")
		}
		w.pass(5 * time.Minute) // of the hour that a fresh one would wait
		if got := chat.digests(); !slices.Equal(got, []int{4, 4, 4}) || w.states("chat").Delivered != 4 {
			t.Errorf("digests of %v, %+v", got, w.states("chat"))
		}
	})
}

func TestRejectedDigestIsTakenApartSoThatOneBadEventDoesNotKillTheOthers(t *testing.T) {
	for name, maxAge := range map[string]time.Duration{"in time": time.Hour, "one attempt only": -1} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				bad := func(m *target.Message) bool { return m.Event.Subject == "bad" }
				chat := w.gatherer(func(m *target.Message) target.Result {
					if bad(m) {
						return target.Result{Outcome: event.Rejected, Reason: "400: invalid_blocks"}
					}
					return takes(m)
				}, func(ms []*target.Message) target.Result {
					if slices.ContainsFunc(ms, bad) {
						return target.Result{Outcome: event.Rejected, Reason: "400: invalid_blocks"}
					}
					return takesAll(ms)
				})
				w.run([]Lane{{Name: "chat", Target: chat, Retry: Schedule{MaxAge: maxAge}, Digest: Digest{Every: time.Hour, Max: 4}}})
				var keys []outbox.Key
				for _, subject := range []string{"a", "bad", "b", "c"} {
					keys = append(keys, w.acceptAbout(subject, "chat")...)
				}
				w.pass(5 * time.Second)
				if got := w.states("chat"); got.Delivered != 3 || got.Dead != 1 || len(chat.digests()) != 1 {
					t.Errorf("%+v, digests of %v", got, chat.digests())
				}
				h := w.history(keys[0])
				if len(h) != 2 || h[0].Outcome != event.Rejected || h[0].State != event.Pending ||
					!strings.HasPrefix(h[0].Reason, "400: invalid_blocks; it was sent in one message") || h[1].State != event.Done {
					t.Errorf("history of a good one %+v", h)
				}
				l := w.d.lane("chat")
				l.mu.Lock()
				defer l.mu.Unlock()
				if len(l.alone) > 0 {
					t.Errorf("%d are remembered as taken apart", len(l.alone))
				}
			})
		})
	}
}

func TestAlarmsAndTestsAreNeverInADigestAndNotDelayed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		chat := w.gatherer(takes, takesAll)
		w.run([]Lane{{Name: "chat", Target: chat, Digest: Digest{Every: time.Hour, Max: 3}}})
		for range 2 {
			w.accept("chat")
			for _, kind := range []event.Kind{event.Alarm, event.Test} {
				ev := w.event()
				ev.Kind = kind
				w.put(&outbox.Entry{Event: ev, To: []outbox.Address{"chat"}})
			}
		}
		synctest.Wait()
		if got := w.states("chat"); got.Delivered != 4 || len(chat.digests()) != 0 {
			t.Errorf("%+v, digests of %v", got, chat.digests())
		}
	})
}

func TestWhatWasCollectedIsCollectedAgainAfterARestartMeasuredFromReceipt(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		lane := func() (Lane, *gatherer) {
			chat := w.gatherer(takes, takesAll)
			return Lane{Name: "chat", Target: chat, Digest: Digest{Every: time.Hour, Max: 50}}, chat
		}
		first, _ := lane()
		w.run([]Lane{first})
		began := w.now()
		for range 3 {
			w.accept("chat")
		}
		w.pass(40 * time.Minute)
		again, chat := lane()
		w.restart([]Lane{again})
		w.accept("chat")
		w.pass(20*time.Minute + time.Second)
		if got := chat.digests(); !slices.Equal(got, []int{4}) || !chat.at[0].Equal(began.Add(time.Hour)) {
			t.Errorf("digests of %v at %v", got, chat.at)
		}
	})
}

func TestHeldTargetIsProbedWithOneDeliveryAndThenGetsItsDigest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		answer, mend := switched(broken, takes)
		chat := w.gatherer(answer, func([]*target.Message) target.Result {
			return answer(nil)
		})
		w.run([]Lane{{Name: "chat", Target: chat, Digest: Digest{Every: time.Minute, Max: 50}}})
		for range 10 {
			w.accept("chat")
		}
		w.pass(3*time.Minute + 30*time.Second)
		if got := chat.digests(); !slices.Equal(got, []int{10}) || chat.count() != 12 {
			t.Errorf("digests of %v, %d deliveries tried", got, chat.count())
		}
		mend()
		w.pass(2 * time.Minute)
		if got := chat.digests(); w.states("chat").Delivered != 10 || len(got) != 2 {
			t.Errorf("%+v, digests of %v", w.states("chat"), got)
		}
	})
}

func TestDigestsLeaveEarlyWhenTheirLanesMemoryIsTaken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		chat := w.gatherer(takes, takesAll)
		w.run([]Lane{{Name: "chat", Target: chat, Digest: Digest{Every: 24 * time.Hour, Max: 1000}}}, func(c *Config) { c.Queue = 100 })
		for range 500 {
			w.put(&outbox.Entry{Event: w.event(), To: []outbox.Address{"chat"}})
		}
		w.pass(time.Minute)
		if got := w.states("chat"); got.Pending > 100 {
			t.Errorf("%+v, digests of %v", got, chat.digests())
		}
		w.pass(24 * time.Hour)
		if got := w.states("chat"); got.Delivered != 500 {
			t.Errorf("after a day: %+v", got)
		}
	})
}

func TestDiscardedDeliveryLeavesItsDigest(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		chat := w.gatherer(takes, takesAll)
		w.run([]Lane{{Name: "chat", Target: chat, Digest: Digest{Every: time.Hour, Max: 50}}})
		var keys []outbox.Key
		for i := range 3 {
			keys = append(keys, w.acceptAbout(fmt.Sprint(i), "chat")...)
		}
		w.override(keys[0], event.Discarded)
		w.pass(time.Hour)
		if len(chat.many) != 1 || !slices.Equal(chat.many[0], []string{"1", "2"}) {
			t.Errorf("digests about %v", chat.many)
		}
	})
}
