package intake

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func prefixes(s ...string) (p []netip.Prefix) {
	for _, v := range s {
		p = append(p, netip.MustParsePrefix(v))
	}
	return p
}

// X-Forwarded-For is believed from trusted proxies, and of it only what they
// wrote: the nearest hop that is not one of them.
func TestForwardedForIsBelievedFromTrustedProxiesOnly(t *testing.T) {
	a := addresses{prefixes("10.0.0.0/8", "fd00::/8")}
	for _, tc := range []struct {
		peer string
		xff  []string
		want string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"192.0.2.1:1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"10.0.0.1:1", nil, "10.0.0.1"},
		{"10.0.0.1:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:1", []string{"203.0.113.5, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:1", []string{"203.0.113.5, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"10.0.0.1:1", []string{"203.0.113.5", "198.51.100.7", "10.0.0.2,10.0.0.3"}, "198.51.100.7"},
		{"10.0.0.1:1", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"10.0.0.1:1", []string{"garbage"}, "invalid IP"},
		{"10.0.0.1:1", []string{"198.51.100.7, garbage"}, "invalid IP"},
		{"10.0.0.1:1", []string{"garbage, 198.51.100.7"}, "198.51.100.7"},
		{"10.0.0.1:1", []string{"198.51.100.7,"}, "invalid IP"},
		{"10.0.0.1:1", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		{"10.0.0.1:1", []string{"2001:db8::7"}, "2001:db8::7"},
		{"10.0.0.1:1", []string{"[2001:db8::7]:4711"}, "2001:db8::7"},
		{"10.0.0.1:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"10.0.0.1:1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"[::ffff:10.0.0.1]:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"[fd00::1%eth0]:1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"@", nil, "invalid IP"}, // a Unix socket
	} {
		r := request("/", "", from(tc.peer))
		r.Header["X-Forwarded-For"] = tc.xff
		if got := a.client(r).String(); got != tc.want {
			t.Errorf("peer %s, X-Forwarded-For %q: client is %s, want %s", tc.peer, tc.xff, got, tc.want)
		}
	}
}

// Nobody gets in by naming an allowed address.
func TestAllowFromCannotBeClaimed(t *testing.T) {
	cfg := Config{TrustedProxies: prefixes("10.0.0.0/8"), Sources: []*Source{{Name: "s", Path: "/s", Auth: Auth{AllowFrom: prefixes("198.51.100.0/24")}}}}
	claim := header("X-Forwarded-For", "198.51.100.7")
	newWorldWith(t, cfg).do(202, request("/s", "{}", noAuth, from("10.0.0.1:1"), claim))
	newWorldWith(t, cfg).do(403, request("/s", "{}", noAuth, from("192.0.2.1:1"), claim, header("X-Real-Ip", "198.51.100.7"), header("Forwarded", "for=198.51.100.7")))
	newWorldWith(t, cfg).do(403, request("/s", "{}", noAuth, from("10.0.0.1:1"), header("X-Forwarded-For", "198.51.100.7, 192.0.2.1")))
	newWorldWith(t, cfg).do(403, request("/s", "{}", noAuth, from("10.0.0.1:1"), header("X-Forwarded-For", "198.51.100.7, x")))
}

func TestGuesserIsThrottledAndTheRightSenderNever(t *testing.T) {
	w := newWorld(t)
	guess := func() *http.Request {
		return request("/plain", testBody, header("Authorization", basicAuth(testUser, "x")))
	}
	for range maxFailures {
		w.do(401, guess())
	}
	if got := w.do(429, guess()).Header().Get("Retry-After"); got != "60" {
		t.Errorf("Retry-After is %q", got)
	}
	w.do(202, request("/plain", testBody)) // the same address, the right password
	w.now = w.now.Add(failureWindow - 1500*time.Millisecond)
	if got := w.do(429, guess()).Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After is %q", got)
	}
	w.do(401, request("/plain", testBody, noAuth, from("192.0.2.2:1"))) // another address
	w.now = w.now.Add(1500 * time.Millisecond)
	w.do(401, guess())
	w.do(200, request("/plain", testBody))
}

// 403s count as well: an address that may not send cannot knock without end.
func TestForbiddenAddressIsThrottled(t *testing.T) {
	w := newWorld(t, &Source{Name: "s", Path: "/s", Auth: Auth{AllowFrom: prefixes("198.51.100.0/24")}})
	for range maxFailures {
		w.do(403, request("/s", "{}"))
	}
	w.do(429, request("/s", "{}"))
}

func TestIPv6NetworkIsOneGuesser(t *testing.T) {
	var th throttle
	now := time.Unix(1e9, 0)
	for i := range maxFailures {
		if th.fail(netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1)), now) != 0 {
			t.Fatalf("throttled after %d", i)
		}
	}
	if th.fail(netip.MustParseAddr("2001:db8::ffff:1"), now) == 0 {
		t.Error("another address of the same /64 is not throttled")
	}
	if th.fail(netip.MustParseAddr("2001:db8:0:1::1"), now) != 0 {
		t.Error("another /64 is throttled")
	}
}

// A million addresses cost no more memory than four thousand; those that find no
// room share a count, and room comes back after a minute.
func TestThrottleIsBounded(t *testing.T) {
	var th throttle
	now := time.Unix(1e9, 0)
	addr := netip.MustParseAddr("10.0.0.0")
	for range 100_000 {
		addr = addr.Next()
		th.fail(addr, now)
	}
	if len(th.seen) > maxGuessers {
		t.Errorf("%d addresses are remembered", len(th.seen))
	}
	if th.fail(netip.MustParseAddr("192.0.2.1"), now) == 0 {
		t.Error("without room, a new address has failures of its own")
	}
	now = now.Add(failureWindow)
	if th.fail(netip.MustParseAddr("192.0.2.1"), now) != 0 {
		t.Error("a minute later there is no room again")
	}
	if len(th.seen) != 1 {
		t.Errorf("%d addresses are remembered after a minute, want 1", len(th.seen))
	}
}

// A clock set back must not lock anybody out for hours.
func TestClockSetBackDoesNotThrottle(t *testing.T) {
	var th throttle
	now := time.Unix(1e9, 0)
	for range maxFailures + 1 {
		th.fail(netip.MustParseAddr("192.0.2.1"), now)
	}
	if th.fail(netip.MustParseAddr("192.0.2.1"), now.Add(-time.Hour)) != 0 {
		t.Error("throttled by failures of the future")
	}
}
