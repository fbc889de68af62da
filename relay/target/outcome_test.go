package target_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

// wayOut is how the sentence about each outcome ends, with the target's own name.
var wayOut = map[event.Outcome]string{
	event.Retry:    "it is tried again until retry.max_age",
	event.Rejected: "`invitation-relay deliveries retry --target case-api` sends it again",
	event.Held:     "then `invitation-relay targets release case-api` (after a reload, if the config has changed), or wait for the next probe",
}

// TestEveryStatusHasTheOutcomeOfTheTable is DESIGN.md section 9, and each status
// has a sentence that says what helps. What lies outside of HTTP is tried again.
func TestEveryStatusHasTheOutcomeOfTheTable(t *testing.T) {
	named := map[int]event.Outcome{
		401: event.Held, 403: event.Held, 404: event.Held, 407: event.Held, 410: event.Held,
		408: event.Retry, 425: event.Retry, 429: event.Retry, 501: event.Rejected, 999: event.Retry,
	}
	class := map[int]event.Outcome{1: event.Retry, 2: event.Delivered, 3: event.Rejected, 4: event.Rejected, 5: event.Retry}
	for status := range 1000 {
		want, ok := named[status]
		if !ok {
			want = class[status/100]
		}
		if want == 0 || status < 100 {
			continue
		}
		got := sendFake(t, answer(status, "private words"), nil)
		if got.Outcome != want || got.Status != status {
			t.Errorf("%d: %s with status %d, want %s", status, got.Outcome, got.Status, want)
		}
		begin := fmt.Sprintf("the endpoint answered %d", status)
		if says := got.Reason; want != event.Delivered && (!strings.HasPrefix(says, begin) || !strings.HasSuffix(says, "; "+wayOut[want])) || want == event.Delivered && says != "" {
			t.Errorf("%d: %q", status, says)
		}
	}
}

// TestEveryFailureHasTheOutcomeOfTheTable has the failures a test cannot cause
// for real; those it can are in failure_test.go.
func TestEveryFailureHasTheOutcomeOfTheTable(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	alert := func(text string) error { return &net.OpError{Op: "remote error", Err: errors.New(text)} }
	table := []struct {
		outcome event.Outcome
		seen    []error
	}{
		{event.Retry, []error{
			dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)),
			dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)),
			dial(os.NewSyscallError("connect", syscall.ENETUNREACH)),
			dial(os.ErrDeadlineExceeded),
			dial(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}),
			dial(&net.DNSError{Err: "server misbehaving", Name: "x", IsTemporary: true}),
			context.DeadlineExceeded, os.ErrDeadlineExceeded,
			syscall.ECONNRESET, syscall.EPIPE, io.EOF, io.ErrUnexpectedEOF, errors.New("http: server closed idle connection"),
			errors.New(`net/http: HTTP/1.x transport connection broken: malformed HTTP response "220 x"`),
			tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
			alert("tls: handshake failure"), errors.New("tls: server selected unsupported protocol version 301"),
			errors.New("nobody has thought of this"),
		}},
		{event.Held, []error{
			x509.UnknownAuthorityError{},
			x509.HostnameError{Certificate: &x509.Certificate{}},
			x509.CertificateInvalidError{Reason: x509.Expired},
			&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.NameMismatch}},
			alert("tls: bad certificate"), alert("tls: certificate required"), alert("tls: unknown certificate authority"),
		}},
	}
	for _, row := range table {
		for _, failure := range row.seen {
			if got := sendFake(t, nil, fmt.Errorf("around: %w", failure)); got.Outcome != row.outcome || got.Status != 0 || !strings.HasSuffix(got.Reason, "; "+wayOut[row.outcome]) {
				t.Errorf("%v: %s with status %d (%q), want %s", failure, got.Outcome, got.Status, got.Reason, row.outcome)
			}
		}
	}
}

// TestReasonsForAnOperator holds every sentence about a status or a failure, to be read.
func TestReasonsForAnOperator(t *testing.T) {
	var b bytes.Buffer
	for status := 100; status < 600; status++ {
		if http.StatusText(status) == "" && status%100 != 99 {
			continue
		}
		if r := sendFake(t, answer(status, "private words"), nil); r.Outcome != event.Delivered {
			fmt.Fprintf(&b, "%d\t%s\t%s\n", status, r.Outcome, r.Reason)
		}
	}
	for _, v := range target.FailureVerdicts() {
		fmt.Fprintf(&b, "-\t%s\t%s\n", v.Outcome, v.Reason)
	}
	golden(t, "reasons.txt", b.Bytes())
}

func TestSuccessIsWhatTheConfigSays(t *testing.T) {
	table := []struct {
		success string
		status  int
		want    event.Outcome
	}{
		{"2xx", 204, event.Delivered},
		{"200", 200, event.Delivered},
		{"200", 204, event.Rejected},
		{"200,202", 202, event.Delivered},
		{"200, 202", 201, event.Rejected},
		{"2XX,404", 404, event.Delivered},
		{"2xx,404", 410, event.Held},
		{"409,2xx", 409, event.Delivered},
	}
	for _, row := range table {
		h := newHTTP(t, "http://cases.example/", func(c *target.HTTPConfig, d *target.Deps) {
			c.Success = row.success
			d.Transport = transport(func(*http.Request) (*http.Response, error) { return answer(row.status, ""), nil })
		})
		if got := h.Send(t.Context(), message(t, sample)); got.Outcome != row.want {
			t.Errorf("success %q, status %d: %s, want %s", row.success, row.status, got.Outcome, row.want)
		}
	}
}

// sendFake sends once to a transport that answers, or fails, like this.
func sendFake(t *testing.T, a *http.Response, err error) target.Result {
	t.Helper()
	h := newHTTP(t, "http://cases.example/", func(_ *target.HTTPConfig, d *target.Deps) {
		d.Transport = transport(func(*http.Request) (*http.Response, error) { return a, err })
	})
	return h.Send(t.Context(), message(t, sample))
}
