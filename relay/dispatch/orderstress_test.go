package dispatch

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
	"invitation-relay/relay/outbox"
	"invitation-relay/relay/target"
)

func TestEarlierEventWhoseCommitComesLaterGoesFirstWhereverItIs(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, w *world, early *outbox.Entry, lane Lane){
		"no room for it": func(t *testing.T, w *world, early *outbox.Entry, lane Lane) {
			early.Event.Body = make([]byte, 100<<10)
			w.run([]Lane{lane}, func(c *Config) { c.Memory = 64 << 10 })
			w.acceptAbout("other", "hook") // in flight for a second
			w.acceptAbout("x", "hook")
			w.put(early)
		},
		"while others are claimed": func(t *testing.T, w *world, early *outbox.Entry, lane Lane) {
			w.acceptAbout("x", "hook")
			w.onClaim = func() {
				time.Sleep(time.Millisecond) // the commit comes before the claim returns
				defer time.Sleep(time.Millisecond)
				defer w.notify()
				w.store.mu.Lock()
				defer w.store.mu.Unlock()
				if fresh := w.claims[len(w.claims)-1].AfterSeq == 0; fresh && early != nil {
					w.queue = append(w.queue, queued{entry: early})
					early = nil
				}
			}
			w.run([]Lane{lane})
		},
		"while others are queued": func(t *testing.T, w *world, early *outbox.Entry, lane Lane) {
			w.run([]Lane{lane})
			w.acceptAbout("other", "hook")
			w.acceptAbout("x", "hook")
			w.put(early)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				hook := w.target(w.inOrder(takes))
				hook.take = time.Second
				early := &outbox.Entry{Event: w.about("x"), To: []outbox.Address{"hook"}}
				test(t, w, early, Lane{Name: "hook", Target: hook, Order: bySubject})
				w.pass(10 * time.Second)
				sent := hook.messages()
				var last []event.ID
				for _, m := range sent {
					if m.Event.Subject == "x" {
						last = append(last, m.Event.ID)
					}
				}
				if len(last) != 2 || last[0].Seq() > last[1].Seq() {
					t.Errorf("tried in the order %v", last)
				}
			})
		})
	}
}

// TestOrderHoldsWhateverHappens has targets fail in all ways, with few keys and
// many events, holds, reloads and restarts.
func TestOrderHoldsWhateverHappens(t *testing.T) {
	for seed := range uint64(4) {
		inWorld(t, func(t *testing.T, w *world) {
			c := &chaos{rnd: rand.New(rand.NewPCG(seed, 11))}
			name := ""
			lanes := func() []Lane {
				one := w.inOrder(c.answer)
				mail := w.gatherer(one, func(ms []*target.Message) target.Result {
					for _, m := range ms[1:] {
						w.inOrder(takes)(m)
					}
					return one(ms[0])
				})
				mail.rcpt = []string{"one", "two"}
				return []Lane{{
					Name: "mail", Target: mail, Concurrency: 1 + c.n(8), Order: bySubject, OrderedBy: name,
					Digest: Digest{Every: time.Duration(c.n(2)) * time.Second, Max: 4},
					Retry:  Schedule{MaxAge: 100 * time.Hour},
				}}
			}
			small := func(cfg *Config) { cfg.Memory, cfg.Queue = 64<<10, 64 }
			w.run(lanes(), small)
			var late []*outbox.Entry
			var later *outbox.Entry
			for range 1500 {
				e := &outbox.Entry{Event: w.about(fmt.Sprint("s", c.n(1+c.n(60)))), To: []outbox.Address{"mail.one", "mail.two"}}
				if c.n(20) == 0 && later == nil {
					later = e // commits that come after those of later events
				} else if late = append(late, e); c.n(3) > 0 {
					c.shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
					w.put(late...)
					late = nil
				}
				time.Sleep(time.Duration(c.n(40)) * time.Millisecond)
				if later != nil && c.n(3) == 0 {
					synctest.Wait() // what was just let in has begun
					w.put(later)
					synctest.Wait() // the dispatcher has heard of it
					later = nil
				}
				switch c.n(150) {
				case 0:
					w.restart(lanes(), small)
				case 1:
					name = []string{"", "subject"}[c.n(2)]
					w.reload(lanes())
				case 2:
					_ = w.d.Release("mail")
				case 3:
					w.d.Found(nil)
				case 4:
					w.with(func() { w.onClaim = func() { time.Sleep(time.Duration(c.n(100)) * time.Millisecond) } })
				}
			}
			w.put(late...)
			w.with(func() { w.onClaim = nil })
			w.pass(200 * time.Hour)
			one, two := w.states("mail.one"), w.states("mail.two")
			if one.Pending+two.Pending > 0 || one.Delivered == 0 || two.Delivered == 0 {
				t.Errorf("seed %d: %+v and %+v", seed, one, two)
			}
			l := w.d.lane("mail")
			l.mu.Lock()
			defer l.mu.Unlock()
			if o := l.order; len(o.chains)+len(o.known)+len(o.turn) > 0 || len(l.keys) > 0 || l.bytes != 0 {
				t.Errorf("seed %d: left in memory: %d chains, %d known, %d turns, %d keys, %d bytes",
					seed, len(o.chains), len(o.known), len(o.turn), len(l.keys), l.bytes)
			}
		})
	}
}
