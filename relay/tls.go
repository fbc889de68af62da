package relay

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"invitation-relay/relay/config"
)

// serverTLS is nil for a plain listener. The certificate is read again when its
// files change, at most once a second, so that a renewal needs no reload; one
// that cannot be read leaves the old one in use.
func serverTLS(c config.ServerTLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil //nolint:nilnil // no TLS is a valid answer
	}
	k := &keyPair{cert: c.CertFile, key: c.KeyFile}
	if _, err := k.get(nil); err != nil {
		return nil, err
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: k.get, NextProtos: []string{"http/1.1"}}
	if c.ClientCAFile == "" {
		return out, nil
	}
	cas := &authorities{file: c.ClientCAFile}
	pool, err := cas.get()
	if err != nil {
		return nil, err
	}
	out.ClientAuth, out.ClientCAs = tls.RequireAndVerifyClientCert, pool
	out.SessionTicketsDisabled = true // a resumed session would outlive its authority
	out.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := out.Clone()
		now.GetConfigForClient = nil
		pool, err := cas.get()
		now.ClientCAs = pool
		return now, err
	}
	return out, nil
}

// authorities are those whose client certificates are taken, on disk.
type authorities struct {
	file string

	mu      sync.Mutex
	loaded  *x509.CertPool
	changed time.Time
	looked  time.Time
}

// get returns the file's authorities, at most a second old. A file that cannot
// be read leaves those of before in use.
func (a *authorities) get() (*x509.CertPool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.loaded != nil && time.Since(a.looked) < time.Second {
		return a.loaded, nil
	}
	a.looked = time.Now()
	changed, err := newest(a.file)
	if err == nil && (a.loaded == nil || !changed.Equal(a.changed)) {
		var pem []byte
		if pem, err = os.ReadFile(a.file); err == nil {
			if pool := x509.NewCertPool(); pool.AppendCertsFromPEM(pem) {
				a.loaded, a.changed = pool, changed
			} else {
				err = errors.New("no certificate in it")
			}
		}
	}
	if a.loaded != nil {
		return a.loaded, nil
	}
	return nil, fmt.Errorf("client_ca_file: %w", err)
}

// keyPair is a certificate and its key on disk.
type keyPair struct {
	cert, key string

	mu      sync.Mutex
	loaded  *tls.Certificate
	changed time.Time // newest of the two files when loaded
	looked  time.Time
}

func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.loaded != nil && time.Since(k.looked) < time.Second {
		return k.loaded, nil
	}
	k.looked = time.Now()
	changed, err := newest(k.cert, k.key)
	if err == nil && (k.loaded == nil || !changed.Equal(k.changed)) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(k.cert, k.key); err == nil {
			k.loaded, k.changed = &pair, changed
		}
	}
	if k.loaded != nil {
		return k.loaded, nil // a renewal half written is tried again in a second
	}
	return nil, err
}

func newest(files ...string) (time.Time, error) {
	var t time.Time
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return t, fmt.Errorf("read certificate: %w", err)
		}
		if info.ModTime().After(t) {
			t = info.ModTime()
		}
	}
	return t, nil
}
