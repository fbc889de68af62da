package cli

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFoldedJSONKeepsEveryToken(t *testing.T) {
	const in = `{"text":"a \"b\", {c}","blocks":[{"type":"header","text":{"type":"plain_text","text":"1.0 & <x> \\"}},` +
		`{"type":"section","fields":[{"type":"mrkdwn","text":"*Name*\nJon"},{"type":"mrkdwn","text":"a line that is long enough to be on its own"}]}],"n":1.0,"e":[],"o":{}}`
	const want = `{
  "text": "a \"b\", {c}",
  "blocks": [
    {"type":"header","text":{"type":"plain_text","text":"1.0 & <x> \\"}},
    {
      "type": "section",
      "fields": [
        {"type":"mrkdwn","text":"*Name*\nJon"},
        {"type":"mrkdwn","text":"a line that is long enough to be on its own"}
      ]
    }
  ],
  "n": 1.0,
  "e": [],
  "o": {}
}`
	if diff := cmp.Diff(want, foldJSON(in)); diff != "" {
		t.Error(diff)
	}
	if got := foldJSON("{broken"); got != "{broken" {
		t.Errorf("%q", got)
	}
}

func FuzzFoldedJSONKeepsEveryToken(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"\\\"}]"}],"c":null}`))
	f.Add([]byte(`[[[[[]]]],{},"",-1e5,{"":{}}]`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var before, after bytes.Buffer
		if json.Compact(&before, in) != nil {
			return
		}
		if err := json.Compact(&after, []byte(foldJSON(string(in)))); err != nil || !bytes.Equal(before.Bytes(), after.Bytes()) {
			t.Errorf("%q became %q", before.Bytes(), after.Bytes())
		}
	})
}
