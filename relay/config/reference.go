package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// A reference is ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, anywhere in
// a scalar, several times if need be. It is resolved in the parsed scalar, never
// in the file's text, so that a value cannot change the YAML around it; what it
// brings in is not looked at again. A path and a default may contain references:
// ${file:${env:CREDENTIALS_DIRECTORY}/slack} is how systemd hands over secrets.
//
// As in a shell, :- also stands in for a variable that is set and empty. One
// line break at the end of a file is left out, since editors put it there.

// maxReferencedFile bounds a file named in ${file:…}: it holds one value.
const maxReferencedFile = 1 << 20

// world is what references refer to.
type world struct {
	path     string // of the config
	lookup   func(string) (string, bool)
	readFile func(string) ([]byte, error)
	literal  bool // nothing is a reference
}

func newWorld(path string, o Options) *world {
	w := &world{path: path, lookup: o.Lookup, readFile: o.ReadFile}
	if w.lookup == nil {
		w.lookup = os.LookupEnv
	}
	if w.readFile == nil {
		w.readFile = readLimited
	}
	return w
}

var errTooLarge = errors.New("it is larger than 1 MiB")

func readLimited(path string) (_ []byte, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	data, err := io.ReadAll(io.LimitReader(f, maxReferencedFile+1))
	if err == nil && len(data) > maxReferencedFile {
		return nil, errTooLarge
	}
	return data, err
}

// resolved is a scalar with its references filled in.
type resolved struct {
	text    string
	brought []string      // what references brought in; none: the text is as written
	wrong   []*valueError // references that lead nowhere
	almost  bool          // it holds ${NAME}, which is no reference
}

var (
	envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	noRef   = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
)

// resolve fills in the references of a scalar.
func (w *world) resolve(text string) resolved {
	if w.literal {
		return resolved{text: text}
	}
	var r resolved
	var out strings.Builder
	for {
		start := nextReference(text)
		if start < 0 {
			out.WriteString(text)
			r.almost = r.almost || noRef.MatchString(text)
			break
		}
		out.WriteString(text[:start])
		r.almost = r.almost || noRef.MatchString(text[:start])
		end := closing(text[start:])
		if end < 0 {
			r.wrong = append(r.wrong, &valueError{"the reference is not closed", "${env:NAME}, ${env:NAME:-default} or ${file:/path}"})
			break
		}
		value, err := w.follow(text[start+2:start+end], &r)
		if err != nil {
			r.wrong = append(r.wrong, err)
		}
		r.brought = append(r.brought, value)
		out.WriteString(value)
		text = text[start+end+1:]
	}
	r.text = out.String()
	return r
}

// nextReference is where the first reference begins, -1 when there is none.
func nextReference(text string) int {
	env, file := strings.Index(text, "${env:"), strings.Index(text, "${file:")
	if env < 0 || file >= 0 && file < env {
		return file
	}
	return env
}

// closing is the index of the brace that ends the reference text begins with, -1
// when there is none.
func closing(text string) int {
	depth := 0
	for i := range len(text) {
		switch {
		case strings.HasPrefix(text[i:], "${env:"), strings.HasPrefix(text[i:], "${file:"):
			depth++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// follow returns what the inside of a reference stands for.
func (w *world) follow(inside string, outer *resolved) (string, *valueError) {
	if path, ok := strings.CutPrefix(inside, "file:"); ok {
		return w.file(path, outer)
	}
	name, fallback, hasFallback := strings.Cut(strings.TrimPrefix(inside, "env:"), ":-")
	if !envName.MatchString(name) {
		return "", &valueError{"the reference does not name a variable", "letters, digits and _: ${env:NAME} or ${env:NAME:-default}"}
	}
	value, ok := w.lookup(name)
	switch {
	case hasFallback && value == "":
		return w.inner(fallback, outer), nil
	case !ok:
		return "", &valueError{"the environment variable " + name + " is not set", "set it, or give a default: ${env:" + name + ":-default}"}
	}
	return value, nil
}

func (w *world) file(path string, outer *resolved) (string, *valueError) {
	known := len(outer.wrong)
	path = w.inner(path, outer)
	switch {
	case len(outer.wrong) > known:
		return "", nil // said already
	case path == "":
		return "", &valueError{"the reference does not name a file", "${file:/path}, or a path relative to this file"}
	}
	data, err := w.readFile(besides(w.path, path))
	if err != nil {
		// The path itself may come from a variable: it is not shown.
		return "", &valueError{"the file it refers to cannot be read: " + fileReason(err), "paths are relative to this file"}
	}
	text := string(data)
	if line, ok := strings.CutSuffix(text, "\n"); ok {
		text = strings.TrimSuffix(line, "\r")
	}
	return text, nil
}

// inner resolves the references in a path or a default.
func (w *world) inner(text string, outer *resolved) string {
	r := w.resolve(text)
	outer.wrong = append(outer.wrong, r.wrong...)
	return r.text
}

// fileReason is why a file cannot be read, without its path.
func fileReason(err error) string {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err.Error()
	}
	if errors.Is(err, errTooLarge) {
		return errTooLarge.Error()
	}
	return "reading it went wrong"
}
