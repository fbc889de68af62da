package config

import (
	"os"

	"gopkg.in/yaml.v3"
)

// Names are what things are called in a config.
type Names struct {
	Sources, Targets, Rules []string // in the order of the file
}

// ReadNames returns the names in the file at path for somebody who is typing:
// whatever else is wrong with the file, or unset where it is read, what can be
// found is returned, and without a file nothing. What could not be a name is
// left out.
func ReadNames(path string) (n Names) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return n
	}
	var f struct {
		Sources yaml.Node   `yaml:"sources"`
		Targets yaml.Node   `yaml:"targets"`
		Rules   []yaml.Node `yaml:"rules"`
	}
	_ = yaml.Unmarshal(data, &f) // as far as it goes
	n.Sources, n.Targets = namesOf(&f.Sources), namesOf(&f.Targets)
	for _, rule := range f.Rules {
		var r struct {
			Name string `yaml:"name"`
		}
		if _ = rule.Decode(&r); goodName.MatchString(r.Name) { // what cannot be read has no name
			n.Rules = append(n.Rules, r.Name)
		}
	}
	return n
}

// namesOf are the keys of a mapping.
func namesOf(mapping *yaml.Node) (names []string) {
	if mapping.Kind == yaml.AliasNode {
		mapping = mapping.Alias
	}
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		if name := mapping.Content[i].Value; goodName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}
