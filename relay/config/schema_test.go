package config

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// compileSchema is the schema as a validator takes it.
func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asEditor is a file as an editor hands it to the schema: dates are texts, and
// merge keys and aliases are resolved. ok is false when it is no YAML.
func asEditor(data []byte) (value any, ok bool) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil || len(doc.Content) == 0 {
		return nil, false
	}
	if err := doc.Decode(new(any)); err != nil {
		return nil, false // an alias inside itself, a key twice
	}
	return editorValue(doc.Content[0]), true
}

func editorValue(n *yaml.Node) any {
	switch n.Kind {
	case yaml.AliasNode:
		return editorValue(n.Alias)
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, editorValue(c))
		}
		return out
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			if n.Content[i].Value != "<<" {
				out[n.Content[i].Value] = editorValue(n.Content[i+1])
			}
		}
		for i := 0; i < len(n.Content); i += 2 {
			if merged, ok := editorValue(n.Content[i+1]).(map[string]any); ok && n.Content[i].Value == "<<" {
				for key, value := range merged {
					if _, own := out[key]; !own {
						out[key] = value
					}
				}
			}
		}
		return out
	default:
		var out any
		if n.Tag == "!!timestamp" || n.Decode(&out) != nil {
			return n.Value
		}
		return out
	}
}

func TestRightConfigsFitTheSchema(t *testing.T) {
	s := compileSchema(t)
	for _, file := range []string{examplePath, "../cli/init.yaml", "testdata/full.yaml", "testdata/others.yaml"} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		value, _ := asEditor(data)
		if err := s.Validate(value); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	// Those in the scripts that check takes.
	for name, text := range scriptConfigs(t) {
		if _, problems := Parse(name, []byte(text), Options{Lookup: anybody}); problems.Err() != nil {
			continue
		}
		value, _ := asEditor([]byte(text))
		if err := s.Validate(value); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, c := range rightChanges {
		value, _ := asEditor([]byte(c))
		if err := s.Validate(value); err != nil {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// rightChanges are forms of values that the files above do not have.
var rightChanges = []string{
	minimal,
	"server: {listen: '${env:LISTEN}', shutdown_timeout: '${env:T:-20s}'}\n" + minimal,
	"server: {listen: ':${env:PORT}', trusted_proxies: ['${env:PROXY}', '::1']}\n" + minimal,
	"server:\nadmin: ~\nstore: {max_pending: '${file:/run/max}', retention: 1d12h30m}\nlog:\n  level:\n" + minimal,
	"sources: {a: {path: /a, max_body: 65536, auth: {anonymous: '${env:OPEN}'}, dedupe: {window: 0}}}\n",
	"sources: {a: {path: /a, max_body: 4 MiB, encryption: {keys: ['${env:KEY}', \"${file:/run/key}\"], accept_plaintext_until: 2027-03-31}}}\n",
	"sources: {a: {path: /a, auth: {basic: [{username: 007, password: 123456}]}}}\n",
	"sources: {a: {path: /a}}\ntargets: {x: {log: , rate: 1000/d, concurrency: '${env:N}'}, y: {http: {url: '${env:URL}', json: null, success: 204}}}\n",
	"sources: {a: {path: /a}}\nrules: [{name: r, when: true, to: []}]\ntargets: {x: {http: {url: 'https://a.example/{{ id }}', headers: {X-A: 1}, json: [1, {a: b}]}}}\n",
}

func anybody(name string) (string, bool) { return "v-" + name, true }

// scriptConfigs are the YAML files in the scripts.
func scriptConfigs(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split("\n"+string(data), "\n-- ")
		for _, part := range parts[1:] {
			name, text, _ := strings.Cut(part, " --\n")
			if strings.HasSuffix(name, ".yaml") {
				out[filepath.Base(file)+"/"+name] = text + "\n"
			}
		}
	}
	return out
}

// TestWrongConfigsThatASchemaCanSeeAreRefused: the others are listed, by what a
// schema does not see.
func TestWrongConfigsThatASchemaCanSeeAreRefused(t *testing.T) {
	s := compileSchema(t)
	files, err := filepath.Glob("testdata/wrong/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		value, ok := asEditor(data)
		if !ok {
			continue // the editor's YAML sees that
		}
		listed := slices.ContainsFunc(outOfSight, func(u string) bool {
			return name == u || strings.HasSuffix(u, "*") && strings.HasPrefix(name, strings.TrimSuffix(u, "*"))
		})
		switch err := s.Validate(value); {
		case err == nil && !listed:
			t.Errorf("%s is not refused, and not listed", name)
		case err != nil && listed:
			t.Errorf("%s is refused, and listed: %v", name, err)
		case err != nil:
			refused++
		}
	}
	t.Logf("%d of %d refused", refused, len(files))
	if refused < 60 {
		t.Errorf("only %d of %d refused", refused, len(files))
	}
}

// outOfSight are wrong configs whose mistake no schema sees.
var outOfSight = []string{
	"slack-blocks-slack-refuses",
	// what an expression or a text says
	"expr-*", "text-*", "rule-always-*", "rule-never-*", "rule-of-another-source", "dedupe-key-unknown-name", "ordered-by-unknown-name", "digest-*", "subject-longer-*",
	"must-route-b*", "must-route-never-true", "must-route-not-boolean", "must-route-not-provable", "must-route-unknown-name", "must-route-unmatched",
	// what a reference brings in
	"reference-file-*", "reference-to-*", "reference-unset*", "key-from-variable",
	// what stands elsewhere in the file
	"alarms-to-one-that-rules-send-to", "alarms-unknown-target", "admin-open-to-the-network", "admin-user-twice", "field-of-*", "listen-same-port-twice", "plaintext-date-without-keys", "retry-initial-longer-than-max",
	"rule-name-twice", "rule-to-unknown-target", "rule-to-without-targets", "source-allows-every-address", "source-only-encrypted",
	"source-open-to-the-network", "source-path-twice", "target-unused", "rules-missing",
	// what is outside the file
	"tls-file-missing", "target-tls-file-missing",
	// how much a text with a unit is, which bits of an address count, names that ignore case
	"duration-out-of-bounds", "size-too-large", "network-with-host-bits", "header-taken",
	// how the file is written
	"second-document", "syntax-second-document", "tag",
	// what an address and its port are
	"target-at-a-forbidden-address", "url-port-not-one",
	// what is right, once it is supported
	"store-postgres",
}

// TestSchemaRefusesATypoInEverySection leaves the last letter out of every key
// at every depth.
func TestSchemaRefusesATypoInEverySection(t *testing.T) {
	s := compileSchema(t)
	tried := 0
	for _, one := range settings() {
		for _, key := range one.keys {
			tried++
			text, _ := one.file("{" + key[:len(key)-1] + "_: 1}")
			value, _ := asEditor([]byte(text))
			if err := s.Validate(value); err == nil || !strings.Contains(err.Error(), "additional properties") {
				t.Errorf("%s%v", text, err)
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d keys found", tried)
	}
}

// TestSchemaReadsValuesAsParseDoes: what is taken here is taken there. The
// schema does not know how long, how many, or which day there is.
func TestSchemaReadsValuesAsParseDoes(t *testing.T) {
	s := compileSchema(t)
	for path, c := range map[string]struct {
		file  string
		parse func(string) (any, error)
		words []string
	}{
		"duration": {
			"server: {shutdown_timeout: %}", func(s string) (any, error) { return parseDuration(s) },
			[]string{"0", "0s", "1s", "1.5s", ".5s", "1.s", "1d", "1.5d", "30d12h", "1h30m", "12h1d", "1d1d", "d", "1", "s", "", "1 s", "1S", "5µs", "5us", "5μs", "1ms1ns", "1w", "+5s", "1d+1h", "1e3s", "${env:T}"},
		},
		"size": {
			"sources: {a: {path: /a, max_body: %}}", func(s string) (any, error) { return parseSize(s) },
			[]string{"1", "65536", "256KiB", "256 KiB", "4MiB", "1GiB", "10kB", "10KB", "5MB", "2GB", "7B", "256K", "1.5MiB", "KiB", "", "-1", "0", "256kib", "1TiB", "0x10"},
		},
		"rate": {
			"targets: {a: {log: {}, rate: %}}", func(s string) (any, error) { return parseRate(s) },
			[]string{"1/s", "30/m", "100/h", "1000/d", "none", "", "0/s", "1/w", "1", "/s", "1/", "1 / s", "-1/s", "1.5/s", "None"},
		},
		"date": {
			"sources: {a: {path: /a, encryption: {accept_plaintext_until: %}}}", func(s string) (any, error) { return parseDate(s) },
			[]string{"2027-03-31", "", "2027-3-31", "2027-13-01", "2027-00-01", "2027-01-32", "31.03.2027", "2027-03-31T00:00:00Z", "tomorrow"},
		},
		"network": {
			"server: {trusted_proxies: [%]}", readPrefix,
			[]string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "::/0", "::ffff:1.2.3.4", "10.0.0", "10.0.0.0/", "10/8", "host", "", "fe80::1%eth0", "1.2.3.4:80"},
		},
	} {
		for _, word := range c.words {
			text := strings.Replace(c.file, "%", strconv.Quote(word), 1)
			if !strings.Contains(text, "sources:") {
				text = "{" + text + ", sources: {a: {path: /a}}}"
			}
			value, _ := asEditor([]byte(text))
			_, wrong := c.parse(word)
			if strings.Contains(word, "${") {
				wrong = nil
			}
			if refused := s.Validate(value); (refused == nil) != (wrong == nil) {
				t.Errorf("%s %q: the schema says %v, the parser %v", path, word, refused, wrong)
			}
		}
	}
}
