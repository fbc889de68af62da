package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type testDocument struct {
	Things []testThing `yaml:"things"`
}

type testThing struct {
	Name  string              `yaml:"name"`
	Count int                 `yaml:"count"`
	Tags  []string            `yaml:"tags"`
	Free  any                 `yaml:"free"`
	More  map[string]*testSub `yaml:"more"`
	Sub   testSub             `yaml:"sub"`
}

type testSub struct {
	Text string `yaml:"text"`
}

func TestDocumentIsReadByTheRulesOfTheConfig(t *testing.T) {
	const text = `things:
  - name: "${env:HOME} stays"
    tags: []
    free: {b: [1, 2.5, null, "${file:/nowhere}"], a: true}
    more: {x: {text: y}}
  - nam: z
    count: "3"
    sub: {text: [1]}
    tags: one
`
	var got testDocument
	d := Decode("things.yaml", []byte(text), &got, "")
	d.Wrong("things[0].tags", "too few", "")
	d.Wrong("things[1].name", "is missing", "give it one")
	d.Wrong("things[1].count", "wrong for another reason", "")
	const want = `things.yaml:3:5: things[0].tags: too few
things.yaml:6:5: unknown key "nam" in things[1]
  hint: did you mean "name"?
things.yaml:7:12: things[1].count: must not be in quotation marks
things.yaml:8:11: things[1].sub.text: must be a single value, not a list
  hint: text with [ ], { } or : in it needs quotation marks
things.yaml:9:11: things[1].tags: must be a list, not a single value
  hint: a list of one is written [value]`
	if diff := cmp.Diff(want, d.Problems().Error()); diff != "" {
		t.Error(diff)
	}
	first := testThing{
		Name: "${env:HOME} stays", Tags: []string{}, More: map[string]*testSub{"x": {Text: "y"}},
		Free: map[string]any{"a": true, "b": []any{1, 2.5, nil, "${file:/nowhere}"}},
	}
	if diff := cmp.Diff(first, got.Things[0]); diff != "" {
		t.Error(diff)
	}
	if !d.Has("things[0].tags") || d.Has("things[0].count") || d.Line("things[1]") != 6 || d.Line("things[0].free.a") != 4 {
		t.Errorf("places are not known: line %d, %d", d.Line("things[1]"), d.Line("things[0].free.a"))
	}
}

func TestDocumentWithNothingInItSaysWhatBelongsThere(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n"} {
		got := Decode("x.yaml", []byte(text), new(testDocument), "things: [...]").Problems()
		if len(got) != 1 || got[0].String() != "x.yaml:1:1: the file is empty\n  hint: things: [...]" {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got := Decode("x.yaml", []byte("things: [\n"), new(testDocument), "").Problems(); len(got) != 1 || !strings.Contains(got[0].Message, "not valid YAML") {
		t.Errorf("%v", got)
	}
}
