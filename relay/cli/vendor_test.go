package cli

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"invitation-relay/relay/config"
	"invitation-relay/relay/secret"
)

// received is one webhook as it arrived.
type received struct {
	header http.Header
	path   string
	body   []byte
}

// relayDouble answers webhooks as a relay would, and keeps them.
type relayDouble struct {
	*httptest.Server
	answer http.HandlerFunc // instead of 202 with an id

	mu  sync.Mutex
	got []received
}

func newRelayDouble(t *testing.T, answer http.HandlerFunc) *relayDouble {
	t.Helper()
	d := &relayDouble{answer: answer}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		d.mu.Lock()
		d.got = append(d.got, received{r.Header.Clone(), r.URL.Path, body})
		d.mu.Unlock()
		if d.answer != nil {
			d.answer(w, r)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"019a0000-0000-7000-8000-000000000001"}`)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *relayDouble) all() []received {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]received(nil), d.got...)
}

// refusing answers as the relay refuses.
func refusing(status int, detail string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
	}
}

// aKey is 32 bytes as the vendor has them: characters.
const aKey = "0123456789abcdefghijklmnopqrstuv"

// decrypted is what the body holds, read as the vendor documents it.
func decrypted(t *testing.T, key string, m received) []byte {
	t.Helper()
	iv, err := base64.StdEncoding.DecodeString(m.header.Get("x-pvt-cipher-iv"))
	if err != nil || len(iv) != aes.BlockSize {
		t.Fatalf("IV is %d bytes, %v", len(iv), err)
	}
	body, err := base64.StdEncoding.DecodeString(string(m.body))
	if err != nil || len(body) == 0 || len(body)%aes.BlockSize != 0 {
		t.Fatalf("body is %d bytes, %v", len(body), err)
	}
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(body, body)
	return body[:len(body)-int(body[len(body)-1])]
}

// The fixtures were made by Node's crypto, as the vendor makes its messages.
func TestEncryptionIsTheVendors(t *testing.T) {
	read := func(name string, v any) []byte {
		b, err := os.ReadFile(filepath.Join(repository, samplesDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if v != nil {
			if err := json.Unmarshal(b, v); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	var keys map[string]string
	read("keys.json", &keys)
	for _, name := range []string{"accepted", "rejected", "ticket-rejected", "wrong-key"} {
		var f struct{ Sample, Key, IV, Body string }
		read("encrypted/"+name+".json", &f)
		iv, err := base64.StdEncoding.DecodeString(f.IV)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encrypt([]byte(keys[f.Key]), iv, read(f.Sample, nil))
		if err != nil || string(got) != f.Body {
			t.Errorf("%s: %v\n got %s\nwant %s", name, err, got, f.Body)
		}
	}
}

func TestPaddingIsAddedForEveryLength(t *testing.T) {
	for n := range 34 {
		plain := bytes.Repeat([]byte{'x'}, n)
		iv := make([]byte, aes.BlockSize)
		body, err := encrypt([]byte(aKey), iv, plain)
		if err != nil {
			t.Fatal(err)
		}
		m := received{header: http.Header{ivHeader: {base64.StdEncoding.EncodeToString(iv)}}, body: body}
		if got := decrypted(t, aKey, m); !bytes.Equal(got, plain) {
			t.Errorf("%d bytes became %d", n, len(got))
		}
	}
}

func TestPlainMessageIsTheBytesOfTheSample(t *testing.T) {
	d := newRelayDouble(t, nil)
	v := newVendor(d.URL + "/webhooks/invitation")
	v.username, v.password = "preventor", secret.New("p:w")
	v.headers = []config.HeaderAuth{{Name: "X-Relay-Token", Value: secret.New("token-1")}}
	a, err := v.send(t.Context(), sample{name: "x", body: []byte(`{"id": "i-1"}` + "\n"), contentType: "application/json"})
	if err != nil || !a.ok() || a.status != 202 || a.id != "019a0000-0000-7000-8000-000000000001" || a.duplicate {
		t.Fatalf("answer %+v, %v", a, err)
	}
	m := d.all()[0]
	if string(m.body) != `{"id": "i-1"}`+"\n" || m.path != "/webhooks/invitation" {
		t.Errorf("%s got %q", m.path, m.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Authorization": "Basic cHJldmVudG9yOnA6dw==", "X-Relay-Token": "token-1", ivHeader: "",
	} {
		if got := m.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestEncryptedMessagesHaveAnIVOfTheirOwn(t *testing.T) {
	d := newRelayDouble(t, nil)
	v := newVendor(d.URL)
	v.key = []byte(aKey)
	s := sample{body: []byte(`{"id":"i-1","full_name":"Söhne"}`), contentType: "application/json"}
	for range 2 {
		if _, err := v.send(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	all := d.all()
	for _, m := range all {
		if got := decrypted(t, aKey, m); !bytes.Equal(got, s.body) {
			t.Errorf("decrypted to %q", got)
		}
		if ct := m.header.Get("Content-Type"); ct != "text/plain" {
			t.Errorf("Content-Type is %q", ct)
		}
	}
	if all[0].header.Get(ivHeader) == all[1].header.Get(ivHeader) {
		t.Error("the IV is the same twice")
	}
}

func TestSampleEncryptedAlreadyGoesAsItIs(t *testing.T) {
	d := newRelayDouble(t, nil)
	v := newVendor(d.URL)
	v.key = []byte(aKey)
	if _, err := v.send(t.Context(), sample{body: []byte("AAAA"), contentType: "application/json", iv: "short"}); err != nil {
		t.Fatal(err)
	}
	m := d.all()[0]
	if string(m.body) != "AAAA" || m.header.Get(ivHeader) != "short" || m.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %q with %v", m.body, m.header)
	}
}

func TestMessageIsSignedWhereTheSourceWantsIt(t *testing.T) {
	d := newRelayDouble(t, nil)
	const whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	v := newVendor(d.URL)
	v.signing = secret.New(whsec)
	if _, err := v.send(t.Context(), sample{body: []byte("{}"), contentType: "application/json"}); err != nil {
		t.Fatal(err)
	}
	wh, err := standardwebhooks.NewWebhook(whsec)
	if err != nil {
		t.Fatal(err)
	}
	if err := wh.Verify(d.all()[0].body, d.all()[0].header); err != nil {
		t.Error(err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	other := newRelayDouble(t, nil)
	d := newRelayDouble(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	v := newVendor(d.URL)
	v.username, v.password = "u", secret.New("p")
	a, err := v.send(t.Context(), sample{contentType: "application/json"})
	if err != nil || a.ok() || a.status != http.StatusTemporaryRedirect {
		t.Errorf("answer %+v, %v", a, err)
	}
	if len(other.all()) != 0 {
		t.Error("the credentials went to another host")
	}
}

func TestErrorOfSendingNamesNoURL(t *testing.T) {
	d := newRelayDouble(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	v := newVendor(d.URL + "/hook?token=canary")
	_, err := v.send(t.Context(), sample{contentType: "application/json"})
	if err == nil || strings.Contains(err.Error(), "canary") || !errors.Is(err, io.EOF) {
		t.Errorf("error is %v", err)
	}
	v.url = "http://127.0.0.1:1/%zz?token=canary"
	if _, err = v.send(t.Context(), sample{}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("error is %v", err)
	}
}

func TestAnswerOfAStrangerCannotSteerTheTerminal(t *testing.T) {
	for body, want := range map[string]answer{
		`{"id":"a\u001b[2Jb","duplicate":true}`:        {status: 400, id: "a[2Jb", duplicate: true, detail: "bad request"},
		`{"title":"Bad Request","detail":"no\r\nnew"}`: {status: 400, detail: "nonew"},
		`{"title":"T\u202eitle"}`:                      {status: 400, detail: "Title"},
		"<html>\x1b[31m":                               {status: 400, detail: "bad request"},
		`{"id":7}`:                                     {status: 400, detail: "bad request"},
	} {
		if got := readAnswer(400, []byte(body)); got != want {
			t.Errorf("%q: %+v, want %+v", body, got, want)
		}
	}
	long := readAnswer(400, []byte(`{"detail":"`+strings.Repeat("ä", 1000)+`"}`))
	if n := len([]rune(long.detail)); n != 201 {
		t.Errorf("%d characters", n)
	}
}
