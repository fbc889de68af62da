package target

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"invitation-relay/rules"
)

// SetDefaults fills in what the config left out.
func (c *HTTPConfig) SetDefaults() {
	if c.Method == "" {
		c.Method = http.MethodPost
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Success == "" {
		c.Success = "2xx"
	}
}

// defaultTimeout bounds a try of HTTP and Slack targets.
const defaultTimeout = 15 * time.Second

// Check reports every mistake in the settings that the settings alone show; it
// reads no file and asks no network. No message quotes a secret.
func (c *HTTPConfig) Check(env *rules.Env, r Report) {
	u, p := parseEndpoint(c.URL.Reveal())
	reportProblem(r, "url", p)
	if p == nil && hasExpression(c.URL.Reveal()) {
		_, p = rules.CompileURL(env, c.URL.Reveal())
		reportProblem(r, "url", p)
	}
	switch c.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
	default:
		r("method", 0, 0, "not a method that carries a body", "POST, PUT or PATCH")
	}
	c.checkHeaders(env, r)
	if c.JSON != nil {
		_, problems := rules.CompileTree(env, c.JSON, rules.Plain)
		reportTree(r, "json", problems)
	}
	checkTimeout(r, c.Timeout)
	if _, ok := parseSuccess(c.Success); !ok {
		r("success", 0, 0, "not a list of status codes", `codes and classes from 200 to 599, like "2xx" or "200,202"`)
	}
	c.Auth.check(r, u)
	for i, s := range c.Sign {
		if _, err := newSigner(s); err != nil {
			r(fmt.Sprintf("sign[%d]", i), 0, 0, err.Error(), `"whsec_" and the key in base64, 24 to 64 bytes of it`)
		}
	}
	c.TLS.check(r, u)
	_, p = parseProxy(c.Proxy.Reveal())
	reportProblem(r, "proxy", p)
}

// ownHeaders are set by the relay, or by the connection, and by nobody else.
var ownHeaders = map[string]string{
	"Webhook-Id":        "the relay sets it: the event's id",
	"Webhook-Timestamp": "the relay sets it on every try",
	"Webhook-Signature": "the relay sets it when sign is set",
	"Webhook-Kind":      "the relay sets it for what is not received just now",
	"Idempotency-Key":   "the relay sets it: the delivery's id",
	"Traceparent":       "the relay sets it",
	"Tracestate":        "it belongs to traceparent, which the relay sets",
	"User-Agent":        "the relay sets it",
	"Host":              "the host comes from url",
	"Content-Length":    "it follows from the body",
	"Content-Encoding":  "the body is sent as it is",
	"Expect":            "it is about the connection, not the message",

	"Connection":          hopByHop,
	"Keep-Alive":          hopByHop,
	"Proxy-Authenticate":  hopByHop,
	"Proxy-Authorization": hopByHop,
	"Proxy-Connection":    hopByHop,
	"Te":                  hopByHop,
	"Trailer":             hopByHop,
	"Transfer-Encoding":   hopByHop,
	"Upgrade":             hopByHop,
}

const hopByHop = "it is about the connection, not the message (RFC 9110, section 7.6.1)"

// checkHeaders checks names and values, in the order of the names.
func (c *HTTPConfig) checkHeaders(env *rules.Env, r Report) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		path, key, value := "headers."+name, http.CanonicalHeaderKey(name), c.Headers[name].Reveal()
		if !isToken(name) {
			r(path, 0, 0, "not the name of a header", "letters, digits and hyphens")
			continue
		}
		if why, ok := ownHeaders[key]; ok {
			r(path, 0, 0, "cannot be set here", why)
			continue
		}
		if other, ok := seen[key]; ok {
			r(path, 0, 0, "the same header as "+other, "names of headers ignore case")
		}
		seen[key] = name
		if key == "Authorization" && c.Auth.any() {
			r(path, 0, 0, "set twice, here and in auth", "remove one")
		}
		if hasExpression(value) {
			_, p := rules.CompileText(env, value, rules.Header)
			reportProblem(r, path, p)
		} else if !isHeaderValue(value) {
			r(path, 0, 0, "has a line break or another control character in it", "is there a newline at the end of the variable or file?")
		}
	}
}

// any reports whether some way of identifying is set.
func (a *HTTPAuth) any() bool { return a.Basic != nil || !a.Bearer.IsZero() || a.OAuth2 != nil }

// check reports mistakes in auth; u is the URL, nil when that is wrong itself.
func (a *HTTPAuth) check(r Report, u *url.URL) {
	set := 0
	for _, is := range []bool{a.Basic != nil, !a.Bearer.IsZero(), a.OAuth2 != nil, u != nil && u.User != nil} {
		if is {
			set++
		}
	}
	if set > 1 {
		r("auth", 0, 0, "more than one way to identify", "keep one of basic, bearer and oauth2, and no user in url")
	}
	if a.Basic != nil && strings.Contains(a.Basic.Username, ":") {
		r("auth.basic.username", 0, 0, "has a colon in it, which cannot be sent (RFC 7617)", "")
	}
	if a.Basic != nil && a.Basic.Username == "" && a.Basic.Password.IsZero() {
		r("auth.basic", 0, 0, "has neither username nor password", "")
	}
	if a.OAuth2 != nil {
		a.OAuth2.check(r)
	}
	if bearer := a.Bearer.Reveal(); bearer != "" && (!isHeaderValue(bearer) || strings.ContainsAny(bearer, " \t")) {
		r("auth.bearer", 0, 0, "has blanks or control characters in it", "is there a newline at the end of the variable or file?")
	}
}

// check reports mistakes in tls; u is the URL, nil when that is wrong itself.
func (t *ClientTLS) check(r Report, u *url.URL) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		r("tls", 0, 0, "cert_file and key_file go together", "")
	}
	if *t != (ClientTLS{}) && u != nil && u.Scheme == "http" {
		r("tls", 0, 0, "has no effect on a URL that begins with http://", "")
	}
}

// load reads the files that are named.
func (t *ClientTLS) load() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(16)}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_file: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read tls.ca_file: no certificate in it")
		}
	}
	if t.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert_file and tls.key_file: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// orSystem is conf for a token endpoint, which may be a public one: the system's
// authorities count beside those of ca_file.
func (t *ClientTLS) orSystem(conf *tls.Config) *tls.Config {
	if t.CAFile == "" {
		return conf.Clone()
	}
	both := conf.Clone()
	pem, err := os.ReadFile(t.CAFile)
	if pool, sysErr := x509.SystemCertPool(); err == nil && sysErr == nil && pool.AppendCertsFromPEM(pem) {
		both.RootCAs = pool
	}
	return both
}

// parseEndpoint reads a URL up to its first expression. It knows only http and
// https; the problem it returns quotes nothing.
func parseEndpoint(text string) (*url.URL, *rules.Problem) {
	const hint = "like https://cases.example.com/events"
	if text == "" {
		return nil, &rules.Problem{Message: "is missing", Hint: hint}
	}
	text, _, _ = strings.Cut(text, "{{")
	u, err := url.Parse(strings.TrimSuffix(text, "%"))
	switch {
	case err != nil:
		return nil, &rules.Problem{Message: "is not a URL", Hint: hint}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &rules.Problem{Message: "does not begin with http:// or https://", Hint: hint}
	case u.Hostname() == "":
		return nil, &rules.Problem{Message: "has no host", Hint: hint}
	case !isPort(u.Port()):
		return nil, noPort()
	}
	return u, nil
}

func noPort() *rules.Problem {
	return &rules.Problem{Message: "has a port that is none", Hint: "a port is 1 to 65535; without one it is 80 for http and 443 for https"}
}

// isPort reports whether a connection can be made to a port, which need not be there.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// hasExpression reports whether a text has a {{ in it.
func hasExpression(text string) bool { return strings.Contains(text, "{{") }

// basicAuth is the value of an Authorization header (RFC 7617).
func basicAuth(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// userAuth is the same for the user in a URL.
func userAuth(u *url.Userinfo) string {
	password, _ := u.Password()
	return basicAuth(u.Username(), password)
}

// isToken reports whether s can be the name of a header (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// isHeaderValue reports whether s can be sent as a header's value.
func isHeaderValue(s string) bool {
	for _, c := range []byte(s) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// checkTimeout reports a time that is none.
func checkTimeout(r Report, d time.Duration) {
	if d < 0 {
		r("timeout", 0, 0, "is negative", "leave it out for "+defaultTimeout.String())
	}
}

// reportProblem hands a problem in a text on; nil is none.
func reportProblem(r Report, path string, p *rules.Problem) {
	if p != nil {
		r(path, p.Line, p.Col, p.Message, p.Hint)
	}
}

// reportTree hands on the problems of a tree.
func reportTree(r Report, path string, problems []rules.TreeProblem) {
	for _, p := range problems {
		reportProblem(r, joinPath(path, p.Path), &p.Problem)
	}
}

// joinPath appends a path inside a value to the value's own.
func joinPath(path, inside string) string {
	if inside == "" || strings.HasPrefix(inside, "[") {
		return path + inside
	}
	return path + "." + inside
}
