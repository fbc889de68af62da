package relaytest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports given are below those that systems take for connections going out
// (Linux from 32768, others from 49152): while nobody listens on one, between two
// lives of a process, no connection gets it for its own end.
const firstPort, lastPort = 16384, 32767

// FreePorts returns so many addresses on loopback that nobody listens on, each
// another. They stay free for a process that is started anew on them, unless a
// program asks for just that port.
func FreePorts(ctx context.Context, n int) (addrs []string, err error) {
	for range 1000 {
		if len(addrs) == n {
			return addrs, nil
		}
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort+1))) //nolint:gosec // no secret
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err != nil {
			continue // taken: try another
		}
		defer func() { _ = l.Close() }() // kept until all are known, so that none is given twice
		addrs = append(addrs, addr)
	}
	return nil, fmt.Errorf("no %d free ports from %d to %d", n, firstPort, lastPort)
}

// TwoPorts is FreePorts for a test of a relay, which has two listeners.
func TwoPorts(t TB) (first, second string) {
	t.Helper()
	addrs, err := FreePorts(context.Background(), 2)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return addrs[0], addrs[1]
}
