package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"invitation-relay/relay/secret"
)

// setting is one key there is, with the way to it: struct keys, "x" for a name
// the file chooses, 0 for an index.
type setting struct {
	way  []any
	typ  reflect.Type
	keys []string // of a section
}

// settings walks all structs of the config.
func settings() []setting {
	var out []setting
	var walk func(way []any, t reflect.Type)
	walk = func(way []any, t reflect.Type) {
		way = slices.Clip(way)
		s := setting{way: way, typ: t}
		switch {
		case scalars[t] != nil || t.Kind() == reflect.Interface:
		case t.Kind() == reflect.Pointer:
			walk(way, t.Elem())
			return
		case t.Kind() == reflect.Map:
			walk(append(way, "x"), t.Elem())
		case t.Kind() == reflect.Slice:
			walk(append(way, 0), t.Elem())
		case t.Kind() == reflect.Struct:
			for field := range t.Fields() {
				if key := field.Tag.Get("yaml"); key != "" && key != "-" {
					s.keys = append(s.keys, key)
					walk(append(way, key), field.Type)
				}
			}
		}
		out = append(out, s)
	}
	walk(nil, reflect.TypeFor[Config]())
	return out
}

// path is the way as messages write it.
func (s setting) path() string {
	path := ""
	for _, step := range s.way {
		if i, ok := step.(int); ok {
			path = index(path, i)
		} else {
			path = dot(path, step.(string))
		}
	}
	return path
}

// file is a config that has value there, and nothing else. before is how many
// characters stand in front of it.
func (s setting) file(value string) (text string, before int) {
	var open, shut strings.Builder
	for _, step := range s.way {
		if name, ok := step.(string); ok {
			open.WriteString("{" + name + ": ")
			shut.WriteString("}")
		} else {
			open.WriteString("[")
			shut.WriteString("]")
		}
	}
	closing := []byte(shut.String())
	slices.Reverse(closing)
	return open.String() + value + string(closing) + "\n", open.Len()
}

// TestEverySectionRefusesATypo leaves the last letter out of every key at every
// depth, or doubles it.
func TestEverySectionRefusesATypo(t *testing.T) {
	tried := 0
	for _, s := range settings() {
		for _, key := range s.keys {
			typo := key[:len(key)-1]
			if len(typo) < 2 {
				typo = key + key[len(key)-1:]
			}
			tried++
			text, before := s.file("{" + typo + ": 1}")
			_, problems := parse(t, text)
			want := fmt.Sprintf("relay.yaml:1:%d: unknown key %q%s\n  hint: did you mean %q?", before+2, typo, inSection(at{path: s.path()}), key)
			found := false
			for _, p := range problems {
				found = found || p.String() == want
			}
			if !found {
				t.Errorf("%swant %s\ngot %s", text, want, problems)
			}
		}
	}
	if tried < 100 {
		t.Errorf("only %d keys found", tried)
	}
}

// TestEverySettingRefusesAnotherType gives lists and sections to what is a single
// value, and single values to what is a list or a section.
func TestEverySettingRefusesAnotherType(t *testing.T) {
	for _, s := range settings() {
		wrong := []string{"[1]", "{a: 1}"}
		switch {
		case s.typ.Kind() == reflect.Interface:
			continue
		case scalars[s.typ] != nil:
		case s.typ.Kind() == reflect.Slice:
			wrong = []string{"1", "{a: 1}"}
		default:
			wrong = []string{"1", "[1]"}
		}
		for _, value := range wrong {
			text, before := s.file(value)
			_, problems := parse(t, text)
			found := false
			for _, p := range problems {
				found = found || strings.HasPrefix(p.Message, label(s.path())+": must be ") && p.Line == 1 && p.Col <= before+1
			}
			if !found {
				t.Errorf("%sis not refused:\n%s", text, problems)
			}
		}
	}
}

// slips are ways to get a value wrong that holds a secret; § is the secret.
var slips = []string{
	"§", "'§'", `"§"`, `"§\n"`, `"§\t\u0000"`, "[§]", "{§: x}", "{§}", "[[§]]", "*§", "&§ x", "!§ x", "!!int §", "<<: §",
	`"§`, "'§", "{§", "[§", "§: §: x", "@§", "`§", "%§", "§ #", `"${env:NONE}§"`, `"${env:§"`, `"${env:§ §}"`, `"${file:§}"`, `"${§}"`, `"$${env:CANARY}"`,
	`"${env:CANARY}"`, `"x${env:CANARY}y"`, `"${env:NONE:-§}"`, `"${env:NONE:-${env:CANARY}}"`, `"${file:canary.txt}"`, `"${file:${env:CANARY}}"`,
	`"{{ § }}"`, `"{{ §"`, `"https://§:§@§.example/{{ § }}"`, `"http://§\u007f/"`, `"://§"`, `"https://${env:CANARY}.example/{{ ${env:CANARY} }}"`,
	`"hex:§"`, `"base64:§"`, `"whsec_§"`, `"sqlite:§?§"`, `"postgres://u:§@h/d"`, `"§ == \"§\""`, `"transaction_status == \"§\""`, `"§ ("`, "0x§", "-§",
	`"2027-13-§"`, `"1§"`, `"1/§"`, `"10.0.0.§"`, `"§:1"`, `"127.0.0.1:§"`, `"/§/../§"`, `"a@§"`, `"§ <§>"`, `"2xx,§"`, `"$2b$10$§"`,
}

// TestNoMessageShowsASecret puts a secret into every place that holds one, and
// what a variable holds into every place there is, in every wrong way.
func TestNoMessageShowsASecret(t *testing.T) {
	o := Options{Lookup: lookupTest, ReadFile: func(path string) ([]byte, error) {
		if strings.HasSuffix(path, "canary.txt") {
			return []byte(canary + "\n"), nil
		}
		return readLimited(path)
	}}
	tried, found := 0, 0
	for _, s := range settings() {
		if s.keys != nil {
			continue
		}
		isSecret := s.typ == reflect.TypeFor[secret.String]()
		for _, slip := range slips {
			if !isSecret && (strings.Contains(slip, "§") || strings.Contains(slip, "$$")) {
				continue // may be shown
			}
			tried++
			text, _ := s.file(strings.ReplaceAll(slip, "§", canary))
			for _, text := range []string{text, surround(text)} {
				_, problems := Parse("relay.yaml", []byte(text), o)
				found += len(problems)
				for _, p := range problems {
					if strings.Contains(strings.ToLower(p.String()), strings.ToLower(canary)) {
						t.Errorf("%s\n%s", text, p)
					}
				}
			}
		}
	}
	t.Logf("%d files, %d problems", tried, found)
	if tried < 1000 || found < tried {
		t.Errorf("only %d files and %d problems", tried, found)
	}
}

// surround puts what a config needs around one setting, so that the checks that
// need the rest of it are made too.
func surround(text string) string {
	for _, top := range []string{"sources", "rules", "targets"} {
		if strings.HasPrefix(text, "{"+top+":") {
			continue
		}
		switch top {
		case "sources":
			text = "{sources: {s: {path: /s, auth: {anonymous: true}}}, " + text[1:]
		case "rules":
			text = `{rules: [{name: r, when: "true", to: [x]}], ` + text[1:]
		default:
			text = "{targets: {x: {log: {}}}, " + text[1:]
		}
	}
	for section, needs := range map[string]string{
		"{slack: {": "{slack: {webhook_url: 'https://hooks.example/x', ", "{http: {": "{http: {url: 'https://api.example', ",
		"{email: {": "{email: {host: mail.example, from: a@relay.example, to: [b@relay.example], ",
	} {
		key := strings.TrimSuffix(strings.SplitN(strings.SplitN(text+section, section, 2)[1], ":", 2)[0], " ")
		if !strings.Contains(needs, key+":") {
			text = strings.Replace(text, section, needs, 1)
		}
	}
	return text
}
