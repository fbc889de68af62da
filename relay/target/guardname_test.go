package target

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// TestANameThatLeadsToSuchAnAddressIsNotConnectedTo: the check is on the address, after the name was looked up.
func TestANameThatLeadsToSuchAnAddressIsNotConnectedTo(t *testing.T) {
	for _, address := range []string{"169.254.169.254", "0.0.0.0", "224.0.0.1", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "ff02::1"} {
		d := newDialer()
		d.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return answering(t, netip.MustParseAddr(address)), nil
		}}
		conn, err := d.DialContext(t.Context(), "tcp", "cases.example:80")
		if conn != nil {
			_ = conn.Close()
		}
		if !errors.Is(err, errForbiddenAddress) || classify(err) != failedForbidden {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// answering is a connection to a name server that knows one address for every
// name: to the question of its kind it answers with it, to the other with none.
func answering(t *testing.T, a netip.Addr) net.Conn {
	t.Helper()
	here, there := net.Pipe() // a stream: the resolver puts the length before each message
	go func() {
		defer func() { _ = there.Close() }()
		for {
			head := make([]byte, 2)
			if _, err := there.Read(head); err != nil {
				return
			}
			q := make([]byte, int(head[0])<<8|int(head[1]))
			if _, err := there.Read(q); err != nil {
				return
			}
			end := 12
			for q[end] != 0 {
				end += int(q[end]) + 1
			}
			question, kind := q[12:end+5], q[end+2]
			reply := []byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0} // an answer, recursion available
			reply = append(reply, question...)
			if raw := a.AsSlice(); kind == 1 && len(raw) == 4 || kind == 28 && len(raw) == 16 { // A, AAAA
				reply[7] = 1
				reply = append(reply, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, byte(len(raw))) // the name asked for, a minute
				reply = append(reply, raw...)
			}
			if _, err := there.Write(append([]byte{byte(len(reply) >> 8), byte(len(reply))}, reply...)); err != nil {
				return
			}
		}
	}()
	return here
}
