package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// maxFolded is how wide a value may be to stand on one line.
const maxFolded = 100

// foldJSON lays a JSON text out for reading: what fits stands on one line, the
// rest is indented. Every token stays as it was written, byte for byte. A text
// that is no JSON is returned as it is.
func foldJSON(text string) string {
	var flat bytes.Buffer
	if json.Compact(&flat, []byte(text)) != nil {
		return text
	}
	var b strings.Builder
	fold(&b, flat.Bytes(), 0)
	return b.String()
}

// fold writes a compact value, indented by so many steps.
func fold(b *strings.Builder, value []byte, depth int) {
	inside := elements(value)
	if len(inside) == 0 || 2*depth+utf8.RuneCount(value) <= maxFolded {
		b.Write(value)
		return
	}
	b.WriteByte(value[0])
	for i, e := range inside {
		if i > 0 {
			b.WriteByte(',')
		}
		newLine(b, depth+1)
		if n := keyLength(e); value[0] == '{' && n > 0 {
			b.Write(e[:n])
			b.WriteByte(' ')
			e = e[n:]
		}
		fold(b, e, depth+1)
	}
	newLine(b, depth)
	b.WriteByte(value[len(value)-1])
}

func newLine(b *strings.Builder, depth int) {
	b.WriteByte('\n')
	b.WriteString(strings.Repeat("  ", depth))
}

// elements are the pieces between the commas of an object or a list.
func elements(value []byte) [][]byte {
	if len(value) < 3 || value[0] != '{' && value[0] != '[' {
		return nil
	}
	var out [][]byte
	depth, begin := 0, 1
	for i := 1; i < len(value)-1; i++ {
		switch value[i] {
		case '"':
			i += stringLength(value[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, value[begin:i])
				begin = i + 1
			}
		}
	}
	return append(out, value[begin:len(value)-1])
}

// keyLength is the length of a member's key with its colon.
func keyLength(member []byte) int { return stringLength(member) + 1 }

// stringLength is the length of the string that valid JSON begins with.
func stringLength(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}
