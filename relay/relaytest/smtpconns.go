package relaytest

import (
	"net"
	"slices"
)

// countingListener keeps the connections it takes for the server.
type countingListener struct {
	net.Listener
	s *SMTP
}

// Accept takes a connection.
func (l countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.s.mu.Lock()
	l.s.conns = append(l.s.conns, c)
	l.s.mu.Unlock()
	return c, nil
}

// Connections is how many connections were taken since the start.
func (s *SMTP) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// HangUp closes all connections without a word, and goes on listening.
func (s *SMTP) HangUp() {
	s.mu.Lock()
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Close() // most are closed already
	}
}
