package target

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"invitation-relay/relay/event"
)

// failure is why there was no answer.
type failure uint8

const (
	failed             failure = iota // none of the below
	failedCut                         // the connection broke; the endpoint may have the message
	failedRefused                     // nothing listens
	failedUnreachable                 // no way there
	failedName                        // the name is not in DNS
	failedDNS                         // DNS did not answer
	failedTimeout                     // no answer in time
	failedDialTimeout                 // no connection in time
	failedStopped                     // our own side gave up
	failedForbidden                   // an address no target may have
	failedHandshake                   // TLS could not be agreed on
	failedNotTLS                      // the other side does not speak TLS
	failedNotHTTP                     // the other side does not speak HTTP
	failedExpired                     // its certificate is out of its time
	failedUnknownCA                   // its certificate is of an unknown authority
	failedWrongName                   // its certificate is for another name
	failedCertificate                 // its certificate is not valid otherwise
	failedOurs                        // it does not accept our certificate
	failedEndless                     // there is more before the answer than one may be long
	failedProxy                       // the proxy cannot be reached
	failedProxyAuth                   // the proxy wants credentials
	failedProxyRefused                // the proxy does not let us through
	failedProxyUnable                 // the proxy could not get through
)

// failures holds the verdict on each failure.
var failures = [...]verdict{
	failed:            {event.Retry, "the request could not be completed"},
	failedCut:         {event.Retry, "the connection broke before the answer: the endpoint may have the message, and gets it again with the same id"},
	failedRefused:     {event.Retry, "the endpoint refused the connection: nothing listens at this address and port"},
	failedUnreachable: {event.Retry, "there is no way to the endpoint: check the network and firewalls on the way"},
	failedName:        {event.Retry, "the endpoint's name is not known in DNS: check the URL's host"},
	failedDNS:         {event.Retry, "the endpoint's name could not be looked up: check the machine's DNS"},
	failedTimeout:     {event.Retry, "the endpoint did not answer within timeout: it may have the message, and gets it again with the same id"},
	failedDialTimeout: {event.Retry, "the endpoint did not accept a connection in time: check the port and firewalls on the way"},
	failedStopped:     {event.Retry, "the attempt was cut short by the relay: the endpoint may have the message, and gets it again with the same id"},
	failedForbidden:   {event.Held, "the endpoint's address is link-local, a metadata service, unspecified or multicast, which no target may have: correct the URL, or the name's DNS"},
	failedHandshake:   {event.Retry, "TLS could not be agreed on with the endpoint: it may want a client certificate, or speak only old versions"},
	failedNotTLS:      {event.Retry, "the endpoint does not speak TLS on this port: check the port, or whether the URL should begin with http://"},
	failedNotHTTP:     {event.Retry, "the endpoint's answer was not HTTP: check the URL's port"},
	failedExpired:     {event.Held, "the endpoint's certificate is expired or not valid yet: renew it there, or correct the clock here"},
	failedUnknownCA:   {event.Held, "the endpoint's certificate is signed by an authority not known here: set tls.ca_file (or SSL_CERT_FILE), or have the whole chain sent"},
	failedWrongName:   {event.Held, "the endpoint's certificate is for another name: correct the URL's host, or the certificate"},
	failedCertificate: {event.Held, "the endpoint's certificate is not valid"},
	failedOurs:        {event.Held, "the endpoint does not accept our client certificate: check tls.cert_file and tls.key_file"},
	failedEndless:     {event.Retry, "the endpoint's answer never comes to its point: check what listens at this address"},

	failedProxy:        {event.Retry, "the proxy cannot be reached: check proxy"},
	failedProxyAuth:    {event.Held, "the proxy does not take our credentials: put a user and a password into proxy"},
	failedProxyRefused: {event.Held, "the proxy does not let us through to the endpoint: ask whoever runs it, or correct url or proxy"},
	failedProxyUnable:  {event.Retry, "the proxy could not reach the endpoint"},
}

// verdict is what the failure says.
func (f failure) verdict() verdict { return failures[f] }

// quick reports whether an immediate second try may help.
func (f failure) quick() bool {
	switch f {
	case failed, failedCut, failedRefused, failedUnreachable, failedName, failedDNS, failedProxy, failedProxyUnable:
		return true
	default:
		return false
	}
}

// classify finds out why there was no answer, but for failedStopped. Error texts are looked at where
// the standard library has no type for it, and never handed on: they hold
// addresses, names, and pieces of answers.
func classify(err error) failure {
	if errors.Is(err, errForbiddenAddress) {
		return failedForbidden
	}
	if f, ok := classifyProxy(err); ok {
		return f
	}
	if f, ok := classifyTLS(err); ok {
		return f
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return failedName
		}
		return failedDNS
	}
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
			return failedDialTimeout
		}
		return failedTimeout
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return failedRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return failedUnreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return failedCut
	case strings.Contains(err.Error(), "headers exceeded"), strings.Contains(err.Error(), "too many 1xx"):
		return failedEndless
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "malformed MIME header"):
		return failedNotHTTP
	default:
		return failed
	}
}

// classifyProxy tells failures of a proxy from those of what lies behind it.
func classifyProxy(err error) (failure, bool) {
	if status, ok := errors.AsType[proxyError](err); ok {
		switch {
		case status == http.StatusProxyAuthRequired:
			return failedProxyAuth, true
		case outcomeOf(int(status)) == event.Retry:
			return failedProxyUnable, true
		}
		return failedProxyRefused, true
	}
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "proxyconnect" {
		return failed, false
	}
	if f, ok := classifyTLS(err); ok && f.verdict().outcome == event.Held {
		return f, true // its certificate is not valid: nobody knows who it is
	}
	return failedProxy, true
}

// classifyTLS tells failures of TLS apart.
func classifyTLS(err error) (failure, bool) {
	if inv, ok := errors.AsType[x509.CertificateInvalidError](err); ok && inv.Reason == x509.Expired {
		return failedExpired, true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return failedUnknownCA, true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return failedWrongName, true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return failedCertificate, true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || errors.Is(err, http.ErrSchemeMismatch) { // the latter is what http.Client makes of the former
		return failedNotTLS, true
	}
	op, ok := errors.AsType[*net.OpError](err)
	if ok && op.Op == "remote error" { // an alert; its type is not exported
		switch op.Err.Error() {
		case "tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate", "tls: expired certificate",
			"tls: unknown certificate", "tls: unknown certificate authority", "tls: certificate required", "tls: access denied":
			return failedOurs, true
		}
		return failedHandshake, true
	}
	if strings.Contains(err.Error(), "tls: ") {
		return failedHandshake, true
	}
	return failed, false
}
