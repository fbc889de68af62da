package config

import (
	"fmt"
	"reflect"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Limits of what aliases may make of a small file.
const (
	maxNodes = 200_000
	maxDepth = 64
)

// decoder fills structs from a tree of YAML nodes. It is stricter than yaml.v3's
// own, whose KnownFields is lost below custom unmarshalers and which stops being
// precise at columns: every key must be known at every depth, and whatever is
// wrong is reported where it stands, while the rest goes on being read.
//
// Aliases and merge keys (<<) work. A section that is null has its defaults.
type decoder struct {
	file   *file
	world  *world
	active map[*yaml.Node]bool // being decoded: an alias to one of them has no end
	order  map[string][]string // the names of each section of names, as the file has them
	nodes  int
	depth  int
}

// value decodes node into v, which holds the default. key is the node of its
// key, nil in lists. It reports whether the value may be used.
func (d *decoder) value(a at, key, node *yaml.Node, v reflect.Value) bool {
	n := node
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.file.places[a.path] = place{key: key, value: n}
	if d.nodes++; d.nodes > maxNodes || d.depth > maxDepth || d.active[n] {
		d.tooMuch(a, node)
		return false
	}
	d.active[n] = true
	d.depth++
	ok := d.decode(a, n, v)
	d.depth--
	delete(d.active, n)
	if !ok {
		d.file.markBroken(a.path)
	}
	return ok
}

func (d *decoder) tooMuch(a at, n *yaml.Node) {
	message := "the sections are nested too deep"
	if d.nodes > maxNodes {
		if d.nodes > maxNodes+1 {
			return // said once
		}
		message = "the file is too large once its aliases are followed"
	} else if n.Kind == yaml.AliasNode && d.active[n.Alias] {
		message = "the alias stands inside what it refers to"
	}
	d.file.atNode(n, message, "")
	d.file.markBroken(a.path)
}

// decode is value for a node that is no alias.
func (d *decoder) decode(a at, n *yaml.Node, v reflect.Value) bool {
	if isNull(n) && !hasKindDefaults(v) {
		return true
	}
	if read := scalars[v.Type()]; read != nil {
		return d.scalar(a, n, v, read)
	}
	switch v.Kind() {
	case reflect.Pointer:
		return d.pointer(a, n, v)
	case reflect.Struct:
		return d.expect(a, n, yaml.MappingNode, "a section of keys and values") && d.section(a, n, v)
	case reflect.Map:
		return d.expect(a, n, yaml.MappingNode, "a section of names and values") && d.names(a, n, v)
	case reflect.Slice:
		return d.expect(a, n, yaml.SequenceNode, "a list") && d.list(a, n, v)
	case reflect.Interface:
		return d.free(a, n, v)
	default:
		panic("config: no way to decode a " + v.Type().String()) // a field of a new type: see scalars
	}
}

// kindDefaults is a kind of target. Its defaults are filled in once it is
// decoded, since one may depend on what another setting says.
type kindDefaults interface{ SetDefaults() }

func hasKindDefaults(v reflect.Value) bool {
	return v.Type().Implements(reflect.TypeFor[kindDefaults]())
}

func (d *decoder) pointer(a at, n *yaml.Node, v reflect.Value) bool {
	v.Set(reflect.New(v.Type().Elem()))
	setDefaults(v.Interface())
	ok := isNull(n) || d.decode(a, n, v.Elem())
	if k, is := reflect.TypeAssert[kindDefaults](v); is {
		k.SetDefaults()
	}
	return ok
}

// expect reports a node that is of another kind, or has a tag of its own.
func (d *decoder) expect(a at, n *yaml.Node, kind yaml.Kind, what string) bool {
	switch {
	case n.Kind != kind:
		hint := ""
		if kind == yaml.SequenceNode && n.Kind == yaml.ScalarNode {
			hint = "a list of one is written [value]"
		}
		d.file.wrong(a.path, "must be "+what+", not "+kindName(n.Kind), hint)
		return false
	case n.Tag != "!!map" && n.Tag != "!!seq":
		d.file.wrong(a.path, "a YAML tag has no meaning here", "leave out what begins with !")
		return false
	}
	return true
}

func kindName(k yaml.Kind) string {
	switch k {
	case yaml.MappingNode:
		return "a section of keys and values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

// section decodes a mapping whose keys are the struct's.
func (d *decoder) section(a at, n *yaml.Node, v reflect.Value) bool {
	fields := fieldsOf(v.Type())
	for _, e := range d.entries(a, n) {
		i, ok := fields[e.name]
		if !ok {
			d.unknownKey(a, e, v.Type())
			continue
		}
		d.value(a.key(e.name), e.key, e.value, v.Field(i))
	}
	return true
}

// fieldsOf are the indexes of a struct's fields by key.
func fieldsOf(t reflect.Type) map[string]int {
	fields := make(map[string]int, t.NumField())
	for field := range t.Fields() {
		if key := field.Tag.Get("yaml"); key != "" && key != "-" {
			fields[key] = field.Index[0]
		}
	}
	return fields
}

// unknownKey reports a key with the one that was meant, or the section it
// belongs under. A key that is only misspelt is not also missing.
func (d *decoder) unknownKey(a at, e entry, t reflect.Type) {
	var known []string
	hint := ""
	for field := range t.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		known = append(known, key)
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && scalars[inner] == nil {
			if _, ok := fieldsOf(inner)[e.name]; ok && hint == "" {
				hint = `"` + e.name + `" belongs under ` + key + `:`
			}
		}
	}
	if best := nearest(e.name, known); best != "" || hint == "" {
		hint = didYouMean(e.name, known)
		if best != "" && !d.file.has(dot(a.path, best)) {
			d.file.markBroken(dot(a.path, best))
		}
	}
	message := fmt.Sprintf("unknown key %q", e.name)
	d.file.put("", Problem{
		Line: e.key.Line, Col: e.key.Column, Message: message + inSection(a), Hint: hint, what: message,
	})
}

// names decodes a mapping whose keys are the file's own.
func (d *decoder) names(a at, n *yaml.Node, v reflect.Value) bool {
	out := reflect.MakeMap(v.Type())
	for _, e := range d.entries(a, n) {
		item := d.fresh(v.Type().Elem())
		d.value(a.name(e.name), e.key, e.value, item)
		out.SetMapIndex(reflect.ValueOf(e.name), item)
		d.order[a.path] = append(d.order[a.path], e.name)
	}
	v.Set(out)
	return true
}

// fresh is a new value with its defaults; a pointer to a section is never nil.
func (d *decoder) fresh(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()
	if t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct {
		v.Set(reflect.New(t.Elem()))
		setDefaults(v.Interface())
	} else {
		setDefaults(v.Addr().Interface())
	}
	return v
}

func (d *decoder) list(a at, n *yaml.Node, v reflect.Value) bool {
	out := reflect.MakeSlice(v.Type(), 0, len(n.Content))
	for i, c := range n.Content {
		item, at := d.fresh(v.Type().Elem()), a.index(i)
		if d.value(at, nil, c, item) && v.Type().Elem().Kind() != reflect.Interface && isNull(d.file.places[at.path].value) {
			d.file.wrong(at.path, "the entry is empty", "")
		}
		out = reflect.Append(out, item) // a broken one too: indexes are those of the file
	}
	v.Set(out)
	return true
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }
