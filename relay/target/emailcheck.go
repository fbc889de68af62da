package target

import (
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/netip"
	"strings"

	"invitation-relay/rules"
)

// mailText is one of the texts of a mail: where it stands in the config, how
// its values are escaped, and where its compiled form goes. A value in the
// plain text is one line too: a name with line breaks could else write lines
// that look like the operator's ("Status: ACCEPTED").
type mailText struct {
	path, source string
	escape       rules.Escape
	in           func(*Email) **rules.Text
}

func (c *EmailConfig) texts() [3]mailText {
	return [3]mailText{
		{"subject", c.Subject, rules.Header, func(e *Email) **rules.Text { return &e.subject }},
		{"text", c.Text, rules.Header, func(e *Email) **rules.Text { return &e.text }},
		{"html", c.HTML, rules.HTML, func(e *Email) **rules.Text { return &e.html }},
	}
}

// Check reports every mistake in the settings, after SetDefaults.
func (c *EmailConfig) Check(env *rules.Env, r Report) {
	c.checkServer(r)
	c.checkLogin(r)
	c.checkMailboxes(r)
	for _, t := range c.texts() {
		if t.source == "" {
			continue
		}
		if _, p := rules.CompileText(env, t.source, t.escape); p != nil && !p.Warning {
			r(t.path, p.Line, p.Col, p.Message, p.Hint)
		}
	}
	if c.Timeout < 0 {
		r("timeout", 0, 0, "a timeout cannot be negative", "")
	}
}

func (c *EmailConfig) checkServer(r Report) {
	switch {
	case c.Host == "":
		r("host", 0, 0, "host is missing", "the name of the mail server, like smtp.example.org")
	case strings.Contains(c.Host, "://"):
		r("host", 0, 0, "host must be a name or an address, not a URL", "write smtp.example.org, and the port in port:")
	case strings.ContainsAny(c.Host, " \t\r\n/@[]"):
		r("host", 0, 0, "not a host name", "")
	case strings.Contains(c.Host, ":"):
		if _, err := netip.ParseAddr(c.Host); err != nil {
			r("host", 0, 0, "host must not contain the port", "write the port in port:")
		}
	}
	if ip, err := netip.ParseAddr(c.Host); err == nil && forbidden(ip) {
		r("host", 0, 0, "link-local, metadata, unspecified and multicast addresses are refused", "")
	}
	if c.Port < 1 || c.Port > 65535 {
		r("port", 0, 0, "a port is 1 to 65535", "587 for STARTTLS, 465 for tls: implicit")
	}
	switch c.TLS {
	case mailTLSMandatory, mailTLSImplicit, mailTLSOpportunistic, mailTLSNone:
	default:
		r("tls", 0, 0, "tls is one of mandatory, implicit, opportunistic, none",
			"mandatory is STARTTLS (port 587), implicit is TLS from the start (port 465)")
	}
}

// checkLogin demands user name and password together, and no login over a
// connection that anybody on the way could read or change. CRAM-MD5 is no
// exception: who listens can try passwords against it at home.
func (c *EmailConfig) checkLogin(r Report) {
	if c.Auth != mailAuthAuto && mechanismSet(c.Auth) == "" {
		r("auth", 0, 0, "auth is one of auto, plain, login, cram-md5, xoauth2",
			"auto takes the best that the server offers; with xoauth2 the password is an access token")
	}
	if c.Username == "" && c.Password.IsZero() {
		if c.Auth != mailAuthAuto {
			r("auth", 0, 0, "auth without username and password", "set both, or leave auth out")
		}
		return
	}
	switch {
	case c.Username == "":
		r("username", 0, 0, "a password without a username", "set both, or neither")
	case c.Password.IsZero():
		r("password", 0, 0, "a username without a password", "set both, or neither")
	case strings.ContainsAny(c.Password.Reveal(), "\r\n\x00"):
		r("password", 0, 0, "the password contains a line break or a NUL", "a file it comes from may end in an empty line")
	}
	if strings.ContainsAny(c.Username, "\r\n\x00") {
		r("username", 0, 0, "the username contains a line break or a NUL", "")
	}
	if c.TLS == mailTLSNone && !isLoopbackHost(c.Host) {
		r("tls", 0, 0, "a login over an unencrypted connection would show the password to the network",
			"use tls: mandatory or implicit; without TLS a login is for a mail server on this machine (127.0.0.1, localhost)")
	}
}

func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (c *EmailConfig) checkMailboxes(r Report) {
	if c.From == "" {
		r("from", 0, 0, "from is missing", `an address the mail server lets you send as, like "Relay <relay@example.org>"`)
	} else if _, err := parseMailbox(c.From); err != nil {
		r("from", 0, 0, err.Error(), `write relay@example.org or "Relay <relay@example.org>"`)
	}
	if len(c.To) == 0 {
		r("to", 0, 0, "to is missing", "a list of addresses; each gets a mail of its own")
	}
	seen := make(map[string]int, len(c.To))
	for i, text := range c.To {
		path := fmt.Sprintf("to[%d]", i)
		a, err := parseMailbox(text)
		if err != nil {
			r(path, 0, 0, err.Error(), "one address an entry, like team@example.org")
			continue
		}
		if first, twice := seen[mailboxHash(a)]; twice {
			r(path, 0, 0, fmt.Sprintf("the same address as to[%d]", first), "upper and lower case make no difference")
			continue
		}
		seen[mailboxHash(a)] = i
	}
}

var (
	errMailbox      = errors.New("not a mail address")
	errMailboxASCII = errors.New("the address itself must be ASCII: write its domain in the xn-- form")
)

// parseMailbox reads one mailbox (RFC 5322, section 3.4). The address itself
// must be ASCII: one that is not needs SMTPUTF8 at every server on its way.
func parseMailbox(s string) (*netmail.Address, error) {
	a, err := netmail.ParseAddress(s)
	if err != nil {
		return nil, errMailbox // the parser's own words quote the input
	}
	for _, b := range []byte(a.Address) {
		switch {
		case b >= 0x80:
			return nil, errMailboxASCII
		case b < 0x20 || b == 0x7f:
			return nil, errMailbox
		}
	}
	return a, nil
}
