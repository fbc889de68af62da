package target

import (
	"context"
	"crypto/tls"
	"strconv"
	"time"
)

// Probe connects to the mail server, agrees on TLS as an attempt would, and logs
// in. No mail is begun.
func (e *Email) Probe(ctx context.Context, each time.Duration) []Finding {
	fault := func(stage mailStage, err error) string { return mailResult(stage, err, 1).Reason }
	tcp, found := probeTCP(ctx, e.cfg.Host, strconv.Itoa(e.cfg.Port), each, func(err error) string { return fault(mailConnecting, err) })
	if tcp == nil {
		return found
	}
	conn := &quietConn{Conn: tcp}
	defer func() { _ = conn.Close() }() // nothing was sent
	ctx, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()

	var state *tls.ConnectionState
	probe := Email{cfg: e.cfg, tls: e.tls.Clone()}
	probe.tls.VerifyConnection = func(s tls.ConnectionState) error { state = &s; return nil } // after the ordinary verification
	c, stage, err := probe.open(ctx, conn)
	if state != nil {
		found = append(found, certificateFinding(*state, time.Now()))
	}
	if err != nil {
		if answerOf(err) == nil && ctx.Err() != nil {
			err = errMailTimeout
		}
		return append(found, Finding{Fail, fault(stage, err)})
	}
	(&mailConn{conn: conn, c: c}).quit()
	switch {
	case state == nil && e.cfg.TLS == mailTLSOpportunistic:
		found = append(found, Finding{Warn, "the server offers no STARTTLS: mail goes to it unencrypted"})
	case state == nil && !isLoopbackAddr(tcp.RemoteAddr()):
		found = append(found, Finding{Warn, "mail goes to the server unencrypted, as tls: none says"})
	}
	if e.cfg.Username != "" {
		return append(found, Finding{OK, "it takes the login"})
	}
	return append(found, Finding{OK, "it greets as a mail server does"})
}
