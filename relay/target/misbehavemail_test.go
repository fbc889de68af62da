package target

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"invitation-relay/relay/event"
)

// TestNoMailServerHoldsAnAttemptOrAnythingOfIt: whatever a server does, and at
// whatever stage it begins to, the attempt ends within its time-out as a retry;
// once the target is closed there is no connection and no goroutine left of it.
func TestNoMailServerHoldsAnAttemptOrAnythingOfIt(t *testing.T) {
	const timeout = 300 * time.Millisecond
	stages := []string{"220 hi\r\n", "250 ok\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "250 taken\r\n"}
	names := []string{"the greeting", "EHLO", "MAIL", "RCPT", "DATA", "the mail"}
	endless := func(c net.Conn, text string) {
		for more := strings.Repeat(text, 1+4096/len(text)); ; {
			if _, err := io.WriteString(c, more); err != nil {
				return
			}
		}
	}
	until := func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	for what, does := range map[string]func(c net.Conn, answer string){
		"hangs":        func(c net.Conn, _ string) { until(c) },
		"hangs up":     func(net.Conn, string) {},
		"half-closes":  func(c net.Conn, _ string) { _ = c.(*net.TCPConn).CloseWrite(); until(c) },
		"resets":       func(c net.Conn, _ string) { _ = c.(*net.TCPConn).SetLinger(0) },
		"cuts":         func(c net.Conn, answer string) { _, _ = io.WriteString(c, answer[:2]) },
		"never ends":   func(c net.Conn, answer string) { endless(c, answer[:3]+"-and\r\n") },
		"ends no line": func(c net.Conn, answer string) { _, _ = io.WriteString(c, answer[:4]); endless(c, "x") },
		"trickles": func(c net.Conn, answer string) {
			for _, err := io.WriteString(c, answer[:3]+"-"); err == nil; _, err = io.WriteString(c, "x") {
				time.Sleep(10 * time.Millisecond)
			}
		},
	} {
		for stage, name := range names {
			t.Run(what+" at "+name, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				addr, ended := oneMailServer(t, func(c net.Conn) {
					recite(c, stages[:stage]...)
					does(c, stages[stage])
				})
				e := newTestEmail(t, nil, func(c *EmailConfig) { c.Timeout = timeout })
				e.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, network, addr)
				}
				began := time.Now()
				r := sendMail(t, e)
				if took := time.Since(began); r.Outcome != event.Retry || took > timeout+5*time.Second {
					t.Errorf("%+v after %s, want a retry in time", r, took)
				}
				e.Close()
				ended() // what holds a connection there ends when nobody holds it here
				goleak.VerifyNone(t, before)
			})
		}
	}
}

// oneMailServer does as f says with each connection; ended waits until all have
// ended, and nobody can connect any more.
func oneMailServer(t *testing.T, f func(net.Conn)) (addr string, ended func()) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f(c); _ = c.Close() })
		}
	})
	return l.Addr().String(), func() { _ = l.Close(); wg.Wait() }
}

// TestANameServerThatHangsDoesNotHoldAnAttempt, nor does one that fails, or
// speaks nonsense.
func TestANameServerThatHangsDoesNotHoldAnAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		does func(net.Conn)
		want failure
	}{
		"hangs":    {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, failedDNS},
		"hangs up": {func(net.Conn) {}, failedDNS},
		"babbles":  {func(c net.Conn) { _, _ = c.Read(make([]byte, 512)); _, _ = io.WriteString(c, "\x00\x04oops") }, failedDNS},
	} {
		t.Run(name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			var wg sync.WaitGroup
			var mu sync.Mutex // no server comes to wg once it is waited for
			over, end := context.WithCancel(t.Context())
			d := newDialer()
			d.Timeout = 300 * time.Millisecond // of the whole, where dialTimeout is longer than a test should be
			d.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				if over.Err() != nil {
					return nil, over.Err()
				}
				here, there := net.Pipe()
				context.AfterFunc(over, func() { _ = there.Close() }) // else a look-up nobody waits for goes on for seconds
				wg.Go(func() { c.does(there); _ = there.Close() })
				return here, nil
			}}
			began := time.Now()
			conn, err := d.DialContext(t.Context(), "tcp", "cases.example:80")
			mu.Lock()
			end()
			mu.Unlock()
			if conn != nil || err == nil {
				t.Fatal("connected")
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			if got := classify(err); got != c.want {
				t.Errorf("%v is failure %d, want %d", errors.Unwrap(err), got, c.want)
			}
			wg.Wait()
			goleak.VerifyNone(t, before)
		})
	}
}
