package target

import (
	"net/netip"
	"testing"
)

// TestNoTargetMayHaveSuchAnAddress is DESIGN.md section 14: link-local,
// metadata, unspecified and multicast never; private and loopback always.
func TestNoTargetMayHaveSuchAnAddress(t *testing.T) {
	table := map[bool][]string{
		true: {
			"169.254.169.254", "169.254.170.2", "169.254.0.1", "fe80::1", "fe80::1%eth0",
			"0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.255.255.250", "ff02::1", "ff05::2", "255.255.255.255",
			"fd00:ec2::254", "fd20:ce::254", "fd00:42::42", "100.100.100.200", "168.63.129.16", "192.0.0.192",
			"::ffff:169.254.169.254", "::ffff:0.0.0.0", "::169.254.169.254",
			"64:ff9b::169.254.169.254", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1",
		},
		false: {
			"127.0.0.1", "127.1.2.3", "::1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "fd12:3456::1", "100.64.0.1",
			"93.184.215.14", "2606:4700::1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:0a00:0001::1", "192.0.0.193",
		},
	}
	for want, addrs := range table {
		for _, a := range addrs {
			if got := forbidden(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s: forbidden %t, want %t", a, got, want)
			}
		}
	}
	if guardDial(t.Context(), "tcp4", "not an address", nil) == nil {
		t.Error("what cannot be read is let through")
	}
}
