package config

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// entry is one key of a mapping with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries are the keys of a mapping, its own first, then those that merge keys
// bring in and it has not itself. A key written twice is reported at its second
// place, and the first counts.
func (d *decoder) entries(a at, n *yaml.Node) []entry {
	var out []entry
	var merges []*yaml.Node
	seen := make(map[string]*yaml.Node, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name, ok := d.keyName(key)
		if !ok {
			continue
		}
		if first := seen[name]; first != nil {
			hint := ""
			if key.Tag == "!!merge" {
				hint = "several sections are merged by a list: <<: [*one, *two]"
			}
			d.file.atNode(key, fmt.Sprintf("duplicate key %q%s, first in line %d", name, inSection(a), first.Line), hint)
			continue
		}
		seen[name] = key
		if key.Tag == "!!merge" {
			merges = append(merges, value)
			continue
		}
		out = append(out, entry{name, key, value})
	}
	for _, m := range merges {
		for _, e := range d.merged(a, m) {
			if seen[e.name] == nil {
				seen[e.name] = e.key
				out = append(out, e)
			}
		}
	}
	return out
}

func inSection(a at) string {
	if a.path == "" {
		return ""
	}
	return " in " + a.path
}

// keyName is the text of a key.
func (d *decoder) keyName(key *yaml.Node) (string, bool) {
	n := key
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		d.file.atNode(key, "a key must be a word", "write key: value; text with { } or : in it needs quotation marks")
		return "", false
	}
	return n.Value, true
}

// merged are the entries a merge key brings in: those of one section, or of a
// list of them, of which the first counts.
func (d *decoder) merged(a at, node *yaml.Node) []entry {
	n := node
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.nodes++; d.nodes > maxNodes || d.active[n] {
		d.tooMuch(a, node)
		return nil
	}
	d.active[n] = true
	defer delete(d.active, n)
	switch {
	case n.Kind == yaml.MappingNode:
		return d.entries(a, n)
	case n.Kind == yaml.SequenceNode && node.Kind == yaml.SequenceNode:
		var out []entry
		seen := make(map[string]bool)
		for _, c := range n.Content {
			for _, e := range d.merged(a, c) {
				if !seen[e.name] {
					seen[e.name] = true
					out = append(out, e)
				}
			}
		}
		return out
	}
	d.file.atNode(node, "<< takes a section, or a list of sections", "<<: *anchor")
	return nil
}
