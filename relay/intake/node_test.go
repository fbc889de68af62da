package intake

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// node is the sender's own runtime. Its tests are skipped where it is not there,
// and fail where RELAY_REQUIRE_NODE=1 says that it must be.
func node(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("RELAY_REQUIRE_NODE") == "1" {
			t.Fatal("node is not installed: apt-get install -y nodejs")
		}
		t.Skip("node is not installed: apt-get install -y nodejs")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, &msg)
	}
	return out.Bytes()
}

// The sender's algorithm, written as its documentation describes it.
const vendorScript = `
const { createCipheriv } = require("node:crypto");
const texts = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(texts.map(({ key, iv, text }) => {
  const c = createCipheriv("aes-256-cbc", key, Buffer.from(iv, "base64"));
  return c.update(text, "utf8", "base64") + c.final("base64");
})));`

func TestWhatNodeEncryptsIsOpened(t *testing.T) {
	type job struct {
		Key  string `json:"key"`
		IV   string `json:"iv"`
		Text string `json:"text"`
	}
	rnd := rand.New(rand.NewPCG(1, 2)) // fixed, so that a failure repeats
	var jobs []job
	for n := range 100 { // names of every length, so that every padding occurs
		iv := make([]byte, 16)
		for i := range iv {
			iv[i] = byte(rnd.Uint32())
		}
		text := strings.ReplaceAll(testBody, "Jon Doe", strings.Repeat("ñ🦊x", n)+strings.Repeat("y", n%16))
		jobs = append(jobs, job{testKey, base64.StdEncoding.EncodeToString(iv), text})
	}
	stdin, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var bodies []string
	fromJSON(t, node(t, stdin, "-e", vendorScript), &bodies)
	w := newWorld(t)
	for i, body := range bodies {
		w.do(202, request("/enc", body, header("Content-Type", "text/plain"), header(headerIV, jobs[i].IV)))
		if got := string(w.last().Body); got != jobs[i].Text {
			t.Errorf("opened %q, want %q", got, jobs[i].Text)
		}
	}
}

func TestBase64IsReadAsThisNodeReadsIt(t *testing.T) {
	const alphabet = "ABCDxyz0189+/-_ABCDxyz0189+/-_ABCDxyz0189+/-_==\n\r\t !*%éß\x00"
	letters := []rune(alphabet)
	rnd := rand.New(rand.NewPCG(3, 4)) // fixed, so that a failure repeats
	texts := make([]string, 3000)
	for i := range texts {
		var b strings.Builder
		for range rnd.IntN(40) {
			b.WriteRune(letters[rnd.IntN(len(letters))])
		}
		texts[i] = b.String()
	}
	stdin, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	var hex []string
	fromJSON(t, node(t, stdin, "-e", `const texts = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
		console.log(JSON.stringify(texts.map((s) => Buffer.from(s, "base64").toString("base64"))));`), &hex)
	for i, text := range texts {
		if got := base64.StdEncoding.EncodeToString(appendBase64(nil, text)); got != hex[i] {
			t.Errorf("%q is %q, node says %q", text, got, hex[i])
		}
	}
}

func TestCommittedFixturesAreWhatNodeMakes(t *testing.T) {
	node(t, nil, filepath.Join("..", "..", "testdata", "samples", "encrypt.mjs"), "--check")
}

// fixture is a file of testdata/samples/encrypted.
type fixture struct {
	Sample, Key, IV, Body string
	ContentType           string `json:"content_type"`
}

// The fixtures were made by Node and are committed, so this needs none.
func TestCommittedFixturesAreAnsweredAsTheReadmeSays(t *testing.T) {
	var keys map[string]string
	fromJSON(t, sample(t, "keys.json"), &keys)
	src := twoSources()[1]
	src.Keys = [][]byte{[]byte(keys["sample"])}
	for name, want := range map[string]int{
		"accepted": 202, "rejected": 202, "labelled-json": 202, "no-padding": 202, "url-safe": 202,
		"iv-15": 400, "wrong-key": 400, "attempts-string": 400, "ticket-rejected": 400,
	} {
		t.Run(name, func(t *testing.T) {
			var f fixture
			fromJSON(t, sample(t, "encrypted/"+name+".json"), &f)
			w := newWorld(t, src)
			w.do(want, request("/enc", f.Body, header("Content-Type", f.ContentType), header(headerIV, f.IV)))
			if want == 202 && !bytes.Equal(w.last().Body, sample(t, f.Sample)) {
				t.Errorf("body is %s, not byte for byte %s", w.last().Body, f.Sample)
			}
		})
	}
}
