package config

import (
	"bytes"
	_ "embed"
)

// schemaJSON is made from the structs of a config and their comments; a test
// says how, and that it is fresh.
//
//go:embed schema.json
var schemaJSON []byte

// Schema is the JSON Schema (2020-12) of a config file, for editors. What it
// refuses Parse refuses too. Parse finds more: names that refer to nothing,
// expressions, texts, and what contradicts something elsewhere in the file.
func Schema() []byte { return bytes.Clone(schemaJSON) }
