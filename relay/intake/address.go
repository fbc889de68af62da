package intake

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// addresses says which address a request comes from, and who may send.
type addresses struct{ trusted []netip.Prefix }

// client is the address of the sender: the peer, or, when the peer is a trusted
// proxy, the nearest one in X-Forwarded-For that is not (each proxy appends whom it
// saw, so what stands further left is only a claim). It is the zero Addr, which no
// prefix contains, when a trusted proxy names nobody we can read.
func (a *addresses) client(r *http.Request) netip.Addr {
	peer := parseAddr(r.RemoteAddr)
	if !contains(a.trusted, peer) {
		return peer
	}
	lines := r.Header["X-Forwarded-For"]
	for _, line := range slices.Backward(lines) {
		for line != "" {
			i := strings.LastIndexByte(line, ',')
			hop := parseAddr(strings.TrimSpace(line[i+1:]))
			if !contains(a.trusted, hop) {
				return hop
			}
			peer, line = hop, line[:max(i, 0)]
		}
	}
	return peer // nobody before the proxies: it was one of them
}

// parseAddr reads an address with or without a port, in the forms proxies write.
func parseAddr(s string) netip.Addr {
	addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		addr = ap.Addr()
	}
	return addr.Unmap().WithZone("")
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}
