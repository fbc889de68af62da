//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// sink is where events arrive. It answers 200, and counts them by path and
// phase, each by its number; below /hang/ it answers nothing, ever. Like the
// sender it is written by hand, to leave the machine to what is measured.
type sink struct {
	mu     sync.Mutex
	tracks map[string]*track // "path phase"
}

// track is what has arrived on one path in one phase.
type track struct {
	mu   sync.Mutex
	seen []uint8 // by number: how often
	arrivals
}

// arrivals are what came of the events of a phase, on all paths of a run.
type arrivals struct {
	Once  int           `json:"once"`  // arrived at least once
	Again int           `json:"again"` // further times
	Last  time.Time     `json:"last"`
	After latencies     `json:"after"` // from when it was sent
	P99   time.Duration `json:"p99"`   // of After
}

func newSink() *sink { return &sink{tracks: map[string]*track{}} }

func (s *sink) serve(addr string) error {
	l, err := net.Listen("tcp", addr) //nolint:noctx // until the process ends
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go s.talk(c)
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

// talk answers the requests of one connection.
func (s *sink) talk(c net.Conn) {
	defer func() { _ = c.Close() }() // the other side has gone, or is told so
	r := bufio.NewReaderSize(c, 4096)
	var body bytes.Buffer
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body.Reset()
		if _, err := body.ReadFrom(req.Body); err != nil {
			return
		}
		answer := []byte(ok)
		switch {
		case req.Method == http.MethodGet:
			answer = s.stats(req)
		case strings.HasPrefix(req.URL.Path, "/hang/"):
			_, _ = io.Copy(io.Discard, r) // until the other side has enough
			return
		default:
			if at, found := parseStamp(body.Bytes()); found {
				s.track(req.URL.Path, at.phase).note(at, time.Now())
			}
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func (s *sink) track(path string, phase uint8) *track {
	key := path + " " + strconv.Itoa(int(phase))
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tracks[key]
	if t == nil {
		t = &track{}
		s.tracks[key] = t
	}
	return t
}

func (t *track) note(at stamp, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for int(at.seq) >= len(t.seen) {
		t.seen = append(t.seen, make([]uint8, max(4096, len(t.seen), int(at.seq)+1-len(t.seen)))...)
	}
	t.seen[at.seq]++
	if t.seen[at.seq] > 1 {
		t.Again++
		return
	}
	t.Once++
	t.Last, t.After = now, append(t.After, now.Sub(at.at))
}

// stats answers GET /?run=&targets=&phase=, with what has arrived on the paths
// /to/RUN/0, /to/RUN/1 and so on. Without a run it only says that it is there.
func (s *sink) stats(req *http.Request) []byte {
	q := req.URL.Query()
	targets, _ := strconv.Atoi(q.Get("targets")) // 0: none
	phase, _ := strconv.ParseUint(q.Get("phase"), 10, 8)
	var sum arrivals
	for i := range targets {
		t := s.track("/to/"+q.Get("run")+"/"+strconv.Itoa(i), uint8(phase))
		t.mu.Lock()
		sum.Once += t.Once
		sum.Again += t.Again
		if t.Last.After(sum.Last) {
			sum.Last = t.Last
		}
		if q.Get("all") != "" {
			sum.After = append(sum.After, t.After...)
		}
		t.mu.Unlock()
	}
	sum.P99, sum.After = sum.After.at(.99), nil
	text, err := json.Marshal(sum)
	if err != nil {
		return []byte("HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n")
	}
	return append([]byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "+strconv.Itoa(len(text))+"\r\n\r\n"), text...)
}
