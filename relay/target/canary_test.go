package target_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// canary is in every secret and in every value of the event.
const canary = "CaNaRy"

// TestNoSecretAndNoValueLeavesInAResultAnErrorOrALog drives every failure with
// the canary in path, query, user, host, headers, keys, body and answer.
func TestNoSecretAndNoValueLeavesInAResultAnErrorOrALog(t *testing.T) {
	logged := standardLog(t)
	cert, _ := certificate(t, time.Now().Add(-time.Minute), "127.0.0.1")
	tlsConf := &tls.Config{Certificates: []tls.Certificate{cert}}
	steps := map[string]relaytest.Step{
		"ok": relaytest.Status(200), "echo": relaytest.Body(400, canary), "500": relaytest.Body(500, canary),
		"503": relaytest.Body(503, canary), "401": relaytest.Body(401, canary), "429": relaytest.Unavailable(429, canary),
		"drop": relaytest.Drop(), "reset": relaytest.Reset(), "garbage": relaytest.Garbage(), "half": relaytest.Half(500),
		"redirect": relaytest.Redirect(302, "https://"+canary+".invalid/"+canary), "bad redirect": relaytest.Redirect(302, ":"+canary+"%zz"),
	}
	urls := map[string]string{"metadata": "http://169.254.169.254", "tls": relaytest.NewTLSTarget(t, tlsConf).URL()}
	closed := relaytest.NewTarget(t)
	urls["closed"] = closed.URL()
	closed.Close()
	urls["not tls"] = strings.Replace(relaytest.NewTarget(t).URL(), "http:", "https:", 1)
	for name, step := range steps {
		urls[name] = relaytest.NewTarget(t, step).URL()
	}
	body := fmt.Sprintf(`{"id":%q,"full_name":%q,"cifcod":%q,"transaction_status":%q,"ticket":%q}`, canary, canary, canary, canary, canary)
	for name, base := range urls {
		withUser := strings.Replace(base, "://", "://"+canary+":"+canary+"@", 1)
		for _, url := range []string{withUser + "/" + canary + "?q=" + canary, base + "/{{ full_name }}/" + canary + "?{{ id }}"} {
			h := newHTTP(t, url, func(c *target.HTTPConfig, d *target.Deps) {
				d.Quick = 0
				c.Headers = map[string]secret.String{"X-Key": secret.New(canary), "X-Name": secret.New("{{ full_name }}")}
				c.Sign = []secret.String{secret.New("whsec_" + canary + "Ca")}
			})
			clean(t, "http "+name, h, h.Send(t.Context(), message(t, body)))
		}
		s := newSlack(t, base+"/services/"+canary, nil)
		clean(t, "slack "+name, s, s.Send(t.Context(), message(t, body)))
	}
	for _, failure := range []error{errors.New("dial " + canary), &tls.CertificateVerificationError{Err: errors.New(canary)}} {
		h := newHTTP(t, "http://"+canary+".invalid/", func(_ *target.HTTPConfig, d *target.Deps) {
			d.Quick = 1
			d.Transport = transport(func(*http.Request) (*http.Response, error) { return nil, failure })
		})
		clean(t, "made up", h, h.Send(t.Context(), message(t, body)))
	}
	if s := logged.String(); strings.Contains(s, canary) {
		t.Errorf("in the log: %s", s)
	}
}

// TestNoMistakeQuotesASecret breaks every secret setting in turn.
func TestNoMistakeQuotesASecret(t *testing.T) {
	for _, c := range []target.HTTPConfig{
		{URL: secret.New(canary)},
		{URL: secret.New("ftp://" + canary)},
		{URL: secret.New("http://" + canary + ":port/")},
		{URL: secret.New("http://x.example/" + canary + "/%zz")},
		{URL: secret.New("http://{{ id }}." + canary + "/")},
		{URL: secret.New("http://x.example/" + canary + "/{{ nothing }}")},
		{URL: secret.New("http://x.example/"), Sign: []secret.String{secret.New("whsec_" + canary + "!")}},
		{URL: secret.New("http://x.example/"), Auth: target.HTTPAuth{Bearer: secret.New(canary + "\n")}},
		{URL: secret.New("http://x.example/"), Headers: map[string]secret.String{"X-A": secret.New(canary + "\n")}},
		{URL: secret.New("http://x.example/"), Headers: map[string]secret.String{"X-A": secret.New(canary + " {{ nothing }}")}},
	} {
		found, d := 0, target.Deps{Env: testEnv(t)}
		c.SetDefaults()
		c.Check(d.Env, func(path string, _, _ int, msg, hint string) {
			found++
			if strings.Contains(path+msg+hint, canary) {
				t.Errorf("check quotes a secret: %s %s %s", path, msg, hint)
			}
		})
		if found == 0 {
			t.Error("a mistake was not found")
		}
		if _, err := target.NewHTTP("case-api", c, d); err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("NewHTTP quotes a secret: %v", err)
		}
	}
}

// clean wants no canary in a result, and none in the target however it is printed.
func clean(t *testing.T, name string, target any, r target.Result) {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprintf("%s %v %+v %#v", b, target, target, target); strings.Contains(s, canary) {
		t.Errorf("%s: %s", name, s)
	}
}

// clientCertificate makes a client certificate: its PEM, its key's PEM, and the pool that trusts it.
func clientCertificate(t *testing.T) (cert, key []byte, pool *x509.CertPool) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "relay"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), pool
}
