package relay

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
)

func TestAuthoritiesAreReadAgainWhenTheirFileChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	write := func(at time.Time) *x509.CertPool {
		t.Helper()
		_, pem, err := relaytest.NewCertificate(time.Now().Add(time.Hour), "client.example")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		return pool
	}
	now := time.Now()
	first := write(now.Add(-time.Hour))
	a := &authorities{file: file}
	if got, err := a.get(); err != nil || !got.Equal(first) {
		t.Fatalf("the first authorities were not read: %v", err)
	}
	second := write(now)
	a.looked = time.Time{} // a second later
	if got, err := a.get(); err != nil || !got.Equal(second) {
		t.Errorf("the changed file was not read: %v", err)
	}
	if err := os.WriteFile(file, []byte("half written"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.looked = time.Time{}
	if got, err := a.get(); err != nil || !got.Equal(second) {
		t.Errorf("a broken file must leave the authorities of before: %v", err)
	}
}
