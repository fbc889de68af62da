package config

import (
	"reflect"

	"gopkg.in/yaml.v3"
)

// Document is another YAML file than the config, read by the same rules: every
// key must be known at every depth, and whatever is wrong is reported where it
// stands, all of it at once. References (${…}) are text like any other there.
type Document struct{ file *file }

// Decode reads data, from the file called path, into the struct that into points
// to: fields with yaml tags, of the types the config's own have. about is a hint
// for a file that is empty. What could be read is there even when there are
// problems.
func Decode(path string, data []byte, into any, about string) *Document {
	f := &file{name: path, text: newText(data), places: make(map[string]place), empty: about}
	if root := f.read(data); root != nil {
		d := &decoder{
			file: f, world: &world{literal: true},
			active: make(map[*yaml.Node]bool), order: make(map[string][]string),
		}
		d.value(at{}, nil, root, reflect.ValueOf(into).Elem())
	}
	return &Document{f}
}

// Has reports whether the document says something at path, written like
// tests[0].expect.rules; null says nothing.
func (d *Document) Has(path string) bool { return d.file.has(path) }

// Line is the line of what stands at path, from 1; of the section it is missing
// from when it is not there.
func (d *Document) Line(path string) int {
	p, exact := d.file.find(path)
	line, _ := d.file.position(p, exact, 0, 0)
	return line
}

// Wrong reports a mistake in the value at path, or in the section it is missing
// from. A value that has been reported already is not reported again.
func (d *Document) Wrong(path, message, hint string) { d.file.wrong(path, message, hint) }

// Problems are all mistakes so far, sorted by position.
func (d *Document) Problems() Problems { return d.file.problems.tidy() }

// DidYouMean is a hint for a word that is none of known: the nearest of them, or
// all of them when none is near; "" when there are none.
func DidYouMean(word string, known []string) string { return didYouMean(word, known) }
