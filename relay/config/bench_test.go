package config

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkParseExample(b *testing.B) {
	data := readExample(b)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := Parse("relay.yaml", data, Options{Lookup: nobody}); problems.Err() != nil {
			b.Fatal(problems)
		}
	}
}

// BenchmarkParseThousandRules is what a reload of a large file costs.
func BenchmarkParseThousandRules(b *testing.B) {
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: rule-%d, when: transaction_status == \"REJECTED\" && attempts > %d, to: [api]}\n", i, i)
	}
	text.WriteString(strings.Replace(minimal, "rules:\n  - {name: all, when: \"true\", to: [api]}\n", "", 1))
	data := []byte(text.String())
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := Parse("relay.yaml", data, Options{Lookup: nobody}); problems.Err() != nil {
			b.Fatal(problems)
		}
	}
}
