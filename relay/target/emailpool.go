package target

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// How long connections are kept. Servers close theirs after minutes, routers on
// the way forget them after some; what is meant to be shared is the handshake
// and the login among the mails of one burst.
const (
	mailIdle        = 15 * time.Second
	mailsConnection = 50 // mails over one connection; many servers allow 100
)

// mailConn is a connection on which a mail may be begun.
type mailConn struct {
	conn *quietConn
	c    *smtp.Client
	sent int // mails taken so far
	idle *time.Timer
}

// quit says goodbye so that the server does not log a lost connection, and
// closes. Its failure changes nothing.
func (m *mailConn) quit() {
	_ = m.conn.SetDeadline(time.Now().Add(mailQuitWait))
	_ = m.c.Quit()
	_ = m.conn.Close()
}

// mailPool keeps connections between mails. There are never more than attempts
// at the same time (the target's concurrency): each attempt takes one or dials
// one, and only brings back what it had. The one used last goes out first, so
// that those a burst needed, and nothing needs now, end.
type mailPool struct {
	mu     sync.Mutex
	free   []*mailConn
	closed bool
	byes   sync.WaitGroup // goodbyes under way
}

// take is a free connection, nil when there is none.
func (p *mailPool) take() *mailConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return nil
	}
	m := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	m.idle.Stop() // should it be on its way already, it finds the connection gone from here
	m.conn.read.Store(0)
	return m
}

// put brings back a connection over which a mail was taken, or ends it.
func (p *mailPool) put(m *mailConn) {
	m.sent++
	p.mu.Lock()
	if keep := !p.closed && m.sent < mailsConnection; keep {
		m.idle = time.AfterFunc(mailIdle, func() { p.expire(m) })
		p.free = append(p.free, m)
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	m.quit()
}

// expire ends a connection that has been free for too long.
func (p *mailPool) expire(m *mailConn) {
	p.mu.Lock()
	found := false
	for i, other := range p.free {
		if other == m {
			p.free = append(p.free[:i], p.free[i+1:]...)
			found = true
			p.byes.Add(1)
			break
		}
	}
	p.mu.Unlock()
	if found {
		defer p.byes.Done()
		m.quit()
	}
}

// close ends all connections, and waits for their goodbyes.
func (p *mailPool) close() {
	p.mu.Lock()
	free := p.free
	p.free, p.closed = nil, true
	p.mu.Unlock()
	for _, m := range free {
		m.idle.Stop()
		p.byes.Go(m.quit)
	}
	p.byes.Wait()
}

// closeAfter closes conn when ctx ends before stop is called; stop says whether
// it came in time.
func closeAfter(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.Close() })
}
