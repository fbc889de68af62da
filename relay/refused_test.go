package relay_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestWhatIsRefusedIsKeptUpToItsNumberAndCanBePutThroughAgain(t *testing.T) {
	const wrong, right = "wrong-key-0123456789-ABCDEFGHIJK", "right-key-0123456789-ABCDEFGHIJK"
	yaml := strings.NewReplacer("STORE", filepath.Join(t.TempDir(), "relay.db"), "path: /plain",
		"path: /plain, auth: {headers: [{name: X-Token, value: token-of-ours}]}, keep_refused: {max: 3}, encryption: {keys: ["+wrong+"]}",
		`hook: {http: {url: "HOOK"}}`, "hook: {log: {}}").Replace(reloadConfig)
	w := startWorld(t, yaml)
	// {"id":"i-1"}, encrypted with the right key and an IV of zeros.
	const body, iv = "Bi+b5cr8Xq0xqjhANayvvQ==", "AAAAAAAAAAAAAAAAAAAAAA=="
	for range 5 {
		if status, _ := w.post("/plain", body, "X-Token", "token-of-ours", "x-pvt-cipher-iv", iv); status != http.StatusBadRequest {
			t.Fatalf("the wrong key is answered %d, want 400", status)
		}
	}
	list := w.get("/api/v1/events?refused=true")
	if n := strings.Count(list, `"state":"refused"`); n != 3 {
		t.Errorf("%d are kept, want keep_refused.max, 3", n)
	}

	mended := strings.Replace(yaml, wrong, right, 1)
	w.yaml.Store(&mended)
	if status, answer := w.reload(); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	_, rest, _ := strings.Cut(list, `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	if status, answer := w.send(http.MethodPost, w.admin+"/api/v1/events/"+id+"/replay"); status != http.StatusOK {
		t.Errorf("replay is answered %d %s", status, answer)
	}
	w.until("the event is stored and delivered", func() bool {
		return strings.Contains(w.get("/api/v1/deliveries"), `"state":"delivered"`)
	})
}
