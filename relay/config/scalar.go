package config

import (
	"math"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"invitation-relay/relay/secret"
)

// scalars reads a text as each type a single value can have. Whether the YAML
// had quotation marks only matters to numbers and to true and false, which must
// not have them unless a reference needs them.
var scalars = map[reflect.Type]func(text string) (any, error){
	reflect.TypeFor[string]():        func(s string) (any, error) { return s, nil },
	reflect.TypeFor[secret.String](): func(s string) (any, error) { return secret.New(s), nil },
	reflect.TypeFor[bool]():          readBool,
	reflect.TypeFor[int]():           readInt,
	reflect.TypeFor[time.Duration](): func(s string) (any, error) { return parseDuration(s) },
	reflect.TypeFor[time.Time]():     func(s string) (any, error) { return parseDate(s) },
	reflect.TypeFor[Size]():          func(s string) (any, error) { return parseSize(s) },
	reflect.TypeFor[Rate]():          func(s string) (any, error) { return parseRate(s) },
	reflect.TypeFor[netip.Prefix]():  readPrefix,
}

func readBool(s string) (any, error) {
	switch s {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return nil, &valueError{"must be true or false", ""}
}

func readInt(s string) (any, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 0)
	if err != nil {
		return nil, &valueError{"must be a whole number", ""}
	}
	return int(n), nil
}

// readPrefix takes a network, or one address as a network of its own.
func readPrefix(s string) (any, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, &valueError{"not a network", "an address and the bits that count, 10.0.0.0/8 or 2001:db8::/32, or one address"}
	}
	if p != p.Masked() {
		return nil, &valueError{"the address has bits outside its network", "10.1.2.3/8 is written 10.0.0.0/8, one address alone without /8"}
	}
	return p, nil
}

// scalar decodes a single value.
func (d *decoder) scalar(a at, n *yaml.Node, v reflect.Value, read func(string) (any, error)) bool {
	if n.Kind != yaml.ScalarNode {
		d.file.wrong(a.path, "must be a single value, not "+kindName(n.Kind), "text with [ ], { } or : in it needs quotation marks")
		return false
	}
	if !plainTag(n.Tag) {
		d.file.wrong(a.path, "a YAML tag has no meaning here", "leave out what begins with !")
		return false
	}
	text, fromReference, ok := d.text(a, n, v.Type() == reflect.TypeFor[secret.String]())
	if !ok {
		return false
	}
	value, err := read(text)
	if err == nil && !fromReference && n.Tag == "!!str" && (v.Kind() == reflect.Bool || v.Type() == reflect.TypeFor[int]()) {
		err = &valueError{"must not be in quotation marks", ""}
	}
	if err != nil {
		ve := err.(*valueError) //nolint:errorlint,forcetypeassert // all readers return this type
		d.file.wrong(a.path, ve.message, ve.hint)
		return false
	}
	v.Set(reflect.ValueOf(value))
	return true
}

func plainTag(tag string) bool {
	switch tag {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!merge":
		return true
	}
	return false
}

// text is the scalar with its references filled in, and its place notes whether
// it may be seen.
func (d *decoder) text(a at, n *yaml.Node, isSecret bool) (text string, fromReference, ok bool) {
	r := d.world.resolve(n.Value)
	p := d.file.places[a.path]
	p.reference = len(r.brought) > 0 || len(r.wrong) > 0
	p.hidden = isSecret || p.reference
	if p.hidden {
		p.text = r.text
	}
	d.file.places[a.path] = p
	if r.almost {
		d.file.doubt(a.path, "${NAME} is not a reference and stays as it is", "a variable is written ${env:NAME}")
	}
	for _, w := range r.wrong {
		if w != nil {
			d.file.in(a.path, label(a.path), 0, 0, Problem{Message: w.message, Hint: w.hint})
		}
	}
	return r.text, p.reference, len(r.wrong) == 0
}

// free decodes what has no shape of its own: json: and blocks:.
func (d *decoder) free(a at, n *yaml.Node, v reflect.Value) bool {
	var out any
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any)
		for _, e := range d.entries(a, n) {
			m[e.name] = d.freeItem(a.name(e.name), e.key, e.value)
		}
		out = m
	case yaml.SequenceNode:
		s := make([]any, 0, len(n.Content))
		for i, c := range n.Content {
			s = append(s, d.freeItem(a.index(i), nil, c))
		}
		out = s
	default:
		var ok bool
		if out, ok = d.freeScalar(a, n); !ok {
			return false
		}
	}
	v.Set(reflect.ValueOf(&out).Elem())
	return true
}

func (d *decoder) freeItem(a at, key, n *yaml.Node) any {
	v := reflect.New(reflect.TypeFor[any]()).Elem()
	d.value(a, key, n, v)
	return v.Interface()
}

func (d *decoder) freeScalar(a at, n *yaml.Node) (any, bool) {
	if !plainTag(n.Tag) {
		d.file.wrong(a.path, "a YAML tag has no meaning here", "leave out what begins with !")
		return nil, false
	}
	if n.Tag == "!!int" || n.Tag == "!!float" || n.Tag == "!!bool" {
		var out any
		err := n.Decode(&out)
		if f, ok := out.(float64); err != nil || ok && (math.IsInf(f, 0) || math.IsNaN(f)) {
			d.file.wrong(a.path, "JSON has no such value", "put it in quotation marks to send it as text")
			return nil, false
		}
		return out, true
	}
	text, _, ok := d.text(a, n, false)
	return text, ok
}
