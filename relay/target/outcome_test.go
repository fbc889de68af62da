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
	"syscall"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/target"
)

// TestEveryStatusHasTheOutcomeOfTheTable is DESIGN.md section 9, row by row.
func TestEveryStatusHasTheOutcomeOfTheTable(t *testing.T) {
	table := []struct {
		outcome event.Outcome
		seen    []int
	}{
		{event.Delivered, []int{200, 201, 202, 204, 299}},
		{event.Retry, []int{408, 425, 429, 500, 502, 503, 504, 505, 507, 520, 599, 101, 999}},
		{event.Rejected, []int{400, 402, 405, 406, 409, 411, 413, 415, 418, 421, 422, 431, 451, 499, 300, 301, 302, 303, 304, 307, 308, 399, 501}},
		{event.Held, []int{401, 403, 404, 407, 410}},
	}
	for _, row := range table {
		for _, status := range row.seen {
			if got := sendFake(t, answer(status, "private words"), nil); got.Outcome != row.outcome || got.Status != status {
				t.Errorf("%d: %s with status %d, want %s", status, got.Outcome, got.Status, row.outcome)
			}
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
			if got := sendFake(t, nil, fmt.Errorf("around: %w", failure)); got.Outcome != row.outcome || got.Status != 0 || got.Reason == "" {
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
