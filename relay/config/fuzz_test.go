package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParse reads anything as a config: no panic, an answer soon, every problem
// at a place that exists, and no variable's value in any of them.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/full.yaml", examplePath) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(minimal))
	for _, s := range settings() {
		text, _ := s.file(`"${env:CANARY}"`)
		f.Add([]byte(text))
	}
	o := Options{Lookup: lookupTest, ReadFile: func(string) ([]byte, error) { return []byte(canary), nil }}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := Parse("testdata/fuzz.yaml", data, o)
		if (c == nil) != (problems.Err() != nil) {
			t.Errorf("config %v with %v", c != nil, problems)
		}
		lines := len(newText(data).lines)
		wrote := strings.Contains(strings.ToLower(string(data)), strings.ToLower(canary))
		for _, p := range problems {
			if p.Line < 1 || p.Col < 1 || p.Line > lines+1 {
				t.Errorf("%s: there are %d lines", p, lines)
			}
			if !wrote && strings.Contains(p.String(), canary) {
				t.Errorf("%s", p)
			}
			if strings.ContainsAny(p.Message, "\r\n\x1b") {
				t.Errorf("%q", p.Message)
			}
		}
	})
}
