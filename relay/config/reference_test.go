package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testReferences resolves against a world of few variables and files.
func testReferences() *world {
	variables := map[string]string{"NAME": "value", "EMPTY": "", "DIR": "/run/creds", "TRICK": "${env:NAME}", "YAML": "a: b\n- c"}
	files := map[string]string{"/run/creds/key": "from file\n", "etc/two": "two\n\n", "etc/dos": "dos\r\n", "etc/none": "", "etc/bare": "bare\r"}
	return newWorld("etc/relay.yaml", Options{
		Lookup: func(name string) (string, bool) { v, ok := variables[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if text, ok := files[path]; ok {
				return []byte(text), nil
			}
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		},
	})
}

func TestReferencesAreResolvedAnywhereInAScalar(t *testing.T) {
	w := testReferences()
	for text, want := range map[string]string{
		"plain": "plain", "": "", "$": "$", "${}": "${}", "a$b{c}": "a$b{c}", "${NAME}": "${NAME}", "$${env:NAME}": "$value", "^[A-Z]{3}$": "^[A-Z]{3}$",
		"${env:NAME}": "value", "a-${env:NAME}-b-${env:NAME}": "a-value-b-value", "${env:NAME}}": "value}",
		"${env:EMPTY}": "", "${env:EMPTY:-default}": "default", "${env:NONE:-default}": "default", "${env:NONE:-}": "", "${env:NAME:-default}": "value",
		"${env:NONE:-a:-b}": "a:-b", "${env:NONE:-${env:NAME}!}": "value!", "${env:NONE:-http://[::1]:80/}": "http://[::1]:80/",
		"${file:/run/creds/key}": "from file", "${file:${env:DIR}/key}": "from file", "${file:two}": "two\n", "${file:dos}": "dos", "${file:none}": "", "${file:bare}": "bare\r",
		"${env:TRICK}": "${env:NAME}", // what came in is not looked at again
		"${env:YAML}":  "a: b\n- c",
	} {
		got := w.resolve(text)
		if got.text != want || len(got.wrong) > 0 {
			t.Errorf("%s became %q, %v", text, got.text, got.wrong)
		}
		if isReference := strings.Contains(text, "${env:") || strings.Contains(text, "${file:"); isReference != (len(got.brought) > 0) {
			t.Errorf("%s: brought in %q", text, got.brought)
		}
	}
}

func TestReferencesThatLeadNowhereSaySo(t *testing.T) {
	w := testReferences()
	for text, want := range map[string]string{
		"${env:NONE}":             "the environment variable NONE is not set",
		"${env:NONE} ${env:ALSO}": "the environment variable NONE is not set, the environment variable ALSO is not set",
		"${env:}":                 "the reference does not name a variable",
		"${env:A B}":              "the reference does not name a variable",
		"${env:1A:-x}":            "the reference does not name a variable",
		"${env:NAME":              "the reference is not closed",
		"${env:A:-${env:NAME}":    "the reference is not closed",
		"${file:}":                "the reference does not name a file",
		"${file:missing}":         "the file it refers to cannot be read: file does not exist",
		"${file:${env:NONE}/key}": "the environment variable NONE is not set",
		"${env:A:-${env:NONE}}":   "the environment variable NONE is not set",
	} {
		var got []string
		for _, e := range w.resolve(text).wrong {
			if e != nil {
				got = append(got, e.message)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// TestFilesAreRelativeToTheConfig whatever the working directory is.
func TestFilesAreRelativeToTheConfig(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"relay.yaml":       strings.Replace(minimal, "anonymous: true", `basic: [{username: preventor, password: "${file:secrets/password}"}]`, 1),
		"secrets/password": "from a file\n",
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := Load(filepath.Join(dir, "relay.yaml"), Options{})
	if c == nil {
		t.Fatal(problems)
	}
	if got := c.Sources["preventor"].Auth.Basic[0].Password.Reveal(); got != "from a file" {
		t.Errorf("%q", got)
	}
	if got := c.StorePath(); got != filepath.Join(dir, "relay.db") {
		t.Errorf("the store is at %s", got)
	}
}

// TestReferencedFilesAreSmall: a device or a log by mistake would fill the memory.
func TestReferencedFilesAreSmall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, make([]byte, maxReferencedFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newWorld("relay.yaml", Options{}).resolve("${file:" + file + "}")
	if len(r.wrong) != 1 || r.wrong[0].message != "the file it refers to cannot be read: it is larger than 1 MiB" {
		t.Errorf("%v", r.wrong)
	}
}

// TestNumbersAndSwitchesCanBeReferences although the YAML has text there.
func TestNumbersAndSwitchesCanBeReferences(t *testing.T) {
	text := strings.Replace(minimal, "rules:", `store: {max_pending: "${env:MAX:-5}", retention: "${env:DAYS:-7}d"}`+"\nrules:", 1)
	text = strings.Replace(text, "anonymous: true", `anonymous: "${env:OPEN:-true}"`, 1)
	c := mustParse(t, text)
	if c.Store.MaxPending != 5 || c.Store.Retention != 7*day || !c.Sources["preventor"].Auth.Anonymous {
		t.Errorf("%+v", c.Store)
	}
}

// TestShellsReferencesAreDoubted: ${NAME} is what people write who come from a
// shell, and stays as it is.
func TestShellsReferencesAreDoubted(t *testing.T) {
	_, problems := parse(t, strings.Replace(minimal, "anonymous: true", `basic: [{username: preventor, password: "${PASSWORD}"}]`, 1))
	if len(problems) != 1 || !problems[0].Warning || !strings.Contains(problems[0].Hint, "${env:NAME}") {
		t.Errorf("%s", problems)
	}
}
