package target

import (
	"bytes"
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"invitation-relay/rules"
)

// slackSchema is what Slack publishes of its blocks; see slackschema/README.md.
//
//go:embed slackschema/blocks.json
var slackSchema []byte

// blockSchemas compile the definitions of single blocks, when they are asked for.
type blockSchemas struct{ compiler *jsonschema.Compiler }

const slackSchemaURL = "slack.json"

func newBlockSchemas() (*blockSchemas, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(slackSchema))
	if err != nil {
		return nil, fmt.Errorf("read Slack's types: %w", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(slackSchemaURL, doc); err != nil {
		return nil, fmt.Errorf("read Slack's types: %w", err)
	}
	return &blockSchemas{c}, nil
}

// check says what is wrong with a block of a known type: where in it, and what.
func (s *blockSchemas) check(block map[string]any) (where []string, what string) {
	name, ok := block["type"].(string)
	if !ok || !slices.Contains(blockTypes, name) {
		return nil, "" // reported already
	}
	schema, err := s.compiler.Compile(slackSchemaURL + "#/definitions/" + definitionOf(name))
	if err != nil {
		return nil, "" // every type has one: a test
	}
	if wrong, ok := schema.Validate(block).(*jsonschema.ValidationError); ok { //nolint:errorlint // what Validate returns
		return inWordsOf(wrong)
	}
	return nil, ""
}

// definitionOf is the name of a type of block in the schema: "RichTextBlock".
func definitionOf(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String() + "Block"
}

// Misshapen reports what in blocks is not as Slack's own types have it, for an
// event like this one. What Check or rendering refuses is theirs to report.
func (c *SlackConfig) Misshapen(env *rules.Env, in *rules.Input, r Report) {
	if len(c.Blocks) == 0 {
		return
	}
	s := &Slack{}
	if s.compileMessage(c, env) != nil {
		return
	}
	blocks, err := s.renderBlocks(in)
	if err != nil {
		return
	}
	schemas, err := newBlockSchemas()
	if err != nil {
		return // it is ours, and a test reads it
	}
	for i, b := range blocks {
		block, ok := b.(map[string]any)
		if !ok {
			continue
		}
		if where, what := schemas.check(block); what != "" {
			name, _ := block["type"].(string)
			r(fmt.Sprintf("blocks[%d]", i)+inside(where), 0, 0, what, "see https://docs.slack.dev/reference/block-kit/blocks/"+strings.ReplaceAll(name, "_", "-")+"-block")
		}
	}
}

// inside is a place in a block as a path: ".elements[0].text".
func inside(where []string) string {
	var b strings.Builder
	for _, part := range where {
		if _, err := strconv.Atoi(part); err == nil {
			b.WriteString("[" + part + "]")
		} else {
			b.WriteString("." + part)
		}
	}
	return b.String()
}

// inWordsOf puts the first mistake of a validation into words.
func inWordsOf(e *jsonschema.ValidationError) (where []string, what string) {
	where = e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.AnyOf:
		return ofBranches(e)
	case *kind.Required:
		return where, k.Missing[0] + " is missing"
	case *kind.AdditionalProperties:
		name := slices.Min(k.Properties)
		return append(slices.Clone(where), name), "is not a part of it"
	case *kind.Type:
		return where, "is " + jsonWord(k.Got) + ", want " + jsonWord(k.Want[0])
	case *kind.Const:
		return where, fmt.Sprintf("is not %v", k.Want)
	case *kind.Enum:
		return where, "is not one of " + words(k.Want)
	}
	if len(e.Causes) > 0 {
		return inWordsOf(e.Causes[0])
	}
	return where, "is not as Slack wants it"
}

// ofBranches explains a value that is none of several shapes: as the shape whose
// type it says it is, or else by the types there are.
func ofBranches(e *jsonschema.ValidationError) (where []string, what string) {
	var types []any
	var best *jsonschema.ValidationError
	for _, branch := range e.Causes {
		all := leaves(branch)
		foreign := false
		for _, leaf := range all {
			if len(leaf.InstanceLocation) != len(e.InstanceLocation)+1 || leaf.InstanceLocation[len(e.InstanceLocation)] != "type" {
				continue
			}
			if k, ok := leaf.ErrorKind.(*kind.Const); ok {
				foreign = true
				types = append(types, k.Want)
			}
		}
		if !foreign && (best == nil || len(all) < len(leaves(best))) {
			best = branch
		}
	}
	if best == nil {
		return append(slices.Clone(e.InstanceLocation), "type"), "is not one of " + words(types)
	}
	return inWordsOf(best)
}

// leaves are the mistakes below a validation error.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var all []*jsonschema.ValidationError
	for _, c := range e.Causes {
		all = append(all, leaves(c)...)
	}
	return all
}

// words lists values by name, each once.
func words(values []any) string {
	var all []string
	for _, v := range values {
		all = append(all, fmt.Sprint(v))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// jsonWord is a JSON type as a person calls it.
func jsonWord(name string) string {
	switch name {
	case "string":
		return "a text"
	case "object":
		return "a mapping"
	case "array":
		return "a list"
	case "null":
		return "empty"
	case "boolean":
		return "true or false"
	}
	return "a " + name
}
