package intake

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// serve runs the real server on a real socket and returns its address. spoil may
// shorten its time-outs.
func serve(t *testing.T, w *world, spoil func(*http.Server)) string {
	t.Helper()
	srv := NewServer("127.0.0.1:0", w.h, nil, slog.New(slog.DiscardHandler))
	if spoil != nil {
		spoil(srv)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// talk writes raw bytes and returns the answers, until the server ends the
// connection; hangs reports that it did not.
func talk(t *testing.T, addr, raw string, halfClose bool) (answers []string, hangs bool) {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the server's side is what is tested
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = io.WriteString(conn, raw) // it may be refused halfway
		if tcp, ok := conn.(*net.TCPConn); ok && halfClose {
			_ = tcp.CloseWrite()
		}
	}()
	method, _, _ := strings.Cut(raw, " ")
	r := bufio.NewReader(conn)
	for {
		resp, err := http.ReadResponse(r, &http.Request{Method: method})
		if err != nil {
			var timeout net.Error
			return answers, errors.As(err, &timeout) && timeout.Timeout()
		}
		body, _ := io.ReadAll(resp.Body) // cut short is short
		_ = resp.Body.Close()
		resp.Header.Del("Date")
		var b bytes.Buffer
		_, _ = fmt.Fprintf(&b, "%d ", resp.StatusCode)
		_ = resp.Header.Write(&b)
		_, _ = b.Write(body)
		answers = append(answers, b.String())
	}
}

// post is a whole request as bytes, with further header lines.
func post(path, body string, lines ...string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: relay\r\nAuthorization: " + basicAuth(testUser, testPassword) +
		"\r\nContent-Type: application/json\r\n" + strings.Join(append(lines, ""), "\r\n") + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// chunked is the same without a length.
func chunked(path, chunks string, lines ...string) string {
	head, _, _ := strings.Cut(post(path, "", lines...), "Content-Length")
	return head + "Transfer-Encoding: chunked\r\n\r\n" + chunks
}

func chunk(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }

// TestHostileRequests sends what no HTTP library would. Each row says which
// statuses may come, in order; a 0 is an end without an answer.
func TestHostileRequests(t *testing.T) {
	const last = "0\r\n\r\n"
	next := post("/plain", `{"id":"smuggled"}`)
	end := "Connection: close"
	for name, tc := range map[string]struct {
		raw    string
		want   string // "202", "400|0", "202 202"
		events int
		half   bool
	}{
		"plain":                     {post("/plain", testBody, end), "202", 1, false},
		"pipelined":                 {post("/plain", testBody) + post("/plain", testBody, end), "202 200", 1, false},
		"HTTP/1.0":                  {strings.Replace(post("/plain", testBody), "HTTP/1.1", "HTTP/1.0", 1), "202", 1, false},
		"absolute form":             {strings.Replace(post("/plain", testBody, end), "POST /plain", "POST http://evil.example/plain", 1), "202", 1, false},
		"expect continue":           {post("/plain", testBody, end, "Expect: 100-continue"), "100 202", 1, false},
		"expect something":          {post("/plain", testBody, end, "Expect: the unexpected"), "417", 0, false},
		"chunked":                   {chunked("/plain", chunk(testBody)+last), "202", 1, false},
		"chunk by chunk":            {chunked("/plain", chunk(testBody[:1])+chunk(testBody[1:9])+chunk(testBody[9:])+last), "202", 1, false},
		"chunked, then smuggled":    {chunked("/plain", chunk(testBody)+last+next), "202", 1, false}, // one answer, and the end
		"chunked, refused, smuggle": {chunked("/none", chunk(testBody)+last+next), "404", 0, false},
		"length and chunks":         {chunked("/plain", chunk(testBody)+last+next, "Content-Length: 3"), "202|400", 1, false},
		"chunk size not hex":        {chunked("/plain", "zz\r\n{}\r\n"+last), "400|0", 0, false},
		"chunk size negative":       {chunked("/plain", "-2\r\n{}\r\n"+last), "400|0", 0, false},
		"chunk size with 0x":        {chunked("/plain", "0x2\r\n{}\r\n"+last), "400|0", 0, false},
		"chunk size of 80 bits":     {chunked("/plain", "ffffffffffffffffffff\r\n{}\r\n"), "400|0", 0, false},
		"chunk of 8 EiB":            {chunked("/plain", "7fffffffffffffff\r\n{}"), "400|413|0", 0, true},
		"chunk without end":         {chunked("/plain", "2\r\n{}xx"+last), "400|0", 0, false},
		"chunks without end":        {chunked("/plain", chunk(testBody)), "400|0", 0, true},
		"chunk extension of 20 kB":  {chunked("/plain", "2;"+strings.Repeat("a", 20<<10)+"\r\n{}\r\n"+last), "400|0", 0, false},
		"many empty extensions":     {chunked("/plain", strings.Repeat("1;"+strings.Repeat("x", 2000)+"\r\n \r\n", 200)+last), "400|0", 0, false},
		"endless chunks":            {chunked("/plain", strings.Repeat(chunk(strings.Repeat(" ", 1000)), 300)+last), "413", 0, false},
		"trailer":                   {chunked("/plain", chunk(testBody)+"0\r\nAuthorization: x\r\n\r\n"), "202|400", 1, false},
		"two chunked":               {chunked("/plain", chunk(testBody)+last, "Transfer-Encoding: chunked"), "400|501", 0, false},
		"chunked, identity":         {chunked("/plain", chunk(testBody)+last, "Transfer-Encoding: identity"), "400|501", 0, false},
		"gzip, chunked":             {strings.Replace(chunked("/plain", chunk(testBody)+last), "chunked", "gzip, chunked", 1), "400|501", 0, false},
		"xchunked":                  {strings.Replace(chunked("/plain", chunk(testBody)+last), "chunked", "xchunked", 1), "400|501", 0, false},
		"TE with a blank":           {strings.Replace(chunked("/plain", chunk(testBody)+last), "Encoding:", "Encoding :", 1), "400", 0, false},
		"two lengths":               {post("/plain", testBody, "Content-Length: 3"), "400", 0, false},
		"the same length twice":     {post("/plain", testBody, end, "Content-Length: "+strconv.Itoa(len(testBody))), "202|400", 1, false},
		"a list of lengths":         {strings.Replace(post("/plain", testBody), "Content-Length: ", "Content-Length: 3, ", 1), "400", 0, false},
		"negative length":           {strings.Replace(post("/plain", testBody), "Content-Length: ", "Content-Length: -", 1), "400", 0, false},
		"length with a sign":        {strings.Replace(post("/plain", testBody), "Content-Length: ", "Content-Length: +", 1), "400", 0, false},
		"length in hex":             {strings.Replace(post("/plain", testBody), "Content-Length: ", "Content-Length: 0x", 1), "400", 0, false},
		"length beyond 64 bits":     {strings.Replace(post("/plain", testBody), "Content-Length: ", "Content-Length: 99999999999999999999", 1), "400", 0, false},
		"length of 8 EiB":           {strings.Replace(post("/plain", "{}"), "Content-Length: 2", "Content-Length: 9223372036854775807", 1), "413", 0, false},
		"length too long":           {strings.Replace(post("/plain", testBody), "Content-Length: ", "Content-Length: 1", 1), "400", 0, true},
		"length too short":          {strings.Replace(post("/plain", `{"id":"a"}`+"xx"), "Content-Length: 12", "Content-Length: 10", 1), "202 400|202", 1, true},
		"no length":                 {strings.Replace(post("/plain", "", end), "Content-Length: 0\r\n", "", 1), "400", 0, false},
		"two hosts":                 {post("/plain", testBody, "Host: other"), "400", 0, false},
		"no host":                   {strings.Replace(post("/plain", testBody), "Host: relay\r\n", "", 1), "400", 0, false},
		"host with a blank":         {strings.Replace(post("/plain", testBody), "Host: relay", "Host: re lay", 1), "400", 0, false},
		"header without a name":     {post("/plain", testBody, ": x"), "400", 0, false},
		"header without a colon":    {post("/plain", testBody, "X-A"), "400", 0, false},
		"header name with a blank":  {post("/plain", testBody, "X A: x"), "400", 0, false},
		"NUL in a header":           {post("/plain", testBody, "X-A: \x00"), "400", 0, false},
		"CR in a header":            {post("/plain", testBody, "X-A: a\rX-B: b"), "400", 0, false},
		"folded header":             {post("/plain", testBody, end, "X-A: b\r\n continued"), "202|400", 1, false},
		"huge header":               {post("/plain", testBody, "X-A: "+strings.Repeat("a", 100<<10)), "431|0", 0, false},
		"many headers":              {post("/plain", testBody, strings.Split(strings.Repeat("X-A: b\n", 5000), "\n")[:5000]...), "431|0", 0, false},
		"huge path":                 {post("/"+strings.Repeat("a", 100<<10), testBody), "431|0", 0, false},
		"sixty headers":             {post("/plain", testBody, append(strings.Split(strings.Repeat("X-A: b\n", 60), "\n")[:60], end)...), "202", 1, false},
		"two Authorizations":        {post("/plain", testBody, end, "authorization: Basic eDp5"), "401", 0, false},
		"two content types":         {post("/plain", testBody, end, "content-type: text/plain"), "400", 0, false},
		"two IVs":                   {post("/enc", testBody, end, "x-pvt-cipher-iv: MDEyMzQ1Njc4OWFiY2RlZg==", "X-Pvt-Cipher-IV: MDEyMzQ1Njc4OWFiY2RlZg=="), "400", 0, false},
		"bad escape in the path":    {post("/plain%zz", testBody, end), "400", 0, false},
		"NUL in the path":           {post("/plain%00", testBody, end), "404", 0, false},
		"asterisk":                  {"OPTIONS * HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n", "404|405|400", 0, false},
		"CONNECT":                   {"CONNECT relay:443 HTTP/1.1\r\nHost: relay:443\r\nConnection: close\r\n\r\n", "404", 0, false},
		"upgrade":                   {post("/plain", testBody, "Connection: Upgrade, close", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), "202", 1, false},
		"websocket":                 {"GET /plain HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n", "405", 0, false},
		"HTTP/2 preface":            {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404", 0, false},
		"HTTP/3":                    {strings.Replace(post("/plain", testBody), "HTTP/1.1", "HTTP/3.0", 1), "505|400", 0, false},
		"HTTP/0.9":                  {"GET /\r\n\r\n", "400|0", 0, false},
		"TLS":                       {"\x16\x03\x01\x00\x2e\x01\x00\x00\x2a\x03\x03", "400|0", 0, true},
		"nothing, then the end":     {"", "0", 0, true},
		"bare LF":                   {strings.ReplaceAll(post("/plain", testBody, end), "\r\n", "\n"), "202|400", 1, false},
		"CRLFs before":              {"\r\n\r\n" + post("/plain", testBody, end), "202|400", 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			answers, hangs := talk(t, serve(t, w, nil), tc.raw, tc.half)
			if hangs && !strings.Contains(tc.want, "202 400") {
				t.Error("the connection stays open")
			}
			got := "0"
			if len(answers) > 0 {
				got = ""
				for _, a := range answers {
					code, _, _ := strings.Cut(a, " ")
					got = strings.TrimSpace(got + " " + code)
				}
			}
			ok := false
			for want := range strings.SplitSeq(tc.want, "|") {
				ok = ok || got == want
			}
			if !ok {
				t.Errorf("answered %s, want %s: %q", got, tc.want, answers)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.events) > tc.events || strings.HasPrefix(got, "202") && len(w.events) == 0 {
				t.Errorf("%d events, want %d", len(w.events), tc.events)
			}
		})
	}
}

// Every wait ends: with shortened time-outs, so that the test does, too.
func TestSlowSendersAreCutOff(t *testing.T) {
	whole := post("/plain", testBody)
	for name, tc := range map[string]struct{ raw, want string }{
		"silent":          {"", ""},
		"half a header":   {whole[:30], ""},
		"half a body":     {whole[:len(whole)-20], "400"},
		"idle afterwards": {whole, "202"},
		"half a chunk":    {chunked("/plain", "ff\r\n{"), "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, newWorld(t), func(s *http.Server) {
				s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout = 100*time.Millisecond, 200*time.Millisecond, 100*time.Millisecond
			})
			answers, hangs := talk(t, addr, tc.raw, false)
			if hangs {
				t.Error("the connection stays open")
			}
			if tc.want == "" && len(answers) > 0 || tc.want != "" && (len(answers) != 1 || !strings.HasPrefix(answers[0], tc.want)) {
				t.Errorf("answered %q, want %s", answers, tc.want)
			}
		})
	}
}

func TestServerIsBoundedEverywhere(t *testing.T) {
	s := NewServer("127.0.0.1:1", http.NotFoundHandler(), nil, nil)
	if s.ReadHeaderTimeout != 5*time.Second || s.ReadTimeout != 15*time.Second || s.IdleTimeout != time.Minute ||
		s.WriteTimeout <= s.ReadTimeout || s.MaxHeaderBytes > 64<<10 || s.ErrorLog == nil {
		t.Errorf("%+v", s)
	}
}

// Over TLS, too, HTTP/2 is not offered.
func TestHTTP2IsNotOffered(t *testing.T) {
	w := newWorld(t)
	other := httptest.NewUnstartedServer(w.h)
	other.StartTLS() // for its certificate
	defer other.Close()
	srv := NewServer("127.0.0.1:0", w.h, &tls.Config{Certificates: other.TLS.Certificates, MinVersion: tls.VersionTLS12}, nil)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", srv.Addr)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.ServeTLS(l, "", "") }()
	d := tls.Dialer{Config: &tls.Config{RootCAs: other.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, NextProtos: []string{"h2", "http/1.1"}, ServerName: "example.com", MinVersion: tls.VersionTLS12}}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if tc, ok := conn.(*tls.Conn); !ok || tc.ConnectionState().NegotiatedProtocol == "h2" {
		t.Error("HTTP/2 was negotiated")
	}
	if err := errors.Join(conn.Close(), srv.Close()); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// The uniform answer, once more over a socket: what net/http adds is uniform, too.
func TestUniformAnswerOnTheWire(t *testing.T) {
	w := newWorld(t)
	addr := serve(t, w, nil)
	want := ""
	for name, r := range spoiled(t) {
		b := body(t, r)
		var raw bytes.Buffer
		_, _ = fmt.Fprintf(&raw, "POST /enc HTTP/1.1\r\nHost: relay\r\nConnection: close\r\nContent-Length: %d\r\n", len(b))
		if err := r.Header.Write(&raw); err != nil {
			t.Fatal(err)
		}
		_, _ = raw.WriteString("\r\n")
		_, _ = raw.Write(b)
		answers, _ := talk(t, addr, raw.String(), false)
		if len(answers) != 1 {
			t.Fatalf("%s: %d answers", name, len(answers))
		}
		if want == "" {
			want = answers[0]
		}
		if answers[0] != want {
			t.Errorf("%s is answered %q, others %q", name, answers[0], want)
		}
	}
}
