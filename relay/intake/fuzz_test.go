package intake

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecode holds Decode against encoding/json: what Decode takes, encoding/json
// reads as the same members; what only Decode refuses is refused for a reason that
// encoding/json does not know.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		testBody, invitation, `{}`, `[]`, `{"id":"a","id":"b"}`, `{"id":"\ud800"}`, `{"attempts":1e0}`, `{"id":"a","attempts":-0.0}`, "{\"id\":\"\xff\"}",
		`{"id":"a","x":[1,2.5,{"y":null}],"":""}`, `{"\u0069d":"a","n":1e999}`, strings.Repeat(`{"a":`, 70), `{"id":"a"} x`, "\ufeff{}", `"x"`,
	} {
		f.Add([]byte(s))
	}
	s := &Schema{Types: map[string]Type{"attempts": Integer}, Subject: []string{"id"}}
	f.Fuzz(func(t *testing.T, body []byte) {
		was := bytes.Clone(body)
		got, err := Decode(body, s)
		if !bytes.Equal(was, body) {
			t.Fatal("the body was changed")
		}
		var want any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		plain := d.Decode(&want)
		if plain == nil && !errors.Is(d.Decode(new(any)), io.EOF) {
			plain = errors.New("a second text")
		}
		switch {
		case err == nil:
			m, ok := want.(map[string]any)
			if plain != nil || !ok || !utf8.Valid(body) {
				t.Fatalf("taken: %q (%v)", body, plain)
			}
			if !same(got.Members, m) {
				t.Errorf("%q is %v, encoding/json says %v", body, got.Members, m)
			}
		case errors.Is(err, ErrInvalid):
			if m, ok := want.(map[string]any); plain != nil || ok && same(m["attempts"], json.Number("1")) {
				t.Errorf("invalid, but %q is %v (%v)", body, want, plain)
			}
		case !errors.Is(err, ErrMalformed):
			t.Errorf("%q: %v", body, err)
		case plain == nil && utf8.Valid(body) && errors.Is(err, refJSON) && !bytes.Contains(bytes.ToLower(body), []byte(`\ud`)):
			t.Errorf("refused: %q", body)
		}
	})
}

// same compares what Decode made with what encoding/json made, numbers by value.
func same(got, want any) bool {
	switch w := want.(type) {
	case json.Number:
		switch g := got.(type) {
		case int:
			n, ok := integer([]byte(w))
			return ok && n == g
		case float64:
			return float([]byte(w)) == g
		case json.Number:
			return g == w
		}
		return false
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for k, v := range w {
			if gv, ok := g[k]; !ok || !same(gv, v) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !same(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(got, want)
}

// FuzzDecrypt holds the keyring against the short way of doing the same, which
// stops at the first mistake.
func FuzzDecrypt(f *testing.F) {
	iv, body := encrypt(f, testKey, testBody)
	f.Add(iv, body)
	f.Add(iv, body[:len(body)-2])
	f.Add("", "")
	f.Add("MDEyMzQ1Njc4OWFiY2RlZg", "AAAAAAAAAAAAAAAAAAAAAA==")
	for _, r := range spoiled(f) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r.Header.Get(headerIV), string(b))
	}
	ring, err := newKeyring([][]byte{[]byte(otherKey), []byte(testKey)})
	if err != nil {
		f.Fatal(err)
	}
	schema := invitations()
	f.Fuzz(func(t *testing.T, iv, body string) {
		plain, fields, why := ring.open(new(buffers), iv, []byte(body), schema)
		want := naiveOpen(ring, iv, body, schema)
		if (why == "") != (want != nil) || !bytes.Equal(plain, want) {
			t.Errorf("iv %q, body %q: %q (%s), want %q", iv, body, plain, why, want)
		}
		if why == "" && fields.Subject == "" || why != "" && fields.Members != nil {
			t.Errorf("iv %q, body %q: fields %v with %q", iv, body, fields, why)
		}
	})
}

func naiveOpen(ring keyring, iv, body string, s *Schema) []byte {
	ivBytes, text := []byte(nodeBase64(iv)), []byte(nodeBase64(body))
	if len(ivBytes) != aes.BlockSize || len(text) == 0 || len(text)%aes.BlockSize != 0 {
		return nil
	}
	for _, block := range ring {
		out := make([]byte, len(text))
		cipher.NewCBCDecrypter(block, ivBytes).CryptBlocks(out, text)
		n := int(out[len(out)-1])
		if n < 1 || n > aes.BlockSize || !bytes.HasSuffix(out, bytes.Repeat([]byte{byte(n)}, n)) {
			continue
		}
		if _, err := Decode(out[:len(out)-n], s); err == nil {
			return out[:len(out)-n]
		}
	}
	return nil
}

// FuzzHandler sends anything to both sources: it never breaks, never answers 5xx,
// never says yes without an event nor stores one without saying so, and nothing
// of the request comes back.
func FuzzHandler(f *testing.F) {
	f.Add("POST", "/plain", "application/json", "", "", basicAuth(testUser, testPassword), []byte(testBody))
	iv, body := encrypt(f, testKey, testBody)
	f.Add("POST", "/enc", "text/plain", iv, "", basicAuth(testUser, testPassword), []byte(body))
	f.Add("POST", "/enc", "text/plain", "", "gzip", "Basic x", []byte("{"))
	f.Add("GET", "/none", "", "", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, method, path, label, iv, encoding, auth string, body []byte) {
		w := newWorld(t)
		r := request("/", "")
		r.Method, r.URL.Path = method, path
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		for name, v := range map[string]string{"Content-Type": label, headerIV: iv, "Content-Encoding": encoding, "Authorization": auth} {
			r.Header.Del(name)
			if v != "" {
				r.Header[name] = []string{v}
			}
		}
		rec := send(w, r)
		known := strings.EqualFold(auth[:min(6, len(auth))], "basic ")
		switch rec.Code {
		case http.StatusAccepted:
			if len(w.events) != 1 || !known {
				t.Errorf("202 with %d events, credentials %q", len(w.events), auth)
			}
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusMethodNotAllowed,
			http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
			if len(w.events) != 0 {
				t.Errorf("%d with an event", rec.Code)
			}
			if rec.Header().Get("Content-Type") != "application/problem+json" || !json.Valid(rec.Body.Bytes()) {
				t.Errorf("%d with %s %s", rec.Code, rec.Header(), rec.Body)
			}
			if path == "/enc" && rec.Code == http.StatusUnprocessableEntity {
				t.Error("a source with keys told what is wrong")
			}
		default:
			t.Errorf("answered %d", rec.Code)
		}
	})
}
