package intake

import (
	"bytes"
	"context"
	"crypto/tls"
	"log"
	"log/slog"
	"net/http"
	"time"
)

// How long a connection may take for what.
const (
	headerTimeout  = 5 * time.Second
	requestTimeout = 15 * time.Second
	answerTimeout  = 30 * time.Second // from the head of the request: longer than its body may take
	idleTimeout    = time.Minute
	maxHeader      = 32 << 10
)

// NewServer is the HTTP server a Handler is meant for: HTTP/1.1 only, every wait
// bounded, OPTIONS * not answered by itself, and an error log that says what
// happened without showing what was sent. tlsConfig may be nil.
func NewServer(addr string, h http.Handler, tlsConfig *tls.Config, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Addr: addr, Handler: h, TLSConfig: tlsConfig,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout,
		WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, Protocols: protocols, DisableGeneralOptionsHandler: true,
		ErrorLog: log.New(&errorLog{log: logger}, "", 0),
	}
}

// errorLog turns net/http's lines, which quote what was sent, into sentences of
// our own. Each sentence has a brake: a scanner must not fill the disk.
type errorLog struct {
	log    *slog.Logger
	accept brake
	tls    brake
	panics brake
	other  brake
}

func (l *errorLog) Write(line []byte) (int, error) {
	switch {
	case bytes.HasPrefix(line, []byte("http: Accept error")):
		// Most often: too many open files. The error is the system's own.
		l.say(&l.accept, slog.LevelError, "cannot accept connections", slog.String("err", string(bytes.TrimSpace(bytes.TrimPrefix(line, []byte("http: Accept error: "))))))
	case bytes.HasPrefix(line, []byte("http: TLS handshake error")):
		l.say(&l.tls, slog.LevelInfo, "TLS handshake failed")
	case bytes.HasPrefix(line, []byte("http: panic serving")):
		l.say(&l.panics, slog.LevelError, "an answer broke")
	default:
		l.say(&l.other, slog.LevelDebug, "a connection failed")
	}
	return len(line), nil
}

func (l *errorLog) say(b *brake, level slog.Level, msg string, attrs ...slog.Attr) {
	held, ok := b.pass(time.Now())
	if !ok {
		return
	}
	if held > 0 {
		attrs = append(attrs, slog.Int("not_logged", held))
	}
	l.log.LogAttrs(context.Background(), level, msg, attrs...) //nolint:sloglint // msg is a constant at each call
}
