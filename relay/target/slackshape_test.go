package target

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"invitation-relay/rules"
)

// misshapen is what is wrong with blocks, a line each.
func misshapen(t *testing.T, blocks string) []string {
	t.Helper()
	env, err := rules.NewEnv(rules.Source{Name: "preventor", Preset: "invitation"})
	if err != nil {
		t.Fatal(err)
	}
	var c SlackConfig
	if err := json.Unmarshal([]byte(blocks), &c.Blocks); err != nil {
		t.Fatal(err)
	}
	in := &rules.Input{Source: "preventor", ReceivedAt: time.Unix(1790000000, 0), Payload: map[string]any{
		"id": "i-1", "full_name": "Jon Doe", "transaction_status": "REJECTED", "attempts": 3,
	}}
	var found []string
	c.Misshapen(env, in, func(path string, _, _ int, message, _ string) { found = append(found, path+" "+message) })
	return found
}

// TestBlocksAreAsSlacksTypesHaveThem: one mistake a row, in a sentence and at its place.
func TestBlocksAreAsSlacksTypesHaveThem(t *testing.T) {
	text := `{"type":"mrkdwn","text":"x"}`
	for _, row := range []struct{ blocks, want string }{
		{`{"type":"divider"}`, ""},
		{`{"type":"header","text":{"type":"plain_text","text":"{{ full_name }}"}}`, ""},
		{`{"type":"section","text":` + text + `,"fields":[` + text + `],"accessory":{"type":"button","text":{"type":"plain_text","text":"x"},"url":"https://x.example/{{ id }}"}}`, ""},
		{`{"type":"image","alt_text":"x","image_url":"https://x.example/i.png"}`, ""},
		{`{"type":"table","rows":[[{"type":"raw_text","text":"{{ id }}"}]]}`, ""},
		{`{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x","style":{"bold":true}}]}]}`, ""},
		{`{"type":"header"}`, "blocks[0] text is missing"},
		{`{"type":"header","text":` + text + `}`, "blocks[0].text.type is not plain_text"},
		{`{"type":"header","text":"x"}`, "blocks[0].text is a text, want a mapping"},
		{`{"type":"header","text":{"type":"plain_text","text":"{{ attempts }}"}}`, "blocks[0].text.text is a number, want a text"},
		{`{"type":"section","texts":` + text + `}`, "blocks[0].texts is not a part of it"},
		{`{"type":"section","text":{"type":"markdown","text":"x"}}`, "blocks[0].text.type is not one of mrkdwn, plain_text"},
		{`{"type":"section","text":{"text":"x"}}`, "blocks[0].text type is missing"},
		{`{"type":"section","fields":[` + text + `,"x"]}`, "blocks[0].fields[1] is a text, want a mapping"},
		{`{"type":"actions","elements":[{"type":"button","text":{"type":"plain_text","text":"x"},"style":"red"}]}`, "blocks[0].elements[0].style is not one of danger, primary"},
		{`{"type":"actions","elements":[{"type":"knob"}]}`, "blocks[0].elements[0].type is not one of button, "},
		{`{"type":"image","alt_text":"x"}`, "blocks[0] "},
		{`{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x","style":"bold"}]}]}`, "blocks[0].elements[0].elements[0].style is a text, want a mapping"},
		{`{"type":"alert","text":` + text + `,"level":"loud"}`, "blocks[0].level is not one of default, error, "},
	} {
		got := misshapen(t, "["+row.blocks+"]")
		if row.want == "" && len(got) == 0 {
			continue
		}
		if len(got) != 1 || row.want == "" || !strings.HasPrefix(got[0], row.want) {
			t.Errorf("%s\ngot  %q\nwant %q", row.blocks, got, row.want)
		}
	}
}

func TestEveryTypeOfBlockHasItsDefinition(t *testing.T) {
	s, err := newBlockSchemas()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Definitions map[string]struct {
			AnyOf []struct {
				Ref string `json:"$ref"`
			} `json:"anyOf"`
		} `json:"definitions"`
	}
	if err := json.Unmarshal(slackSchema, &doc); err != nil {
		t.Fatal(err)
	}
	known := doc.Definitions["KnownBlock"].AnyOf
	if want := len(blockTypes) + len(otherBlocks); len(known) != want {
		t.Errorf("Slack has %d types of block, we know of %d", len(known), want)
	}
	for _, name := range blockTypes {
		if _, err := s.compiler.Compile(slackSchemaURL + "#/definitions/" + definitionOf(name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.ContainsFunc(known, func(k struct {
			Ref string `json:"$ref"`
		},
		) bool {
			return k.Ref == "#/definitions/"+definitionOf(name)
		}) {
			t.Errorf("%s is no block of Slack's", name)
		}
	}
}
