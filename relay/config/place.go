package config

import (
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

// at is where in the config a value stands: its path with the names and indexes
// the file has (targets.case-api.http.sign[0]), and the same path with * and []
// for them (targets.*.http.sign[]), for lists of settings.
type at struct{ path, shape string }

func (a at) key(k string) at  { return at{dot(a.path, k), dot(a.shape, k)} }
func (a at) name(k string) at { return at{dot(a.path, k), dot(a.shape, "*")} }
func (a at) index(i int) at   { return at{index(a.path, i), a.shape + "[]"} }

func dot(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// place is what the file has at a path.
type place struct {
	key, value *yaml.Node // key is nil in lists and for the whole file; aliases are followed; both are nil for a key that is misspelt
	text       string     // a hidden scalar's text, to see that no message shows it
	hidden     bool       // a secret, or partly from a reference: never quoted
	reference  bool       // positions inside it are not those in the file
	broken     bool       // it has been reported: what follows from that is not
}

// set reports whether the file says something there.
func (p place) set() bool { return p.value != nil && !isNull(p.value) }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// file collects what is wrong with a file, and knows where everything stands.
type file struct {
	name     string
	text     *text
	places   map[string]place
	problems Problems
	empty    string // the hint for a file without anything in it
}

// find is the place at path, or at the nearest path above it that there is.
func (f *file) find(path string) (p place, exact bool) {
	for whole := path; ; {
		if p, ok := f.places[path]; ok && (p.value != nil || path == whole) {
			return p, path == whole
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return f.places[""], path == ""
		}
		path = path[:cut]
	}
}

// has reports whether the file says something at path.
func (f *file) has(path string) bool { return f.places[path].set() }

// brokenBelow reports whether something at or below path has been reported already.
func (f *file) brokenBelow(path string) bool {
	for q, p := range f.places {
		if p.broken && strings.HasPrefix(q, path) && (len(q) == len(path) || path == "" || q[len(path)] == '.' || q[len(path)] == '[') {
			return true
		}
	}
	return false
}

// markBroken remembers that the value at path has been reported.
func (f *file) markBroken(path string) {
	p := f.places[path]
	p.broken = true
	f.places[path] = p
}

// wrong reports a mistake in the value at path; where there is none, in the
// section it is missing from. The value is broken then.
func (f *file) wrong(path, message, hint string) { f.blame(path, label(path), message, hint) }

// blame is wrong with a word of its own for what is at path.
func (f *file) blame(path, who, message, hint string) {
	f.in(path, who, 0, 0, Problem{Message: message, Hint: hint})
	f.markBroken(path)
}

// doubt is wrong for what may be meant.
func (f *file) doubt(path, message, hint string) {
	f.in(path, label(path), 0, 0, Problem{Message: message, Hint: hint, Warning: true})
}

// in reports what is wrong at line and col inside the scalar at path, both from
// 1, or 0 for the whole of it. Nothing follows from what is broken already.
func (f *file) in(path, who string, line, col int, q Problem) {
	p, exact := f.find(path)
	if p.broken {
		return
	}
	q.Line, q.Col = f.position(p, exact, line, col)
	f.put(who, q)
}

// atKey reports a mistake in what a whole section is about, at its key.
func (f *file) atKey(path string, q Problem) {
	p, _ := f.find(path)
	n := p.key
	if n == nil {
		n = p.value
	}
	q.Line, q.Col = n.Line, n.Column
	f.put(path, q)
}

// atNode reports a mistake that belongs to no path.
func (f *file) atNode(n *yaml.Node, message, hint string) {
	f.put("", Problem{Line: n.Line, Col: n.Column, Message: message, Hint: hint})
}

// put adds a problem that has its position.
func (f *file) put(who string, q Problem) {
	q.File = f.name
	if q.what == "" {
		q.what = q.Message
	}
	if who != "" {
		q.Message = who + ": " + q.Message
	}
	q.Message = strings.Map(harmless, q.Message)
	f.problems = append(f.problems, q)
}

func (f *file) position(p place, exact bool, line, col int) (int, int) {
	switch {
	case p.value == nil:
		return 1, 1
	case p.key != nil && (!exact || p.value.Kind != yaml.ScalarNode || isNull(p.value)):
		return p.key.Line, p.key.Column
	case line > 0 && exact && !p.reference:
		return f.text.inside(p.value, line, col)
	}
	return f.text.begin(p.value)
}

// harmless keeps names in the file from steering the terminal they are printed on.
func harmless(r rune) rune {
	if r < ' ' || r >= 0x7f && r < 0xa0 || unicode.Is(unicode.Cf, r) {
		return '?'
	}
	return r
}

// foreign reports what another package said about the scalar at path, which it
// may quote: where it must not be seen, the message is replaced by one that says
// less.
func (f *file) foreign(path, who string, line, col int, q Problem) {
	p, _ := f.find(path)
	if p.hidden && (shows(q.Message, p.text) || shows(q.Hint, p.text)) {
		q.Message, q.Hint = "not valid", "the value is not shown, since it is a secret or comes from a reference"
	}
	f.in(path, who, line, col, q)
}

// label is what a path is called in a message.
func label(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}

// schemes are words that a message about a URL needs and that give nothing away.
var schemes = []string{"http", "https", "url"}

// shows reports whether a message may hold a part of a text: a word of three
// letters or more of it, or all that stands between two quotation marks.
func shows(message, text string) bool {
	if message == "" || text == "" {
		return false
	}
	folded := strings.ToLower(message)
	for _, w := range words(strings.ToLower(text)) {
		if len(w) > 2 && !slices.Contains(schemes, w) && strings.Contains(folded, w) {
			return true
		}
	}
	for _, mark := range []string{`"`, "'", "`"} {
		parts := strings.Split(message, mark)
		for i := 1; i < len(parts); i += 2 {
			if parts[i] != "" && strings.Contains(text, parts[i]) {
				return true
			}
		}
	}
	return false
}

func words(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80
	})
}
