package relaytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves a handler on a free port of 127.0.0.1.
type Server struct {
	url   string
	http  *http.Server
	conns atomic.Int64
	done  sync.WaitGroup
}

// Listen starts a server; conf is nil for plain HTTP. The caller closes it.
func Listen(h http.Handler, conf *tls.Config) (*Server, error) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for a receiver: %w", err)
	}
	s := &Server{url: "http://" + ln.Addr().String()}
	if conf != nil {
		s.url = "https://" + ln.Addr().String()
		ln = tls.NewListener(ln, conf)
	}
	s.http = &http.Server{
		Handler:           h,
		ErrorLog:          discard(), // it would hold pieces of requests
		ReadHeaderTimeout: 10 * time.Second,
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.conns.Add(1)
			}
		},
	}
	s.done.Go(func() {
		if err := s.http.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			_ = ln.Close()
		}
	})
	return s, nil
}

// URL is where it listens, without a slash at the end.
func (s *Server) URL() string { return s.url }

// Connections is how many connections were opened to it so far.
func (s *Server) Connections() int { return int(s.conns.Load()) }

// Close cuts all connections and ends the server.
func (s *Server) Close() {
	_ = s.http.Close()
	s.done.Wait()
}
