//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitingForASlowAnswerIsCountedFromWhenTheWebhookWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		next := pace(100, time.Second)
		for n := range 3 { // in time: each counts from when it goes
			if from, more := next(); !more || !from.Equal(begun.Add(time.Duration(n)*10*time.Millisecond)) || !from.Equal(time.Now()) {
				t.Fatalf("webhook %d counts from %s", n, from.Sub(begun))
			}
		}
		time.Sleep(500 * time.Millisecond) // the answer takes so long
		for n := 3; n < 100; n++ {
			from, more := next()
			if want := begun.Add(time.Duration(n) * 10 * time.Millisecond); !more || !from.Equal(want) {
				t.Fatalf("webhook %d counts from %s, want %s", n, from.Sub(begun), want.Sub(begun))
			}
		}
		if _, more := next(); more {
			t.Error("more than were asked for")
		}
	})
}

func TestWebhooksAreOfTheSizeAskedForAndTellWhenTheyWent(t *testing.T) {
	at := stamp{phase: 7, seq: 123456, at: time.Unix(1764300000, 123456789)}
	for _, size := range []int{0, 1 << 10, 16 << 10, 256 << 10} {
		w := newWebhook(size)
		body := w.append(nil, at)
		if !json.Valid(body) {
			t.Fatalf("not JSON: %.300s", body)
		}
		if len(body) != w.size() || size > 0 && len(body) != size {
			t.Errorf("%d bytes, said to be %d, want %d", len(body), w.size(), size)
		}
		if got, ok := parseStamp(body); !ok || got.phase != at.phase || got.seq != at.seq || !got.at.Equal(at.at) {
			t.Errorf("sent as %v, read as %v (%v)", at, got, ok)
		}
	}
	for _, other := range []string{"", "{}", stampBegins, stampBegins + strings.Repeat("x", 2*stampSize)} {
		if got, ok := parseStamp([]byte(other)); ok {
			t.Errorf("%q is read as %v", other, got)
		}
	}
}

func TestTheSinkCountsEachEventAndItsRepeats(t *testing.T) {
	s := newSink()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { s.talk(theirs); close(done) }()
	client := &http.Client{Transport: &http.Transport{DialContext: pipe(ours)}}
	w := newWebhook(0)
	for _, seq := range []uint32{0, 5000, 1, 1, 1} {
		body := w.append(nil, stamp{phase: 2, seq: seq, at: time.Now().Add(-time.Second)})
		resp, err := client.Post("http://sink/to/run/0", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	for phase, want := range map[int]arrivals{1: {}, 2: {Once: 3, Again: 2}} {
		resp, err := client.Get(fmt.Sprintf("http://sink/?run=run&targets=2&phase=%d&all=yes", phase))
		if err != nil {
			t.Fatal(err)
		}
		var got arrivals
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got.Once != want.Once || got.Again != want.Again || (want.Once > 0) != (got.P99 >= time.Second) {
			t.Errorf("phase %d: %+v, want %+v", phase, got, want)
		}
	}
	client.CloseIdleConnections()
	<-done
}

func TestPercentilesAreValuesThatOccurred(t *testing.T) {
	var l latencies
	for n := range 100 {
		l = append(l, time.Duration(100-n))
	}
	for share, want := range map[float64]time.Duration{0: 1, .5: 50, .99: 99, 1: 100} {
		if got := l.at(share); got != want {
			t.Errorf("at %v: %d, want %d", share, got, want)
		}
	}
	if got := (latencies{}).at(.99); got != 0 {
		t.Errorf("of none: %d", got)
	}
}

// pipe dials one end of a connection, once.
func pipe(c net.Conn) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return c, nil }
}
