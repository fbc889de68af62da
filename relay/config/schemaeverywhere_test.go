package config

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestAReferenceMayStandForEveryValueTheSchemaKnows: what is right once it is
// resolved must not be marked as wrong in an editor.
func TestAReferenceMayStandForEveryValueTheSchemaKnows(t *testing.T) {
	s := compileSchema(t)
	var tried []string
	for _, file := range []string{examplePath, "testdata/full.yaml", "testdata/others.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		if _, problems := Load(file, Options{Lookup: nobody}); problems.Err() != nil {
			t.Errorf("%s: %v", file, problems.Err())
		}
		eachValue(doc.Content[0], "", func(path string, n *yaml.Node) {
			tried = append(tried, path+" ")
			was := *n
			*n = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "${env:NAME:-default}"}
			if err := s.Validate(editorValue(doc.Content[0])); err != nil {
				t.Errorf("%s%s: %v", file, path, err)
			}
			*n = was
		})
	}
	for _, setting := range schemaSettings(t) {
		where := regexp.MustCompile("^" + strings.ReplaceAll(setting, "*", `\S+`) + " ")
		if !slices.ContainsFunc(tried, where.MatchString) {
			t.Errorf("no file has%s", setting)
		}
	}
}

// eachValue does f to each scalar below n that is no key and not null.
func eachValue(n *yaml.Node, path string, f func(path string, n *yaml.Node)) {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			eachValue(n.Content[i+1], path+" "+n.Content[i].Value, f)
		}
	case yaml.SequenceNode:
		for _, c := range n.Content {
			eachValue(c, path, f)
		}
	case yaml.ScalarNode:
		if n.Tag != "!!null" {
			f(path, n)
		}
	case yaml.DocumentNode, yaml.AliasNode: // what is behind an alias is tried at its anchor
	}
}

// schemaSettings are the paths of all that the schema knows and has nothing below,
// with * for a name that the operator chooses.
func schemaSettings(t *testing.T) (paths []string) {
	t.Helper()
	var root map[string]any
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var walk func(s map[string]any, path string) (below bool)
	walk = func(s map[string]any, path string) (below bool) {
		if ref, ok := s["$ref"].(string); ok {
			definitions, _ := root["$defs"].(map[string]any)
			s, _ = definitions[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		}
		setting := func(of any, path string) {
			if of, ok := of.(map[string]any); ok {
				below = true
				if !walk(of, path) {
					paths = append(paths, path)
				}
			}
		}
		settings, _ := s["properties"].(map[string]any)
		for key, of := range settings {
			setting(of, path+" "+key)
		}
		setting(s["additionalProperties"], path+" *")
		setting(s["items"], path)
		others, _ := s["anyOf"].([]any)
		for _, of := range others {
			if of, ok := of.(map[string]any); ok && walk(of, path) {
				below = true
			}
		}
		return below
	}
	walk(root, "")
	if len(paths) < 90 {
		t.Errorf("only %d settings found in the schema", len(paths))
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// TestThePatternsOfTheSchemaAreReadAlikeInEveryLanguage: editors and CI read
// JSON Schema with JavaScript, Python, Java and Go. Only what all of them know
// may stand in a pattern; Python, for one, refuses a schema with \p{L} whole.
func TestThePatternsOfTheSchemaAreReadAlikeInEveryLanguage(t *testing.T) {
	var schema any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	found := 0
	eachPattern(schema, func(p string) {
		found++
		if _, err := regexp.Compile(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		for _, of := range []string{`\p`, `\P`, `(?`, `\A`, `\z`, `\Q`, `[[:`} {
			if strings.Contains(p, of) {
				t.Errorf("%s: not every language has %s", p, of)
			}
		}
	})
	if found < 20 {
		t.Errorf("only %d patterns found", found)
	}
}

// eachPattern does f to each pattern in a schema.
func eachPattern(schema any, f func(string)) {
	switch v := schema.(type) {
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok && key == "pattern" {
				f(text)
			} else {
				eachPattern(value, f)
			}
		}
	case []any:
		for _, value := range v {
			eachPattern(value, f)
		}
	}
}
