package intake

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// spoiled are requests to a source with keys by a sender whose credentials hold,
// each wrong in a way of its own.
func spoiled(t testing.TB) map[string]*http.Request {
	t.Helper()
	iv, body := encrypt(t, testKey, testBody)
	raw, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	enc := func(iv, body string) *http.Request {
		return request("/enc", body, header("Content-Type", "text/plain"), header(headerIV, iv))
	}
	flip := func(at int) string {
		p := bytes.Clone(raw)
		p[at] ^= 1
		return b64(p)
	}
	// block is a ciphertext whose plaintext is p, padding and all.
	block := func(p string) string {
		c, err := aes.NewCipher([]byte(testKey))
		if err != nil {
			t.Fatal(err)
		}
		out := []byte(p)
		cipher.NewCBCEncrypter(c, []byte("0123456789abcdef")).CryptBlocks(out, out)
		return b64(out)
	}
	inside := func(text string) *http.Request { return sealed(t, testKey, text) }
	return map[string]*http.Request{
		"no IV":                  enc("", body),
		"IV not base64":          enc("***", body),
		"IV of 15":               enc(b64([]byte("0123456789abcde")), body),
		"IV of 17":               enc(b64([]byte("0123456789abcdef0")), body),
		"IV of 8":                enc(b64([]byte("01234567")), body),
		"IV raw":                 enc("0123456789abcdef", body),
		"two IVs":                request("/enc", body, header("Content-Type", "text/plain"), header(headerIV, iv, iv)),
		"two content types":      request("/enc", body, header("Content-Type", "text/plain", "text/plain"), header(headerIV, iv)),
		"IV changed":             enc(b64([]byte("0133456789abcdef")), body),
		"body empty":             enc(iv, ""),
		"body not base64":        enc(iv, "!!!! ???"),
		"body in hex":            enc(iv, strings.Repeat("0af", 40)),
		"body raw":               enc(iv, string(raw)),
		"body base64 twice":      enc(iv, b64([]byte(body))),
		"one byte":               enc(iv, "AA=="),
		"15 bytes":               enc(iv, b64(raw[:15])),
		"17 bytes":               enc(iv, b64(raw[:17])),
		"a byte short":           enc(iv, b64(raw[:len(raw)-1])),
		"first block missing":    enc(iv, b64(raw[16:])),
		"last block missing":     enc(iv, b64(raw[:len(raw)-16])),
		"five bytes more":        enc(iv, b64(append(bytes.Clone(raw), "12345"...))),
		"last block twice":       enc(iv, b64(append(bytes.Clone(raw), raw[len(raw)-16:]...))),
		"bit in first block":     enc(iv, flip(3)),
		"bit before last block":  enc(iv, flip(len(raw)-17)),
		"bit in last block":      enc(iv, flip(len(raw)-1)),
		"padding 0":              enc(iv, block(strings.Repeat(" ", 15)+"\x00")),
		"padding 17":             enc(iv, block(strings.Repeat("\x11", 32))),
		"padding 255":            enc(iv, block(strings.Repeat("\xff", 16))),
		"padding uneven":         enc(iv, block(`{"id":"a"}`+"\x06\x06\x05\x06\x06\x06")),
		"no padding":             enc(iv, block(`{"id":"123456"} `)),
		"nothing but padding":    enc(iv, block(strings.Repeat("\x10", 16))),
		"wrong key":              sealed(t, otherKey, testBody),
		"no UTF-8 inside":        inside("{\"id\":\"a\xff\"}"),
		"no JSON inside":         inside("hello"),
		"half JSON inside":       inside(testBody[:40]),
		"double member inside":   inside(`{"id":"a","id":"b"}`),
		"too deep inside":        inside(`{"id":"a","x":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`),
		"null inside":            inside("null"),
		"no id inside":           inside(`{"attempts":1}`),
		"wrong type inside":      inside(`{"id":"a","attempts":"1"}`),
		"empty object inside":    inside("{}"),
		"base64 inside":          inside(body),
		"plain JSON":             request("/enc", testBody),
		"plain JSON, label text": request("/enc", testBody, header("Content-Type", "text/plain")),
		"plain JSON, with IV":    request("/enc", testBody, header(headerIV, iv)),
		"plain, wrong label":     request("/enc", testBody, header("Content-Type", "text/html")),
		"plain, no JSON":         request("/enc", "hello"),
	}
}

// Whatever is wrong with an encrypted request, the answer is the same: status,
// headers and body, byte for byte. Only the log and what was kept know more.
func TestEveryFailureOfAnEncryptedSourceIsTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	want := ""
	reasons := map[string]bool{}
	for name, r := range spoiled(t) {
		got := wire(w.do(400, r))
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s is answered\n%s\nand others\n%s", name, got, want)
		}
		reasons[w.refused[len(w.refused)-1].Reason] = true
	}
	if len(w.refused) != len(spoiled(t)) || len(w.events) != 0 {
		t.Errorf("%d of %d were kept, %d became events", len(w.refused), len(spoiled(t)), len(w.events))
	}
	for _, why := range []string{whyPlain, whyIV, whyLength, whyKey, whyDecrypted + "id is missing, empty or not a string.", whyDecrypted + "attempts is not a whole number."} {
		if !reasons[why] {
			t.Errorf("no failure was kept as %q", why)
		}
	}
}

// A body cut short on the way is that answer, too, on a connection that ends.
func TestBodyCutShortTellsNoMore(t *testing.T) {
	w := newWorld(t)
	want := w.do(400, sealed(t, otherKey, testBody))
	got := w.do(400, sealed(t, testKey, testBody, func(r *http.Request) {
		r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
	}))
	if got.Header().Get("Connection") != "close" {
		t.Error("the connection stays open")
	}
	got.Header().Del("Connection")
	if wire(got) != wire(want) {
		t.Errorf("answered\n%s\nand others\n%s", wire(got), wire(want))
	}
}

// countingBlock counts the blocks it decrypts.
type countingBlock struct {
	cipher.Block
	n *int
}

func (b countingBlock) Decrypt(dst, src []byte) { *b.n++; b.Block.Decrypt(dst, src) }

// The work is that of every key over every block, right or wrong: of an answer's
// time, nothing tells which check failed.
func TestWorkDoesNotDependOnWhatIsWrong(t *testing.T) {
	src := twoSources()[1]
	src.Keys = [][]byte{[]byte(otherKey), []byte(testKey), []byte(strings.Repeat("k", 32))}
	w := newWorld(t, src)
	n := 0
	for i, b := range w.h.sources["/enc"].keys {
		w.h.sources["/enc"].keys[i] = countingBlock{b, &n}
	}
	requests := spoiled(t)
	requests["right"] = sealed(t, testKey, testBody)
	requests["right with the first key"] = sealed(t, otherKey, testBody)
	delete(requests, "wrong key")
	for name, r := range requests {
		n = 0
		raw := appendBase64(nil, body(t, r))
		rec := send(w, r)
		if want := 3 * max(1, len(raw)/aes.BlockSize); n != want {
			t.Errorf("%s (%d): %d blocks were decrypted, want %d", name, rec.Code, n, want)
		}
	}
}

// Several keys: each opens, in any order, so that a key can be changed without
// losing an event.
func TestEveryKeyOpens(t *testing.T) {
	for _, keys := range [][]string{{testKey}, {testKey, otherKey}, {otherKey, testKey}, {otherKey, strings.Repeat("z", 32), testKey}} {
		src := twoSources()[1]
		src.Keys = nil
		for _, k := range keys {
			src.Keys = append(src.Keys, []byte(k))
		}
		w := newWorld(t, src)
		for i, k := range keys {
			text := strings.ReplaceAll(testBody, "i-1", "i-"+string(rune('a'+i)))
			w.do(202, sealed(t, k, text))
			if got := string(w.last().Body); got != text {
				t.Errorf("body is %s", got)
			}
			if w.last().Subject != "i-"+string(rune('a'+i)) {
				t.Errorf("subject is %s", w.last().Subject)
			}
		}
	}
}

// The label of an encrypted body means nothing: the IV decides.
func TestIVDecidesNotTheLabel(t *testing.T) {
	for _, label := range [][]string{nil, {""}, {"application/json"}, {"text/plain; charset=ISO-8859-1"}, {"application/octet-stream"}, {";;;"}} {
		w := newWorld(t)
		w.do(202, sealed(t, testKey, testBody, header("Content-Type", label...)))
		if string(w.last().Body) != testBody {
			t.Errorf("%q: body is %s", label, w.last().Body)
		}
	}
	newWorld(t).do(415, sealed(t, testKey, testBody, header("Content-Encoding", "gzip")))
}

func TestPlaintextIsTakenUntilItsDate(t *testing.T) {
	src := twoSources()[1]
	w := newWorld(t, src)
	src.PlaintextUntil = w.now.Add(time.Hour)
	w.do(202, request("/enc", testBody))
	w.do(200, sealed(t, testKey, testBody)) // the same bytes: a repeat
	w.do(400, request("/enc", testBody, header(headerIV, "MDEyMzQ1Njc4OWFiY2RlZg==")))
	opaque := wire(w.do(400, request("/enc", "{}"))) // 422 would be an oracle
	if opaque != wire(w.do(400, sealed(t, otherKey, testBody))) {
		t.Error("plaintext is refused in another way than ciphertext")
	}
	w.now = src.PlaintextUntil
	w.do(400, request("/enc", testBody))
}

func TestUnpadTakesOnlyRightPadding(t *testing.T) {
	for n := 1; n <= 255; n++ {
		p := append(bytes.Repeat([]byte{'x'}, 256), bytes.Repeat([]byte{byte(n)}, n)...)
		p = p[len(p)%16:]
		got, ok := unpad(p)
		if want := n <= 16; ok != want || want && got != len(p)-n || !want && got != len(p) {
			t.Errorf("padding of %d: %d of %d, %t", n, got, len(p), ok)
		}
		for at := 1; n <= 16 && at <= n; at++ { // every byte of it counts
			q := bytes.Clone(p)
			q[len(q)-at] ^= 0x20
			if _, ok := unpad(q); ok {
				t.Errorf("padding of %d with byte %d wrong is taken", n, at)
			}
		}
	}
}
