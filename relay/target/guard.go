package target

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// dialTimeout bounds connecting, name look-up included: a host that drops
// packets silently shall not use up the whole time of a try.
const dialTimeout = 10 * time.Second

// errForbiddenAddress says that a target's name led to an address no target
// may have. It names neither.
var errForbiddenAddress = errors.New("the address is link-local, metadata, unspecified or multicast")

// newDialer makes the dialer of every connection a target opens. The check
// runs on the address about to be connected to, after the name was looked up,
// so that a name that changes its mind between check and use gains nothing.
func newDialer() *net.Dialer {
	return &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, ControlContext: guardDial}
}

// guardDial refuses an address no target may have. Private and loopback
// addresses are allowed: a small team's own services live there.
func guardDial(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil || forbidden(ap.Addr()) {
		return errForbiddenAddress
	}
	return nil
}

// forbidden reports whether no target may live at a. An IPv4 address inside an
// IPv6 one (mapped, compatible, 6to4, NAT64) counts as itself: some kernels
// and gateways connect to it all the same.
func forbidden(a netip.Addr) bool {
	a = a.WithZone("")
	if v4, ok := embedded(a); ok {
		a = v4
	}
	switch {
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast():
		return true
	case a.Is4():
		b := a.As4()
		if b[0] == 0 || b == [4]byte{255, 255, 255, 255} { // "this network" (RFC 1122), limited broadcast
			return true
		}
	}
	return isMetadata(a)
}

// Forbidden reports whether the host of a URL is written as an address that no
// target may have. What a name leads to shows only when it is connected to.
func Forbidden(endpoint string) bool {
	u, p := parseEndpoint(endpoint)
	if p != nil {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err == nil && forbidden(a)
}

// isMetadata knows the metadata services of cloud providers outside the
// link-local range. They hand out credentials to whoever asks.
func isMetadata(a netip.Addr) bool {
	switch a.String() {
	case "100.100.100.200", // Alibaba Cloud
		"168.63.129.16", // Azure's platform address
		"192.0.0.192",   // Oracle Cloud
		"fd00:42::42",   // Scaleway
		"fd00:c1::a9fe:a9fe",
		"fd00:ec2::254", // AWS
		"fd00:ec2::23",  // AWS, container credentials
		"fd20:ce::254":  // Google Cloud
		return true
	}
	return false
}

// embedded is the IPv4 address inside an IPv6 one, if there is one.
func embedded(a netip.Addr) (netip.Addr, bool) {
	if a.Is4In6() {
		return a.Unmap(), true
	}
	if !a.Is6() {
		return a, false
	}
	b := a.As16()
	v4 := func(i int) (netip.Addr, bool) { return netip.AddrFrom4([4]byte(b[i : i+4])), true }
	switch {
	case b[0] == 0x20 && b[1] == 0x02: // 6to4, RFC 3056
		return v4(2)
	case [12]byte(b[:12]) == [12]byte{0x00, 0x64, 0xff, 0x9b}: // NAT64, RFC 6052
		return v4(12)
	case [6]byte(b[:6]) == [6]byte{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}: // local NAT64, RFC 8215, as a /96
		return v4(12)
	case [12]byte(b[:12]) == [12]byte{} && !a.IsUnspecified() && !a.IsLoopback(): // compatible, RFC 4291
		return v4(12)
	}
	return a, false
}
