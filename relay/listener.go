package relay

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
)

// listener is a server and the socket it has, so that its address is known
// before the first request and a port 0 can be asked for.
type listener struct {
	name   string
	server *http.Server
	net.Listener
}

// listen opens the socket. From here on connections queue; serve answers them.
func listen(ctx context.Context, name string, server *http.Server) (*listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", server.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	return &listener{name, server, l}, nil
}

// serve answers until the server is shut down.
func (l *listener) serve() error {
	var err error
	if l.server.TLSConfig != nil {
		err = l.server.ServeTLS(l.Listener, "", "")
	} else {
		err = l.server.Serve(l.Listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.name, err)
}

// stop closes the socket and lets requests in hand end until ctx ends; then it
// cuts them off. That a sender dawdled is no failure of ours: it was told nothing.
func (l *listener) stop(ctx context.Context) {
	l.server.SetKeepAlivesEnabled(false)
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // its sockets are gone either way
	}
}
