package config

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

// schemaReference is how a value comes from outside; it may stand anywhere in a
// text, and in place of any value that is no section and no list.
const schemaReference = `\$\{(env|file):[^}]+\}`

// schemaScalars are the definitions of what stands in the file as one value.
func schemaScalars() jsonschema.Definitions {
	const hours = `(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))`
	return jsonschema.Definitions{
		"reference": {
			Type: "string", Pattern: schemaReference,
			Description: "${env:NAME}, ${env:NAME:-default} or ${file:/path}",
		},
		"text":    {Extras: map[string]any{"type": []string{"string", "number", "boolean"}}},
		"bool":    orReference(&jsonschema.Schema{Type: "boolean"}),
		"integer": orReference(&jsonschema.Schema{Type: "integer"}),
		"duration": orReference(pattern(`^(0|\+?([0-9]+\.?[0-9]*d`+hours+`*|`+hours+`+))$`, "500ms, 15s, 5m, 72h, 30d, 1d12h"),
			&jsonschema.Schema{Const: 0}),
		"date": orReference(pattern(`^([0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))?$`, "YYYY-MM-DD")),
		"size": orReference(pattern(`^[0-9]+\s*(KiB|MiB|GiB|kB|KB|MB|GB|B)?$`, "65536, 256KiB, 4MiB, 10kB, 5MB"),
			&jsonschema.Schema{Type: "integer", Minimum: "0"}),
		"rate":    orReference(pattern(`^([1-9][0-9]*\s*/\s*[smhd]|none|)$`, "1/s, 30/m, 100/h, 1000/d or none")),
		"network": orReference(pattern(`^([0-9]{1,3}(\.[0-9]{1,3}){3}(/[0-9]{1,2})?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*(/[0-9]{1,3})?)$`, "10.0.0.0/8, 2001:db8::/32 or one address")),
	}
}

func orReference(these ...*jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: append(these, &jsonschema.Schema{Ref: "#/$defs/reference"})}
}

func pattern(expression, words string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: expression, Description: words}
}

// schemaRequired are the keys that must be there.
var schemaRequired = map[string][]string{
	"Config":            {"sources"},
	"Source":            {"path"},
	"BasicAuth":         {"username", "password"},
	"HeaderAuth":        {"name", "value"},
	"User":              {"name", "password_hash"},
	"Rule":              {"name", "when", "to"},
	"TargetHTTPConfig":  {"url"},
	"TargetEmailConfig": {"host", "from", "to"},
	"TargetBasicAuth":   {"username", "password"},
	"TargetOAuth2":      {"token_url", "client_id", "client_secret"},
}

type detail = func(*jsonschema.Schema) *jsonschema.Schema

func like(expression string) detail {
	return func(*jsonschema.Schema) *jsonschema.Schema { return orReference(pattern(expression, "")) }
}

// likeAny is like, for what may well be a number, or true, without quotation marks.
func likeAny(expression string) detail {
	return func(*jsonschema.Schema) *jsonschema.Schema {
		return &jsonschema.Schema{Pattern: expression, Extras: map[string]any{"type": []string{"string", "number", "boolean"}}}
	}
}

// orReferenceToo lets a reference stand though the pattern forbids its colon.
func orReferenceToo(s *jsonschema.Schema) *jsonschema.Schema { return orReference(s) }

func oneOf(words ...string) detail {
	return func(*jsonschema.Schema) *jsonschema.Schema {
		s := &jsonschema.Schema{Type: "string"}
		for _, w := range words {
			s.Enum = append(s.Enum, w)
		}
		return orReference(s)
	}
}

func between(least, most int) detail {
	return func(*jsonschema.Schema) *jsonschema.Schema {
		return orReference(&jsonschema.Schema{
			Type: "integer", Minimum: json.Number(strconv.Itoa(least)), Maximum: json.Number(strconv.Itoa(most)),
		})
	}
}

// each is for the entries of a list, or the values of a section of names.
func each(d detail) detail {
	return func(s *jsonschema.Schema) *jsonschema.Schema {
		if s.Items != nil {
			s.Items = d(s.Items)
		} else {
			s.AdditionalProperties = d(s.AdditionalProperties)
		}
		return s
	}
}

func named(expression string) detail {
	return func(s *jsonschema.Schema) *jsonschema.Schema {
		s.PropertyNames = &jsonschema.Schema{Pattern: expression}
		return s
	}
}

// not is for names that are taken.
func not(names ...string) detail {
	return func(s *jsonschema.Schema) *jsonschema.Schema {
		taken := &jsonschema.Schema{}
		for _, name := range names {
			taken.Enum = append(taken.Enum, name)
		}
		s.PropertyNames.Not = taken
		return s
	}
}

func both(a, b detail) detail {
	return func(s *jsonschema.Schema) *jsonschema.Schema { return b(a(s)) }
}

const (
	keyPattern    = `^([ -~]{32}|[^\n]*[^ -~\n][^\n]*|hex:\s*[0-9A-Fa-f]{64}\s*|base64:[A-Za-z0-9+/_=\s-]{43,})$`
	signPattern   = `^(whsec_)?[A-Za-z0-9+/]+={0,2}$`
	listenPattern = `^[^/\s@]*:[0-9]{1,5}$`
	urlPattern    = `^[hH][tT][tT][pP][sS]?://.+`

	// fieldPattern is a name that an expression can have, and any character beyond ASCII for a letter: \p{L} is not
	// read by every language that reads JSON Schema.
	fieldPattern = `^[^\x00-@\[-^\x60{-\x7f][^\x00-/:-@\[-^\x60{-\x7f]*$`
)

// schemaDetails is what fields demand beyond their type, as far as one value shows it.
var schemaDetails = map[string]detail{
	"Config.sources":        named(goodName.String()),
	"Config.targets":        named(goodName.String()),
	"Server.listen":         like(listenPattern),
	"Admin.listen":          like(listenPattern),
	"User.name":             like(`^[^:\r\n]+$`),
	"User.password_hash":    like(`^\$2[a-z]?\$[0-9]{2}\$[./A-Za-z0-9]{53}$`),
	"User.role":             oneOf(RoleViewer, RoleOperator),
	"Store.url":             like(`^(sqlite:(/?[^/:?#]|[^/:?#]+[^:?#]*[^/:?#]|/[^/:?#][^:?#]*[^/:?#])|postgres(ql)?://.+)$`),
	"Store.max_pending":     between(1, 1_000_000_000),
	"Store.encryption_keys": each(like(keyPattern)),
	"Source.path": func(*jsonschema.Schema) *jsonschema.Schema {
		s := pattern(`^/[A-Za-z0-9/._~-]*$`, "")
		s.Not = &jsonschema.Schema{Pattern: `//|/\.{1,2}(/|$)|^/(livez|readyz|metrics|-|api)(/|$)`}
		return orReference(s)
	},
	"Source.preset":           oneOf(rules.Presets()...),
	"Source.fields":           both(both(named(fieldPattern), not("payload", "source", "received_at", "event_id", "unmatched")), each(oneOf(fieldTypes...))),
	"Rule.to":                 func(s *jsonschema.Schema) *jsonschema.Schema { s.UniqueItems = true; return s },
	"BasicAuth.username":      both(likeAny(`^[^:]+$`), orReferenceToo),
	"BasicAuth.password":      likeAny(`^.`),
	"HeaderAuth.name":         like("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"),
	"HeaderAuth.value":        likeAny(`^[^\r\n\x00]+$`),
	"Auth.signature":          each(like(signPattern)),
	"Encryption.keys":         each(like(keyPattern)),
	"KeepRefused.max":         between(0, 1_000_000),
	"Rule.name":               like(goodName.String()),
	"Rule.when":               likeAny(`\S`),
	"Retry.quick":             between(0, 10),
	"Digest.max":              between(1, 1000),
	"Target.concurrency":      between(1, 1024),
	"Log.level":               oneOf("debug", "info", "warn", "error"),
	"Log.format":              oneOf("auto", "json", "text"),
	"TargetHTTPConfig.url":    like(urlPattern),
	"TargetHTTPConfig.method": oneOf("POST", "PUT", "PATCH"),
	"TargetHTTPConfig.success": func(*jsonschema.Schema) *jsonschema.Schema {
		return orReference(pattern(`^\s*[2-5]([xX]{2}|[0-9]{2})\s*(,\s*[2-5]([xX]{2}|[0-9]{2})\s*)*$`, "2xx, 200 or 200,202"),
			&jsonschema.Schema{Type: "integer", Minimum: "200", Maximum: "599"})
	},
	"TargetHTTPConfig.sign":         each(like(signPattern)),
	"TargetSlackConfig.webhook_url": like(urlPattern),
	"TargetEmailConfig.host":        like(`^[^\s/@\[\]]+$`),
	"TargetEmailConfig.port":        between(1, 65535),
	"TargetEmailConfig.tls":         oneOf("mandatory", "implicit", "opportunistic", "none"),
	"TargetEmailConfig.from":        like(`@`),
	"TargetEmailConfig.to":          each(like(`@`)),
	"TargetLogConfig.level":         oneOf("debug", "info", "warn", "error"),
}

// schemaSections is what sections demand as a whole.
var schemaSections = map[string]func(*jsonschema.Schema){
	"Target": func(s *jsonschema.Schema) {
		for _, kind := range []string{"http", "slack", "email", "log"} {
			s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{kind}})
		}
	},
	"ServerTLS": func(s *jsonschema.Schema) {
		s.DependentRequired = map[string][]string{"cert_file": {"key_file"}, "key_file": {"cert_file"}, "client_ca_file": {"cert_file"}}
	},
	"TargetClientTLS": func(s *jsonschema.Schema) {
		s.DependentRequired = map[string][]string{"cert_file": {"key_file"}, "key_file": {"cert_file"}}
	},
	"TargetHTTPAuth": func(s *jsonschema.Schema) { most := uint64(1); s.MaxProperties = &most },
	"TargetSlackConfig": func(s *jsonschema.Schema) {
		s.OneOf = []*jsonschema.Schema{{Required: []string{"webhook_url"}}, {Required: []string{"token", "channel"}}}
		s.DependentRequired = map[string][]string{"channel": {"token"}, "thread_by": {"token"}, "api_url": {"token"}}
	},
	"TargetEmailConfig": func(s *jsonschema.Schema) {
		s.DependentRequired = map[string][]string{"username": {"password"}, "password": {"username"}}
	},
	"Config": func(s *jsonschema.Schema) {
		if sources, ok := s.Properties.Get("sources"); ok {
			least := uint64(1)
			sources.MinProperties = &least
		}
	},
}

// schemaDefault is a default as one would write it, if there is one to speak of.
func schemaDefault(v reflect.Value, path string) (any, bool) {
	switch value := v.Interface().(type) {
	case string:
		return value, value != ""
	case secret.String:
		return value.Reveal(), !value.IsZero()
	case bool:
		return value, true
	case int:
		return value, value != 0 || strings.HasSuffix(path, ".quick")
	case time.Duration:
		return shortDuration(value), true
	case Size:
		return strconv.Itoa(int(value)>>10) + "KiB", true
	case []string:
		return value, value != nil
	}
	return nil, false
}
