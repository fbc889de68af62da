package target

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"invitation-relay/rules"
)

// A proxy comes from the config and from nowhere else: HTTP_PROXY and its kin say
// where a person's browser goes, and would take personal data with them. The
// proxy's own address is checked when it is dialled, like any other; where it goes
// from there only it knows, so of the endpoint's address only what the URL says can
// be checked.

// parseProxy reads the config's proxy; nil for none. The problem quotes nothing.
func parseProxy(text string) (*url.URL, *rules.Problem) {
	if text == "" {
		return nil, nil
	}
	const hint = "like http://proxy.example.com:3128"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, &rules.Problem{Message: "is not a URL", Hint: hint}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &rules.Problem{Message: "does not begin with http:// or https://", Hint: hint}
	case !isPort(u.Port()):
		return nil, noPort()
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || hasExpression(text):
		return nil, &rules.Problem{Message: "has more in it than a user, a host and a port", Hint: hint}
	}
	return u, nil
}

// useProxy makes a transport go through a proxy.
func useProxy(t *http.Transport, proxy *url.URL) {
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if forbiddenHost(r.URL.Hostname()) {
			return nil, errForbiddenAddress
		}
		return proxy, nil
	}
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
		if resp.StatusCode != http.StatusOK {
			return proxyError(resp.StatusCode)
		}
		return nil
	}
}

// proxyError is a proxy's status for a request to be let through.
type proxyError int

func (e proxyError) Error() string { return "the proxy answered " + strconv.Itoa(int(e)) }

// forbiddenHost reports whether a URL's host is an address that no target may
// have. Other ways to write an address (0xa9fea9fe, 2852039166) are refused
// altogether: a proxy may read them as one.
func forbiddenHost(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return forbidden(a)
	}
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return true
	}
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || strings.Trim(last, "0123456789") == ""
}
