package config

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// read parses the bytes as one YAML document; nil when it has been reported why
// that cannot be.
func (f *file) read(data []byte) *yaml.Node {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	err := documents.Decode(&first)
	switch {
	case errors.Is(err, io.EOF) || err == nil && isNull(first.Content[0]):
		f.put("", Problem{Line: 1, Col: 1, Message: "the file is empty", Hint: f.empty})
		return nil
	case err != nil:
		f.syntax(data, err)
		return nil
	}
	switch err := documents.Decode(&second); {
	case err == nil:
		f.atNode(&second, "a second document begins here, and would be ignored", "leave out the line with ---")
	case !errors.Is(err, io.EOF):
		f.syntax(data, err)
	}
	return first.Content[0]
}

// maxSyntaxTries bounds the search of syntax; the parser's own line stands in
// for longer files.
const maxSyntaxTries = 2000

// syntax reports bytes that are no YAML. The parser's line numbers are those of
// the construct around the mistake, and off by one in half of the cases, so we
// look for the place ourselves: the last line up to which the file can be read,
// and in the line after it, the last character.
func (f *file) syntax(data []byte, err error) {
	message, hint, said := syntaxMessage(err)
	lines := bytes.SplitAfter(data, []byte("\n"))
	if len(lines) > maxSyntaxTries {
		f.put("", Problem{Line: said, Col: 1, Message: message, Hint: hint})
		return
	}
	end := len(data)
	line := len(lines)
	for line > 0 {
		line--
		end -= len(lines[line])
		if readable(data[:end]) {
			break
		}
	}
	col := 0
	bad := bytes.TrimRight(lines[line], "\r\n")
	chars := []rune(string(bad))
	if len(chars) <= maxSyntaxTries {
		for n := len(chars) - 1; n > 0; n-- {
			if readable(append(data[:end:end], string(chars[:n])...)) {
				col = n
				break
			}
		}
	}
	for col < len(chars)-1 && isBlank(chars[col]) {
		col++
	}
	if bytes.ContainsRune(bad[:len(bad)-len(bytes.TrimLeft(bad, " \t"))], '\t') {
		message, hint = "a tab cannot indent", "use blanks"
		col = bytes.IndexByte(bad, '\t')
	} else if len(chars) > col && (chars[col] == '"' || chars[col] == '\'') {
		message, hint = "not valid YAML: no quotation mark ends what begins here", ""
	}
	f.put("", Problem{Line: line + 1, Col: col + 1, Message: message, Hint: hint})
}

// readable reports whether the bytes are a YAML stream.
func readable(data []byte) bool {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var n yaml.Node
		if err := documents.Decode(&n); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// syntaxMessage is what the parser said, and in which line, without the one thing
// of the file it quotes: the name of an alias, which may be a password that begins
// with *.
func syntaxMessage(err error) (message, hint string, line int) {
	said, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if rest, ok := strings.CutPrefix(said, "line "); ok {
		if number, after, ok := strings.Cut(rest, ": "); ok {
			said = after
			line, _ = strconv.Atoi(number) // the parser wrote it
		}
	}
	const invalid = "not valid YAML: "
	switch {
	case strings.HasPrefix(said, "unknown anchor"):
		return "there is no anchor of this name", "text that begins with * needs quotation marks", line
	case strings.Contains(said, "mapping values are not allowed"):
		return invalid + "a colon that does not follow a key", "text with a colon and a blank in it needs quotation marks", line
	case strings.Contains(said, "cannot start any token"):
		return invalid + "text cannot begin with this character", "put it in quotation marks", line
	case strings.Contains(said, "unexpected end of stream"):
		return invalid + "the quotation mark is never closed", "", line
	case strings.Contains(said, "',' or ']'"), strings.Contains(said, "',' or '}'"):
		return invalid + said, "the bracket is not closed, or a comma is missing", line
	case strings.Contains(said, "expected node content"):
		return invalid + "a value is missing", "a bracket may not be closed", line
	case strings.Contains(said, "could not find expected ':'"):
		return invalid + "a line that is no key: value", "the line begins further left than its section, or a colon is missing", line
	case strings.Contains(said, "did not find expected key"), strings.Contains(said, "expected '-' indicator"):
		return invalid + "the line does not fit the ones before it", "keys of one section begin in the same column", line
	}
	return invalid + said, "", line
}
