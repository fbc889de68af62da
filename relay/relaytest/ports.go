package relaytest

import (
	"net"
	"testing"
)

// TwoPorts returns two addresses on loopback that nobody listens on, and that
// differ: one asked for after the other, the second may be the first again.
func TwoPorts(t *testing.T) (first, second string) {
	t.Helper()
	var at [2]string
	for i := range at {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }() // when both are known
		at[i] = l.Addr().String()
	}
	return at[0], at[1]
}
