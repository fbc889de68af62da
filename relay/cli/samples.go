package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// sample is one message to send.
type sample struct {
	name        string // as it was asked for; a file's base name
	body        []byte
	contentType string
	iv          string // with it, body is sent as it is: it is encrypted already
}

const samplesDir = "testdata/samples"

// sampleNames are the samples built in: "accepted", and those that were encrypted
// by the vendor's algorithm with a public key, "encrypted/accepted".
func sampleNames(files fs.FS) ([]string, error) {
	var names []string
	for _, pattern := range []string{"*.json", "encrypted/*.json"} {
		found, err := fs.Glob(files, path.Join(samplesDir, pattern))
		if err != nil {
			return nil, fmt.Errorf("list samples: %w", err)
		}
		for _, f := range found {
			name := strings.TrimSuffix(strings.TrimPrefix(f, samplesDir+"/"), ".json")
			if name != "keys" { // not a message
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// loadSample returns the sample called name: "-" is standard input, then those
// built in, then a file.
func loadSample(w *world, name string) (sample, error) {
	if name == "-" {
		body, err := io.ReadAll(w.stdin)
		if err != nil {
			return sample{}, fmt.Errorf("read standard input: %w", err)
		}
		return sample{name: "standard input", body: body, contentType: "application/json"}, nil
	}
	known, err := sampleNames(w.files)
	if err != nil {
		return sample{}, err
	}
	if plain := strings.TrimSuffix(name, ".json"); slices.Contains(known, plain) && !isFile(name) {
		return builtIn(w.files, plain)
	}
	body, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if err != nil {
		return sample{}, &failure{
			code: exitFailed, msg: "no sample and no file", err: err,
			hint: "the samples are " + strings.Join(known, ", "),
		}
	}
	return sample{name: filepath.Base(name), body: body, contentType: "application/json"}, nil
}

// isFile: "accepted.json" in the current folder is meant when it is there.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular() && strings.HasSuffix(name, ".json")
}

func builtIn(files fs.FS, name string) (sample, error) {
	data, err := fs.ReadFile(files, path.Join(samplesDir, name+".json"))
	if err != nil {
		return sample{}, fmt.Errorf("read sample %s: %w", name, err)
	}
	if !strings.HasPrefix(name, "encrypted/") {
		return sample{name: name, body: data, contentType: "application/json"}, nil
	}
	var f struct {
		ContentType string `json:"content_type"`
		IV          string `json:"iv"`
		Body        string `json:"body"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return sample{}, fmt.Errorf("read sample %s: %w", name, err)
	}
	return sample{name: name, body: []byte(f.Body), contentType: f.ContentType, iv: f.IV}, nil
}

// fresh is s as another invitation: its id and ticket are new, every other byte
// is as it was. What has neither, or cannot be read, stays as it is.
func (s sample) fresh() sample {
	if s.iv != "" {
		return s
	}
	d := json.NewDecoder(bytes.NewReader(s.body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return s
	}
	var out []byte
	done := 0 // bytes of s.body that are in out
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return s
		}
		after := int(d.InputOffset())
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return s
		}
		if (key == "id" || key == "ticket") && value[0] == '"' {
			begin := int(d.InputOffset()) - len(value)
			if begin < after {
				return s
			}
			out = append(out, s.body[done:begin]...)
			out = append(out, `"`+uuid.NewString()+`"`...)
			done = int(d.InputOffset())
		}
	}
	s.body = append(out, s.body[done:]...)
	return s
}
