package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"

	"gopkg.in/yaml.v3"
)

// Options is the world a config is read in.
type Options struct {
	// Lookup finds an environment variable for ${env:NAME}; nil is os.LookupEnv.
	Lookup func(name string) (string, bool)
	// ReadFile reads a file for ${file:PATH}; nil is the file system.
	ReadFile func(path string) ([]byte, error)
}

// Load reads and checks the file at path. The Config is nil when a problem is no
// warning; a file that cannot be read is one problem that is ErrRead.
func Load(path string, o Options) (*Config, Problems) {
	data, problems := readFile(path)
	if problems != nil {
		return nil, problems
	}
	return Parse(path, data, o)
}

func readFile(path string) ([]byte, Problems) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err == nil {
		return data, nil
	}
	reason := err
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		reason = pe.Err // the path stands in front of it already
	}
	return nil, Problems{{File: path, Message: ErrRead.Error() + ": " + reason.Error(), err: fmt.Errorf("%w: %w", ErrRead, err)}}
}

// Parse checks data as Load does; path is where it was read from, and what files
// named in it are relative to.
func Parse(path string, data []byte, o Options) (*Config, Problems) {
	f, c := decode(path, data, o)
	if c == nil {
		return nil, f.problems
	}
	k := &checker{file: f, c: c}
	k.check()
	problems := f.problems.tidy()
	if problems.Err() != nil {
		return nil, problems
	}
	return c, problems
}

// decode is the config as far as it could be read, and what is wrong with that;
// nil when it is no YAML.
func decode(path string, data []byte, o Options) (*file, *Config) {
	f := &file{
		name: path, text: newText(data), places: make(map[string]place),
		empty: "`invitation-relay init` writes one to begin with",
	}
	root := f.read(data)
	if root == nil {
		return f, nil
	}
	c := &Config{Path: path}
	setDefaults(c)
	d := &decoder{
		file: f, world: newWorld(path, o),
		active: make(map[*yaml.Node]bool), order: make(map[string][]string),
	}
	d.value(at{}, nil, root, reflect.ValueOf(c).Elem())
	c.name(d.order["sources"], d.order["targets"])
	c.locate()
	return f, c
}

// name tells sources and targets what they are called.
func (c *Config) name(sources, targets []string) {
	c.sourceOrder, c.targetOrder = sources, targets
	for name, s := range c.Sources {
		s.Name = name
	}
	for name, t := range c.Targets {
		t.Name = name
	}
}

// locate makes the files the config names independent of the working directory.
func (c *Config) locate() {
	files := []*string{&c.Server.TLS.CertFile, &c.Server.TLS.KeyFile, &c.Server.TLS.ClientCAFile}
	for _, t := range c.Targets {
		if t.HTTP != nil {
			files = append(files, &t.HTTP.TLS.CAFile, &t.HTTP.TLS.CertFile, &t.HTTP.TLS.KeyFile)
		}
	}
	for _, f := range files {
		*f = besides(c.Path, *f)
	}
}
