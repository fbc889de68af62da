package admin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	answerWithin = 30 * time.Second // after that a request of ours is given up
	writeWithin  = 15 * time.Second // beyond that: a late answer is still one
	anonymous    = "anonymous"      // the user of an open API in the audit log
)

// call is one request that has passed everything but its endpoint.
type call struct {
	ctx   context.Context
	req   *http.Request
	who   User
	query url.Values

	action string      // its word in the audit log; "" for what leaves no line
	attrs  []slog.Attr // what the audit line says beside user and action: ids, never input as it came
}

// note adds to the audit line.
func (c *call) note(attrs ...slog.Attr) { c.attrs = append(c.attrs, attrs...) }

// route is a path and what it does by method; with no methods, what we do not know.
type route struct {
	path    string
	methods map[string]endpoint
}

// routes builds the handler: one route for each path, and one for all others.
func (a *api) routes() http.Handler {
	byPath := map[string]*route{"/": {path: "unknown"}}
	for _, e := range a.endpoints() {
		rt := byPath[e.path]
		if rt == nil {
			rt = &route{path: e.path, methods: map[string]endpoint{}}
			byPath[e.path] = rt
		}
		rt.methods[e.method] = e
	}
	mux := http.NewServeMux()
	for path, rt := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { a.serve(w, r, rt) })
	}
	return mux
}

// serve is the one way in: who may come, what is asked, what is answered,
// counted and recorded. The order matters: nothing is read from a request
// before it is known whose it is.
func (a *api) serve(w http.ResponseWriter, r *http.Request, rt *route) {
	out := &recorder{ResponseWriter: w}
	harden(out.Header())
	within := cmp.Or(rt.methods[r.Method].within, answerWithin)
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	c := &call{ctx: ctx, req: r}

	e, err := a.admit(c, rt)
	if err == nil && within > answerWithin {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(within + writeWithin)) // else the server's holds
	}
	switch {
	case err != nil:
		a.fail(ctx, out, err)
	case e.raw != nil:
		e.raw.ServeHTTP(out, r)
	default:
		var answer any
		if answer, err = e.do(c); err != nil {
			a.fail(ctx, out, err)
		} else {
			a.write(out, http.StatusOK, "application/json", answer)
		}
	}
	a.metrics.requests.WithLabelValues(rt.path, strconv.Itoa(out.status)).Inc()
	if c.action != "" && c.who.Name != "" {
		attrs := append([]slog.Attr{slog.String("user", c.who.Name), slog.String("action", c.action), slog.Int("status", out.status)}, c.attrs...)
		a.audit.LogAttrs(r.Context(), slog.LevelInfo, "operator's change", attrs...)
	}
}

// admit decides whether the request gets to its endpoint, and as whom. The
// user and the action are noted as far as they are known, for the audit line of
// a refusal.
func (a *api) admit(c *call, rt *route) (e endpoint, err error) {
	r := c.req
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	e, known := rt.methods[method]
	c.action = e.action

	users := a.Users()
	if !e.public {
		if err := checkHost(r, len(users) == 0); err != nil {
			return e, err
		}
	}
	if len(users) == 0 || e.public {
		c.who = User{Name: anonymous, Role: Operator}
	} else if c.who, err = a.door.identify(c.ctx, r, users); err != nil {
		return e, err
	}
	switch {
	case rt.methods == nil:
		return e, &problem{Status: http.StatusNotFound, Detail: "there is nothing at this path"}
	case !known:
		return e, &problem{Status: http.StatusMethodNotAllowed, allow: rt.allowed()}
	}
	if e.method != http.MethodGet {
		if err := a.browsers.Check(r); err != nil {
			return e, &problem{Status: http.StatusForbidden, Detail: "a page of another site may not do this"}
		}
		if c.who.Role != Operator {
			return e, &problem{Status: http.StatusForbidden, Detail: "this needs the role operator"}
		}
	}
	if e.public || e.raw != nil {
		return e, nil // probes and scrapers may add what they like
	}
	if c.query, err = parseQuery(r.URL.RawQuery, e.params); err != nil || e.body || e.method == http.MethodGet {
		return e, err
	}
	return e, noBody(r)
}

// allowed is the Allow header of a route (RFC 9110, section 10.2.1).
func (rt *route) allowed() string {
	var list []string
	for m := range rt.methods {
		list = append(list, m)
		if m == http.MethodGet {
			list = append(list, http.MethodHead)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// noBody refuses a body: what most POSTs need is in their path and query.
func noBody(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n > 0 {
		return &problem{Status: http.StatusBadRequest, Detail: "this takes no body"}
	}
	return nil
}

// write answers with v as JSON. It is encoded first, so that a mistake of ours
// is a 500 and not half an answer.
func (a *api) write(w http.ResponseWriter, status int, contentType string, v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		a.log.Error("answer could not be encoded", "err", err)
		status, contentType = http.StatusInternalServerError, "application/problem+json"
		b.Reset()
		b.WriteString(`{"type":"about:blank","title":"Internal Server Error","status":500}` + "\n")
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a client that has gone needs no answer
}

// recorder remembers the status that was answered.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
