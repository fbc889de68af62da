package admin

import (
	"net/http"
	"time"
)

// NewServer is the HTTP server the handler is meant for: every wait is bounded.
// The caller sets Addr, TLSConfig and ErrorLog.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      answerWithin + writeWithin,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}
