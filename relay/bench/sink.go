//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// sink is where events arrive: it counts them by target.
type sink struct{ counts sync.Map } // target -> *atomic.Int64

func newSink() *sink { return &sink{} }

func (s *sink) count(target string) *atomic.Int64 {
	n, ok := s.counts.Load(target)
	if !ok {
		n, _ = s.counts.LoadOrStore(target, new(atomic.Int64))
	}
	c, _ := n.(*atomic.Int64)
	return c
}

func (s *sink) serve(addr string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /to/{target}", func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			s.count(r.PathValue("target")).Add(1)
		}
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, s.count(r.URL.Query().Get("target")).Load()) //nolint:gosec // a number
	})
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}
