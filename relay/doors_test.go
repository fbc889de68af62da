package relay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"
)

// house is a server behind doors with a few places.
func house(t *testing.T, most int) (addr string, d *doors) {
	t.Helper()
	server := &http.Server{
		Addr: "127.0.0.1:0", ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }),
	}
	l, err := listen(t.Context(), "test", server, most)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		l.stop(ctx)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	d, _ = l.Listener.(*doors)
	return l.Addr().String(), d
}

func visit(t *testing.T, addr, says string) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, says); err != nil {
		t.Fatal(err)
	}
	return c
}

// hears reports the status of the next answer, 0 when the connection ends first.
func hears(t *testing.T, c net.Conn) int {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			t.Error("neither answered nor closed")
		}
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

const (
	ask     = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
	begins  = "POST / HTTP/1.1\r\nHost: x\r\nContent-Le"
	dawdled = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{" // has been heard, and is waited for
)

func TestWhoeverDawdlesLongestMakesPlaceForWhoeverComes(t *testing.T) {
	addr, d := house(t, 3)
	idle := visit(t, addr, ask)
	if hears(t, idle) != 200 {
		t.Fatal("no answer")
	}
	inHand := visit(t, addr, dawdled)
	slow := visit(t, addr, begins)
	if got := hears(t, visit(t, addr, ask)); got != 200 { // waits until slow has dawdled
		t.Errorf("whoever comes is answered %d", got)
	}
	if got := hears(t, slow); got != 0 {
		t.Errorf("the one that owes its first request is answered %d, want its connection closed", got)
	}
	// That leaves idle, inHand and the one that came, idle too: the first goes next.
	if got := hears(t, visit(t, addr, ask)); got != 200 {
		t.Errorf("the next is answered %d", got)
	}
	if got := hears(t, idle); got != 0 {
		t.Errorf("the one idle longest is answered %d, want its connection closed", got)
	}
	if _, err := io.WriteString(inHand, "12345678"); err != nil {
		t.Fatal(err)
	}
	if got := hears(t, inHand); got != 200 {
		t.Errorf("the request in hand is answered %d", got)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.taken > 3 {
		t.Errorf("%d places taken of 3", d.taken)
	}
}

func TestWhoeverHasAnAnswerComingKeepsItsPlaceAndOthersWait(t *testing.T) {
	addr, _ := house(t, 2)
	a, b := visit(t, addr, dawdled), visit(t, addr, dawdled)
	late := visit(t, addr, ask)
	time.Sleep(2 * dawdles) // sockets hold the clock of no bubble
	for _, c := range []net.Conn{a, b} {
		if _, err := io.WriteString(c, "12345678"); err != nil {
			t.Fatal(err)
		}
		if got := hears(t, c); got != 200 {
			t.Errorf("a request in hand is answered %d", got)
		}
	}
	if got := hears(t, late); got != 200 {
		t.Errorf("whoever waited is answered %d", got)
	}
}

func TestPlacesAreGivenBack(t *testing.T) {
	addr, d := house(t, 4)
	for range 20 {
		c := visit(t, addr, ask)
		if got := hears(t, c); got != 200 {
			t.Fatalf("answered %d", got)
		}
		_ = c.Close()
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		d.mu.Lock()
		taken, listed := d.taken, d.fresh.Len()+d.idle.Len()
		d.mu.Unlock()
		if taken == 0 && listed == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d places taken and %d connections listed after all have gone", taken, listed)
		}
	}
}

func TestDescriptorsAreLeftForDeliveries(t *testing.T) {
	for descriptors, want := range map[int][2]int{96: {32, 8}, 1024: {768, 64}, 20000: {15000, 256}, 1 << 20: {16384, 256}, 50: {16, 8}} {
		if webhooks, admin := places(descriptors); webhooks != want[0] || admin != want[1] {
			t.Errorf("of %d: %d and %d, want %v", descriptors, webhooks, admin, want)
		}
	}
}
