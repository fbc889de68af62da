package faults

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// flood sends at a rate whatever the answers do, as many senders that know
// nothing of each other would: an event that is due goes out over a connection
// that has its answer, or over a new one. It writes prepared bytes and reads no
// more than it must, so that what it costs is little beside what a relay costs.
type flood struct {
	load    *load
	host    string
	most    int // connections at a time
	timeout time.Duration

	mu     sync.Mutex
	idle   []*floodConn
	open   int
	ended  bool
	unsent int // were due while all connections waited for an answer
	answers
	wg sync.WaitGroup
}

// answers is how long they took, from when the event was due.
type answers struct{ yes, no []time.Duration }

type floodConn struct {
	net.Conn
	out []byte
	id  string
	due time.Time
}

func newFlood(t *testing.T, l *load, most int) *flood {
	t.Helper()
	u, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	return &flood{load: l, host: u.Host, most: most, timeout: 10 * time.Second}
}

// run sends for d, and returns when the last answer is there.
func (f *flood) run(ctx context.Context, rate float64, d time.Duration) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for sent := 0; ; {
		now := time.Now()
		since := now.Sub(begun)
		if since >= d || ctx.Err() != nil {
			break
		}
		for ; float64(sent) < rate*since.Seconds(); sent++ {
			f.send(ctx, now)
		}
		<-tick.C
	}
	f.wait()
}

// closed sends over so many connections, each as soon as it has its answer.
func (f *flood) closed(ctx context.Context, connections int, d time.Duration) {
	end := time.Now().Add(d)
	for range connections {
		f.open++
		f.wg.Go(func() {
			f.connect(ctx, time.Now(), func(c *floodConn) bool {
				return time.Now().Before(end) && f.write(c, time.Now())
			})
		})
	}
	f.wait()
}

func (f *flood) wait() {
	f.mu.Lock()
	f.ended = true
	for _, c := range f.idle {
		_ = c.Close() // ends its reader
	}
	f.idle = nil
	f.mu.Unlock()
	f.wg.Wait()
}

func (f *flood) send(ctx context.Context, due time.Time) {
	f.mu.Lock()
	for len(f.idle) > 0 {
		c := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		f.mu.Unlock()
		if f.write(c, due) {
			return
		}
		f.mu.Lock() // it was closed while it was idle: another one
	}
	defer f.mu.Unlock()
	if f.open == f.most {
		f.unsent++
		return
	}
	f.open++
	f.wg.Go(func() {
		f.connect(ctx, due, func(c *floodConn) bool {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.idle = append(f.idle, c)
			return !f.ended
		})
	})
}

// connect makes a connection, sends over it, and reads answers from it until
// again says that there are none to come.
func (f *flood) connect(ctx context.Context, due time.Time, again func(*floodConn) bool) {
	defer func() { f.mu.Lock(); f.open--; f.mu.Unlock() }()
	conn, err := (&net.Dialer{Timeout: f.timeout}).DialContext(ctx, "tcp", f.host)
	if err != nil {
		f.load.note("", 0, "", 0)
		return
	}
	c := &floodConn{Conn: conn}
	defer func() { _ = c.Close() }()
	in := bufio.NewReaderSize(conn, 1024)
	for f.write(c, due); ; {
		status, retryAfter, closes, err := readAnswer(in)
		if c.id == "" {
			return // closed while nothing was asked
		}
		f.note(c, status, retryAfter)
		if err != nil || closes || !again(c) {
			return
		}
	}
}

func (f *flood) write(c *floodConn, due time.Time) bool {
	c.due, c.id = due, fmt.Sprintf("fault-%d", f.load.next.Add(1))
	f.load.mu.Lock()
	f.load.sent[c.id] = true
	f.load.mu.Unlock()
	body := invitation(c.id)
	c.out = append(c.out[:0], "POST /hook HTTP/1.1\r\nHost: relay\r\nContent-Type: application/json\r\nContent-Length: "...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(append(c.out, "\r\n\r\n"...), body...)
	_ = c.SetReadDeadline(time.Now().Add(f.timeout))
	_, err := c.Write(c.out)
	return err == nil
}

func (f *flood) note(c *floodConn, status int, retryAfter string) {
	took := time.Since(c.due)
	f.load.note(c.id, status, retryAfter, took)
	f.mu.Lock()
	defer f.mu.Unlock()
	c.id = ""
	switch status / 100 {
	case 2:
		f.yes = append(f.yes, took)
	case 5:
		f.no = append(f.no, took)
	}
}

// readAnswer reads one answer and tells what a sender must know of it.
func readAnswer(in *bufio.Reader) (status int, retryAfter string, closes bool, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return 0, "", true, err
		case first:
			if len(line) > 12 {
				status, _ = strconv.Atoi(string(line[9:12]))
			}
		case len(line) <= 2:
			_, err = io.CopyN(io.Discard, in, int64(length))
			return status, retryAfter, closes, err
		default:
			switch name, value := header(line); name {
			case "Content-Length":
				length, _ = strconv.Atoi(value)
			case "Retry-After":
				retryAfter = value
			case "Connection":
				closes = value == "close"
			}
		}
	}
}

func header(line []byte) (name, value string) {
	for i, b := range line {
		if b == ':' {
			return string(line[:i]), string(line[i+2 : len(line)-2])
		}
	}
	return "", ""
}
