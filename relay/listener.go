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

// listen opens the socket, which will have at most so many connections at a
// time. From here on they queue; serve answers them.
func listen(ctx context.Context, name string, server *http.Server, most int) (*listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", server.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	d := newDoors(l, most)
	server.ConnState = d.state
	return &listener{name, server, d}, nil
}

// places shares out the descriptors this process may have: most are for
// webhooks, some for the admin listener, and the rest for what neither may take
// away: the store, the log, and the connections to targets. On a machine that
// allows many, the bound on webhooks is about memory: 20 kB a connection.
func places(descriptors int) (webhooks, admin int) {
	webhooks = max(16, min(descriptors*3/4, descriptors-64, 1<<14))
	return webhooks, max(8, min(descriptors/16, 256))
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
