package relay_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay/relaytest"
)

func TestEncryptedStoreDeliversWhatItCannotBeReadFor(t *testing.T) {
	hook := relaytest.NewTarget(t)
	store := filepath.Join(t.TempDir(), "relay.db")
	config := strings.NewReplacer("STORE", store, "HOOK", hook.URL(),
		"store: {", "store: {encryption_keys: [0123456789abcdef0123456789abcdef], ").Replace(reloadConfig)
	w := startWorld(t, config)
	w.accepted(`{"id":"i-1","full_name":"Jo Canary"}`)
	requests, err := hook.Wait(t.Context(), 1)
	if err != nil || !bytes.Contains(requests[0].Body, []byte("Jo Canary")) {
		t.Errorf("the target got %v (%v)", requests, err)
	}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(store + suffix)
		if err != nil || bytes.Contains(b, []byte("Canary")) {
			t.Errorf("relay.db%s can be read for the name (%v)", suffix, err)
		}
	}
}
