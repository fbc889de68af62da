package relay_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"invitation-relay/relay"
	"invitation-relay/relay/config"
)

// sealedBody is a text as the vendor encrypts it, with an IV of zeros.
func sealedBody(t *testing.T, key, text string) (body, iv string) {
	t.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	pad := aes.BlockSize - len(text)%aes.BlockSize
	b := append([]byte(text), bytes.Repeat([]byte{byte(pad)}, pad)...)
	zero := make([]byte, aes.BlockSize)
	cipher.NewCBCEncrypter(block, zero).CryptBlocks(b, b)
	return base64.StdEncoding.EncodeToString(b), base64.StdEncoding.EncodeToString(zero)
}

// TestWhatAKeyOpensIsForgottenThoughItWasRefused: at night the key was wrong, and
// in the morning it was mended.
func TestWhatAKeyOpensIsForgottenThoughItWasRefused(t *testing.T) {
	const wrong, right, lost = "wrong-key-0123456789-ABCDEFGHIJK", "right-key-0123456789-ABCDEFGHIJK", "lost!-key-0123456789-ABCDEFGHIJK"
	store := filepath.Join(t.TempDir(), "relay.db")
	yaml := strings.NewReplacer("STORE", store, "path: /plain",
		"path: /plain, auth: {headers: [{name: X-Token, value: token-of-ours}]}, encryption: {keys: ["+wrong+"]}",
		`hook: {http: {url: "HOOK"}}`, "hook: {log: {}}").Replace(reloadConfig)
	w := startWorld(t, yaml)
	hers, iv := sealedBody(t, right, `{"id":"i-1","cifcod":"cif-canary"}`)
	broken, _ := sealedBody(t, right, `{"id":"i-1","cifcod":"cif-canary"`)
	other, _ := sealedBody(t, right, `{"id":"i-2","cifcod":"cif-other"}`)
	late, _ := sealedBody(t, right, `{"id":"i-3","cifcod":"cif-late"}`)
	unknown, _ := sealedBody(t, lost, `{"id":"i-1","cifcod":"cif-canary"}`)
	for _, body := range []string{hers, broken, other, late, unknown} {
		if status, _ := w.post("/plain", body, "X-Token", "token-of-ours", "x-pvt-cipher-iv", iv); status != http.StatusBadRequest {
			t.Fatalf("the wrong key is answered %d, want 400", status)
		}
	}
	mended := strings.Replace(yaml, "["+wrong, "["+right+", "+wrong, 1)
	w.yaml.Store(&mended)
	if status, answer := w.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	if status, answer := w.forgets("cif-canary"); status != http.StatusOK || !strings.Contains(answer, `"refused":2,"sealed":1`) {
		t.Errorf("answered %d %s", status, answer)
	}
	w.stop()

	cfg, problems := config.Parse("relay.yaml", []byte(mended), config.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if done, err := relay.Forget(t.Context(), cfg, "cif-late"); err != nil || done.Refused != 1 || done.Sealed != 1 {
		t.Errorf("with the relay stopped: %+v (%v)", done, err)
	}
	b, err := os.ReadFile(store)
	for body, want := range map[string]bool{hers: false, broken: false, late: false, other: true, unknown: true} {
		if err != nil || bytes.Contains(b, []byte(body)) != want {
			t.Errorf("%s is in the store: %t (%v)", body, !want, err)
		}
	}
}
