//go:build linux

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	readme        = "../../README.md"
	figuresBegin  = "<!-- figures: UPDATE=1 go test ./relay/bench -run Readme puts those of the last run here -->\n"
	figuresEnd    = "<!-- end of figures -->\n"
	figuresFolder = "figures"
)

func TestReadmeHasTheFiguresOfThePicture(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(figuresFolder, "bench.txt"))
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(filepath.Join(figuresFolder, "bench.svg"))
	if err != nil {
		t.Fatal(err)
	}
	selfContained(t, picture)
	shown := regexp.MustCompile(`>([0-9.]+ x)  ([0-9,]+/s) of ([0-9,]+/s)<`).FindSubmatch(picture)
	if shown == nil {
		t.Fatal("the picture has no bar with figures")
	}
	for _, figure := range shown[1:] { // of one target and one rule
		if !bytes.Contains(text, figure) {
			t.Errorf("the picture is of another run: the text has no %s", figure)
		}
	}
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(data), figuresBegin)
	have, after, ends := strings.Cut(rest, figuresEnd)
	if !begins || !ends {
		t.Fatalf("the README has no place for the figures, between\n%sand\n%s", figuresBegin, figuresEnd)
	}
	want := "\n```text\n" + string(text) + "```\n\n"
	switch {
	case have == want:
	case os.Getenv("UPDATE") == "":
		t.Errorf("the README has the figures of another run; UPDATE=1 go test ./relay/bench -run Readme puts the last one's there")
	default:
		if err := os.WriteFile(readme, []byte(before+figuresBegin+want+figuresEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
