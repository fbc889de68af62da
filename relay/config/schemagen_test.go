package config

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
)

// The schema is generated here and not in the binary, which only has the result
// in it: UPDATE=1 go test ./relay/config -run Schema rewrites schema.json.

// TestSchemaIsMadeFromTheStructs: schema.json is what the structs of today make.
func TestSchemaIsMadeFromTheStructs(t *testing.T) {
	got := generateSchema(t)
	if *update {
		if err := os.WriteFile("schema.json", got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(schemaJSON), string(got)); diff != "" {
		t.Errorf("schema.json is stale; UPDATE=1 go test ./relay/config -run Schema makes it anew (-file +structs)\n%s", diff)
	}
}

func generateSchema(t *testing.T) []byte {
	t.Helper()
	g := &schemaGenerator{t: t, types: map[string]reflect.Type{}}
	r := &jsonschema.Reflector{
		Anonymous: true, ExpandedStruct: true, FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true,
		Mapper: g.scalar, Namer: g.name,
	}
	for base, folder := range map[string]string{"invitation-relay/relay/config": ".", "invitation-relay/relay/config/": "../target"} {
		if err := r.AddGoComments(base, folder, jsonschema.WithFullComment()); err != nil {
			t.Fatal(err)
		}
	}
	root := r.Reflect(&Config{})
	root.Title = "Config of invitation-relay"
	g.section("Config", root)
	for name, s := range root.Definitions {
		g.section(name, s)
	}
	maps.Copy(root.Definitions, schemaScalars())
	g.defaults("Config", root, reflect.ValueOf(defaultConfig()), root.Definitions)
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	return []byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(out.String()))
}

type schemaGenerator struct {
	t     *testing.T
	types map[string]reflect.Type // by the name of the definition
}

// name tells the two structs of one name apart.
func (g *schemaGenerator) name(t reflect.Type) string {
	name := t.Name()
	if strings.HasSuffix(t.PkgPath(), "/target") {
		name = "Target" + name
	}
	g.types[name] = t
	return name
}

// scalar refers to the definition of what stands in the file as one value.
func (g *schemaGenerator) scalar(t reflect.Type) *jsonschema.Schema {
	name, ok := map[string]string{
		"string": "text", "secret.String": "text", "bool": "bool", "int": "integer", "time.Duration": "duration",
		"time.Time": "date", "config.Size": "size", "config.Rate": "rate", "netip.Prefix": "network",
	}[t.String()]
	if !ok {
		if scalars[t] != nil {
			g.t.Errorf("the schema knows nothing of %s", t)
		}
		return nil
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + name}
}

// section finishes a struct: what its fields say beyond their type, null for
// what may be left out, and descriptions that use the words of the file.
func (g *schemaGenerator) section(name string, s *jsonschema.Schema) {
	typ := g.types[name]
	if typ == nil || typ.Kind() != reflect.Struct {
		return
	}
	s.Required = schemaRequired[name]
	required := " " + strings.Join(s.Required, " ") + " "
	for field := range typ.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		p, ok := s.Properties.Get(key)
		if !ok {
			g.t.Fatalf("%s.%s is not in the schema", name, key)
		}
		if p.Description == "" {
			g.t.Errorf("%s.%s has no comment", name, key)
		}
		described := &jsonschema.Schema{Description: inFileWords(p.Description, typ)}
		p.Description = ""
		if detail := schemaDetails[name+"."+key]; detail != nil {
			p = detail(p)
		}
		switch {
		case strings.Contains(required, " "+key+" ") && p.Ref != "":
			described.Ref = p.Ref
		case strings.Contains(required, " "+key+" "):
			p.Description = described.Description
			described = p
		case isAnything(p):
		case reflect.DeepEqual(p, &jsonschema.Schema{AnyOf: p.AnyOf}):
			described.AnyOf = append(p.AnyOf, &jsonschema.Schema{Type: "null"})
		default:
			described.AnyOf = []*jsonschema.Schema{p, {Type: "null"}}
		}
		s.Properties.Set(key, described)
	}
	if more := schemaSections[name]; more != nil {
		more(s)
	}
	s.Description = inFileWords(s.Description, typ)
}

func isAnything(s *jsonschema.Schema) bool {
	text, err := json.Marshal(s)
	return err == nil && (string(text) == "true" || string(text) == "{}")
}

// inFileWords puts the keys of the file in place of the names of Go: "max_body
// is the largest …". A name that is also a word of its own is one at the
// beginning only: "http sends to an HTTP endpoint".
func inFileWords(comment string, typ reflect.Type) string {
	words := strings.Fields(comment)
	for field := range typ.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		for i, word := range words {
			bare := strings.TrimRight(word, ",.;:)")
			if bare == field.Name && (i == 0 || key != strings.ToLower(bare) || typ != reflect.TypeFor[Target]()) {
				words[i] = key + word[len(bare):]
			}
		}
	}
	return strings.Join(words, " ")
}

// defaultConfig is a config with one of everything, at its defaults.
func defaultConfig() *Config {
	c := new(Config)
	setDefaults(c)
	return c
}

// defaults notes the defaults of a struct, and of those inside it.
func (g *schemaGenerator) defaults(name string, s *jsonschema.Schema, v reflect.Value, all jsonschema.Definitions) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	for field, value := range v.Fields() {
		key := field.Tag.Get("yaml")
		if key == "" || key == "-" {
			continue
		}
		p, _ := s.Properties.Get(key)
		if def, ok := schemaDefault(value, name+"."+key); ok {
			p.Default = def
			continue
		}
		inner := field.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice || inner.Kind() == reflect.Map {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || scalars[inner] != nil {
			continue
		}
		below := value
		if field.Type != inner { // a list, a section of names or a kind of target: a fresh one
			below = reflect.New(inner)
			setDefaults(below.Interface())
			if k, ok := reflect.TypeAssert[kindDefaults](below); ok {
				k.SetDefaults()
			}
		}
		def := g.name(inner)
		g.defaults(def, all[def], below, all)
	}
}
