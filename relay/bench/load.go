//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// latencies are sorted when they are asked for.
type latencies []time.Duration

func (l latencies) at(share float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	slices.Sort(l)
	return l[min(len(l)-1, int(share*float64(len(l))))]
}

// sender makes webhooks, each with an id of its own.
type sender struct {
	url  string
	fill string // makes the body larger
	next atomic.Int64
}

// loaded is what came of sending.
type loaded struct {
	accepted, refused int
	took              time.Duration
	answers           latencies
}

func (s *sender) post(ctx context.Context, client *http.Client) bool {
	body := fmt.Sprintf(`{"id":"b-%d","invitation_state":"COMPLETED","cifcod":"C-1001","full_name":"Jon Doe","ticket":"8d0a2c5e-6f0b-4b6e-9c38-0f2f5be2a8c1","transaction_status":"REJECTED","attempts":3%s}`, s.next.Add(1), s.fill)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, strings.NewReader(body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode/100 == 2
}

// closed sends over so many connections, each as soon as it has its answer.
func (s *sender) closed(ctx context.Context, connections int, d time.Duration) loaded {
	var mu sync.Mutex
	var all loaded
	var wg sync.WaitGroup
	begun := time.Now()
	for range connections {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}
			defer client.CloseIdleConnections()
			var mine loaded
			for time.Since(begun) < d && ctx.Err() == nil {
				at := time.Now()
				mine.note(s.post(ctx, client), time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all.add(mine)
		})
	}
	wg.Wait()
	all.took = time.Since(begun)
	return all
}

// open sends at a rate, whatever the answers do: a wait counts from when the
// event was due.
func (s *sender) open(ctx context.Context, rate int, d time.Duration) loaded {
	var mu sync.Mutex
	var all loaded
	var wg sync.WaitGroup
	due := make(chan time.Time, 1<<16)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	for range 64 {
		wg.Go(func() {
			for at := range due {
				ok := s.post(ctx, client)
				took := time.Since(at)
				mu.Lock()
				all.note(ok, took)
				mu.Unlock()
			}
		})
	}
	begun := time.Now()
	for n := 0; ; n++ {
		at := begun.Add(time.Duration(n) * time.Second / time.Duration(rate))
		if at.Sub(begun) >= d || ctx.Err() != nil {
			break
		}
		time.Sleep(time.Until(at))
		due <- at
	}
	close(due)
	wg.Wait()
	all.took = time.Since(begun)
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

func (l *loaded) add(o loaded) {
	l.accepted += o.accepted
	l.refused += o.refused
	l.answers = append(l.answers, o.answers...)
}
