package config

import (
	"os"
	"testing"
)

const examplePath = "../../config.example.yaml"

func nobody(string) (string, bool) { return "", false }

func readExample(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestExamplePassesWithoutAnyVariable(t *testing.T) {
	c, problems := Parse(examplePath, readExample(t), Options{Lookup: nobody})
	for _, p := range problems {
		t.Error(p)
	}
	if c == nil {
		t.Fatal("no config")
	}
}
