package cli

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// repository is the top of it, also for a test that works in another folder.
var repository, _ = filepath.Abs("../..")

// testWorld is a world of its own, with the repository's samples built in.
func testWorld(t *testing.T) (w *world, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &world{
		stdin: strings.NewReader(`{"id":"from-stdin"}`), stdout: stdout, stderr: stderr,
		lookup: func(string) (string, bool) { return "", false }, files: os.DirFS(repository),
	}, stdout, stderr
}

func TestEverySampleIsListedAndLoads(t *testing.T) {
	w, _, _ := testWorld(t)
	names, err := sampleNames(w.files)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"accepted", "rejected", "dashboard-test", "encrypted/accepted", "encrypted/iv-15"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %s in %v", want, names)
		}
	}
	if slices.Contains(names, "keys") {
		t.Error("the keys are listed as a message")
	}
	for _, name := range names {
		s, err := loadSample(w, name)
		if err != nil || len(s.body) == 0 || s.contentType == "" || (s.iv != "") != strings.HasPrefix(name, "encrypted/") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if s.iv == "" {
			if file, err := fs.ReadFile(w.files, samplesDir+"/"+name+".json"); err != nil || !bytes.Equal(s.body, file) {
				t.Errorf("%s is not byte for byte the file: %v", name, err)
			}
		}
	}
}

func TestSampleMayBeAFileOrStandardInput(t *testing.T) {
	w, _, _ := testWorld(t)
	file := filepath.Join(t.TempDir(), "mine.txt")
	if err := os.WriteFile(file, []byte("not even JSON"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]sample{
		file:            {name: "mine.txt", body: []byte("not even JSON"), contentType: "application/json"},
		"-":             {name: "standard input", body: []byte(`{"id":"from-stdin"}`), contentType: "application/json"},
		"accepted.json": mustLoad(t, w, "accepted"),
	} {
		s, err := loadSample(w, name)
		if diff := cmp.Diff(want, s, cmp.AllowUnexported(sample{})); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	_, err := loadSample(w, "acepted")
	if err == nil || exitCode(err, w.stderr) != exitFailed || !strings.Contains(w.stderr.(*bytes.Buffer).String(), "hint: the samples are accepted, ") {
		t.Errorf("%v: %s", err, w.stderr)
	}
}

func mustLoad(t *testing.T, w *world, name string) sample {
	t.Helper()
	s, err := loadSample(w, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFreshMessageDiffersInIDAndTicketOnly(t *testing.T) {
	for body, want := range map[string]string{
		`{"id":"a","ticket":"b"}`:                             `{"id":"*","ticket":"*"}`,
		"{ \"id\" :\n \"a\\\"}\" , \"x\": {\"id\":\"keep\"}}": "{ \"id\" :\n \"*\" , \"x\": {\"id\":\"keep\"}}",
		`{"x":"id","ticket":"b","n":1.0}`:                     `{"x":"id","ticket":"*","n":1.0}`,
		`{"id":null,"ticket":7}`:                              `{"id":null,"ticket":7}`,
		`{"\u0069d":"a"}`:                                     `{"\u0069d":"*"}`,
		`{}`:                                                  `{}`,
		`[{"id":"a"}]`:                                        `[{"id":"a"}]`,
		`"id"`:                                                `"id"`,
		`{"id":"a",`:                                          `{"id":"a",`,
		`{"id":"a" "ticket":"b"}`:                             `{"id":"a" "ticket":"b"}`,
		`not JSON`:                                            `not JSON`,
		``:                                                    ``,
	} {
		s := sample{body: []byte(body)}
		got := string(s.fresh().body)
		pattern := strings.Split(want, "*")
		rest, matches := got, true
		for i, part := range pattern {
			if i > 0 {
				if len(rest) < 36 || strings.Count(rest[:36], "-") != 4 {
					matches = false
					break
				}
				rest = rest[36:]
			}
			if !strings.HasPrefix(rest, part) {
				matches = false
				break
			}
			rest = rest[len(part):]
		}
		if !matches || rest != "" {
			t.Errorf("%s became %s, want %s", body, got, want)
		}
		if string(s.body) != body {
			t.Errorf("%s was changed in place", body)
		}
	}
	s := sample{body: []byte(`{"id":"a","ticket":"b"}`)}
	if bytes.Equal(s.fresh().body, s.fresh().body) {
		t.Error("two fresh messages are alike")
	}
	if e := (sample{body: []byte("AAAA"), iv: "x"}); string(e.fresh().body) != "AAAA" {
		t.Error("what is encrypted was changed")
	}
}

// FuzzFresh: whatever the sample, a fresh one is JSON if it was, and has every
// other member as it was.
func FuzzFresh(f *testing.F) {
	for _, seed := range []string{`{"id":"a","ticket":"b","x":{"id":[1,{"id":"c"}]}}`, `{"id":"\ud800"}`, ` {"id" : "a"} x`, `{"id":"a","id":"b"}`, `{"a":`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got := sample{body: bytes.Clone(body)}.fresh().body
		if json.Valid(body) != json.Valid(got) {
			t.Fatalf("%q became %q", body, got)
		}
		var before, after map[string]any
		if json.Unmarshal(body, &before) != nil || json.Unmarshal(got, &after) != nil {
			return
		}
		for _, m := range []map[string]any{before, after} {
			for _, name := range []string{"id", "ticket"} {
				if _, ok := m[name].(string); ok {
					m[name] = "*"
				}
			}
		}
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("%q became %q:\n%s", body, got, diff)
		}
	})
}
