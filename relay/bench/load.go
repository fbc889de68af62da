//go:build linux

package main

import (
	"bufio"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// latencies are sorted when they are asked for.
type latencies []time.Duration

// at is the least that so large a share of them does not exceed.
func (l latencies) at(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	slices.Sort(l)
	return l[max(0, int(math.Ceil(share*float64(len(l))))-1)]
}

// sender sends webhooks to one address, over connections of its own. It writes
// requests by hand: a client of net/http would take as much of the machine as
// what it measures.
type sender struct {
	addr    string
	webhook *webhook
	phase   uint8
	next    atomic.Int64
}

// loaded is what came of sending.
type loaded struct {
	accepted, refused int
	begun             time.Time
	took              time.Duration
	answers           latencies
}

// closed sends over so many connections, each as soon as it has its answer.
func (s *sender) closed(ctx context.Context, connections int, d time.Duration) loaded {
	begun := time.Now()
	return s.send(ctx, connections, func() (time.Time, bool) {
		now := time.Now()
		return now, now.Sub(begun) < d
	})
}

// open sends at a rate, whatever the answers do.
func (s *sender) open(ctx context.Context, rate int, d time.Duration) loaded {
	return s.send(ctx, 64, pace(rate, d))
}

// pace waits for when the next webhook is due and says from when it counts. One
// that goes late counts from when it was due, however long the ones before it
// took; one that was waited for, from when it goes, so that the timer of this
// machine is not charged to whom it is sent to.
func pace(rate int, d time.Duration) (next func() (from time.Time, more bool)) {
	begun := time.Now()
	var slots atomic.Int64
	return func() (time.Time, bool) {
		due := begun.Add(time.Duration(slots.Add(1)-1) * time.Second / time.Duration(rate))
		if due.Sub(begun) >= d || time.Since(begun) > d+5*time.Second {
			return due, false
		}
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			return time.Now(), true
		}
		return due, true
	}
}

// send sends over so many connections until there is no next.
func (s *sender) send(ctx context.Context, connections int, next func() (at time.Time, more bool)) loaded {
	s.phase++
	s.next.Store(0)
	all := loaded{begun: time.Now()}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			c := connection{sender: s}
			defer c.close()
			var mine loaded
			for ctx.Err() == nil {
				at, more := next()
				if !more {
					break
				}
				ok := c.post(ctx, at)
				mine.note(ok, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(&mine)
		})
	}
	wg.Wait()
	all.took = time.Since(all.begun)
	return all
}

func (l *loaded) note(ok bool, took time.Duration) {
	if !ok {
		l.refused++
		return
	}
	l.accepted++
	l.answers = append(l.answers, took)
}

func (l *loaded) add(o *loaded) {
	l.accepted += o.accepted
	l.refused += o.refused
	l.answers = append(l.answers, o.answers...)
}

// connection sends one request at a time.
type connection struct {
	*sender

	conn   net.Conn
	reader *bufio.Reader
	msg    []byte
	body   []byte
}

// post sends one webhook, and says whether it was accepted.
func (c *connection) post(ctx context.Context, at time.Time) bool {
	seq := c.next.Add(1) - 1
	c.body = c.webhook.append(c.body[:0], stamp{c.phase, uint32(seq), at}) //nolint:gosec // there are not so many
	c.msg = append(c.msg[:0], "POST /hook HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.msg = strconv.AppendInt(c.msg, int64(len(c.body)), 10)
	c.msg = append(append(c.msg, "\r\n\r\n"...), c.body...)
	status, err := c.exchange(ctx)
	if err != nil {
		c.close()
		time.Sleep(5 * time.Millisecond) // who does not answer gets no storm
	}
	return err == nil && status/100 == 2
}

func (c *connection) exchange(ctx context.Context) (status int, err error) {
	if c.conn == nil {
		if c.conn, err = (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", c.addr); err != nil {
			return 0, err
		}
		c.reader = bufio.NewReaderSize(c.conn, 4096)
	}
	if err := c.conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return 0, err
	}
	if _, err := c.conn.Write(c.msg); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close() // read to its end, or err says why not
	if resp.Close {
		c.close()
	}
	return resp.StatusCode, err
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close() // nothing of ours is on its way
		c.conn = nil
	}
}
