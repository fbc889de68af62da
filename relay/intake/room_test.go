package intake

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"invitation-relay/relay/event"
)

// crowd is a handler whose disk does nothing until it is told to.
type crowd struct {
	*world
	goOn chan struct{} // closed: the disk works
	wg   sync.WaitGroup

	mu       sync.Mutex
	statuses map[int]int
}

func inCrowd(t *testing.T, test func(t *testing.T, c *crowd)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{goOn: make(chan struct{}), statuses: map[int]int{}}
		c.world = newWorldWith(t, Config{Sources: twoSources(), Room: new(Room)})
		c.h.cfg.Accept = func(_ context.Context, ev *event.Event) (Receipt, error) {
			<-c.goOn
			return Receipt{ID: ev.ID}, nil
		}
		test(t, c)
		c.wg.Wait()
	})
}

// come lets n senders come at once.
func (c *crowd) come(n int) {
	for range n {
		c.wg.Go(func() {
			rec := send(c.world, request("/plain", testBody))
			if rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") == "" {
				c.t.Error("503 without Retry-After")
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.statuses[rec.Code]++
		})
	}
	synctest.Wait()
}

func (c *crowd) answered(status int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.statuses[status]
}

func TestABurstWaitsItsTurnAndNobodyIsRefused(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.come(mostInHand + 2000)
		time.Sleep(roomPatience - time.Millisecond)
		close(c.goOn)
		c.wg.Wait()
		if n := c.answered(202); n != mostInHand+2000 {
			t.Errorf("%d of %d accepted", n, mostInHand+2000)
		}
	})
}

func TestARateThatCannotBeKeptIsRefusedAtOnceAndTakenAgainWhenItIsOver(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.come(mostInHand)
		c.come(10)
		time.Sleep(roomPatience + time.Millisecond)
		if n := c.answered(503); n != 10 {
			t.Fatalf("%d refused after %s, want the 10 that found no room", n, roomPatience)
		}
		for range 50 { // now nobody waits in vain any more
			c.come(20)
			time.Sleep(crowdedFor / 2)
		}
		if n := c.answered(503); n != 1010 {
			t.Errorf("%d refused, want all 1010, at once", n)
		}
		close(c.goOn)
		synctest.Wait()
		c.come(100)
		if n := c.answered(202); n != mostInHand+100 {
			t.Errorf("%d accepted, want those in hand and the 100 that came when there was room", n)
		}
		if got := c.counted("plain", unavailable); got != 1010 {
			t.Errorf("counted %v", got)
		}
	})
}

func TestAfterACrowdABurstMayWaitAgain(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.come(mostInHand)
		c.come(1)
		time.Sleep(roomPatience + crowdedFor + time.Millisecond)
		c.come(10) // refused nobody for a second
		if n := c.answered(503); n != 1 {
			t.Errorf("%d refused, want the first only", n)
		}
		close(c.goOn)
		c.wg.Wait()
		if n := c.answered(202); n != mostInHand+10 {
			t.Errorf("%d accepted, want %d", n, mostInHand+10)
		}
	})
}

func TestNoMoreWaitThanMemoryIsMeantForThem(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.come(mostInHand + mostWaiting + 5)
		if n := c.answered(503); n != 5 {
			t.Errorf("%d refused at once, want the 5 beyond those that may wait", n)
		}
		close(c.goOn)
	})
	inCrowd(t, func(t *testing.T, c *crowd) {
		r := c.h.cfg.Room
		if !r.enter(2*mostBytes) || r.enter(1) {
			t.Error("want one body of any size in an empty room, and none beside one that fills it")
		}
		r.leave(2 * mostBytes)
		time.Sleep(crowdedFor)
		if !r.enter(mostBytes-1) || !r.enter(1) || r.enter(1) {
			t.Error("want bodies of mostBytes in all")
		}
		close(c.goOn)
	})
}

// Whoever dawdles over its body takes nobody's place; and in a crowd nobody's
// body is waited for.
func TestASenderThatDawdlesOverItsBodyTakesNoPlace(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		slow, end := io.Pipe()
		for range mostInHand {
			c.wg.Go(func() {
				send(c.world, request("/plain", "", func(r *http.Request) { r.Body, r.ContentLength = slow, 1000 }))
			})
		}
		synctest.Wait()
		c.come(mostInHand)
		if in := c.h.cfg.Room.inside; in != mostInHand {
			t.Errorf("%d in hand, want the %d that have sent all", in, mostInHand)
		}
		c.come(1)
		time.Sleep(roomPatience)
		synctest.Wait() // whose time is up has gone
		if rec := send(c.world, request("/plain", "", func(r *http.Request) { r.Body, r.ContentLength = slow, 1000 })); rec.Code != 503 {
			t.Errorf("answered %d", rec.Code)
		}
		_ = end.CloseWithError(errors.New("gone"))
		close(c.goOn)
	})
}

func TestStrangersAreToldSoInACrowdToo(t *testing.T) {
	inCrowd(t, func(t *testing.T, c *crowd) {
		c.come(mostInHand)
		c.come(1)
		time.Sleep(roomPatience)
		synctest.Wait() // whose time is up has gone
		c.do(401, request("/plain", testBody, noAuth))
		if !strings.Contains(send(c.world, request("/plain", testBody)).Body.String(), "at once") {
			t.Error("a known sender is not told why")
		}
		close(c.goOn)
	})
}

func TestBodiesThatDoNotComeToAnEndTakeBoundedMemory(t *testing.T) {
	const sent, senders = 200 << 10, 600
	inCrowd(t, func(t *testing.T, c *crowd) {
		slow, end := io.Pipe()
		most := strings.Repeat(" ", sent)
		for range senders {
			c.wg.Go(func() {
				rec := send(c.world, request("/plain", "", func(r *http.Request) {
					r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(most), slow)), sent+1000
				}))
				c.mu.Lock()
				defer c.mu.Unlock()
				c.statuses[rec.Code]++
			})
		}
		synctest.Wait()
		if n := senders - c.answered(503); n == 0 || n*sent > 2*mostBytes-mostBytes/2 {
			t.Errorf("%d bodies of %d bytes are in memory, want about %d in all", n, sent, mostBytes)
		}
		close(c.goOn)
		c.come(1)
		if n := c.answered(202); n != 1 {
			t.Error("a body of the usual size is not taken beside them")
		}
		_ = end.CloseWithError(errors.New("gone"))
		c.wg.Wait()
		if n := c.h.cfg.Room.arriving; n != 0 {
			t.Errorf("%d bytes are counted when all have gone", n)
		}
		r := c.h.cfg.Room
		if !r.arrive(mostBytes, 0) || !r.arrive(mostBytes, mostBytes) || r.arrive(1, 0) {
			t.Error("want one body of any size to arrive, and none beside one that takes all")
		}
	})
}
