package rules_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

func TestALeafThatIsOneExpressionKeepsItsType(t *testing.T) {
	tree, problems := rules.CompileTree(invitation(t), map[string]any{
		"attempts": "{{ attempts }}",
		"text":     "tries: {{ attempts }}",
		"blank":    " {{ attempts }}",
		"final":    "{{ attempts >= 3 }}",
		"score":    "{{ payload.score }}",
		"absent":   "{{ region }}",
		"list":     []any{"{{ payload.list }}", "x", 1, 2.5, true, nil},
		"when":     "{{ received_at }}",
		"empty":    map[string]any{"object": map[string]any{}, "list": []any{}, "text": ""},
		"braces":   `{{ "{{" }}`,
	}, rules.Plain)
	if problems != nil {
		t.Fatal(problems)
	}
	got, err := tree.Render(input(map[string]any{"score": 0.5, "list": []any{"a", map[string]any{"b": nil}}}))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"attempts": 3, "text": "tries: 3", "blank": " 3", "final": true, "score": 0.5, "absent": nil,
		"list":  []any{[]any{"a", map[string]any{"b": nil}}, "x", 1, 2.5, true, nil},
		"when":  "2026-11-23T22:30:00Z",
		"empty": map[string]any{"object": map[string]any{}, "list": []any{}, "text": ""}, "braces": "{{",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStringsInsideATypedLeafAreEscapedToo(t *testing.T) {
	tree, problems := rules.CompileTree(invitation(t), []any{"{{ full_name }}", "{{ payload.extra }}", "{{ [full_name] }}"}, rules.HTML)
	if problems != nil {
		t.Fatal(problems)
	}
	got, err := tree.Render(input(map[string]any{"full_name": "<x>", "extra": map[string]any{"<k>": []any{"<v>"}}}))
	want := []any{"&lt;x&gt;", map[string]any{"&lt;k&gt;": []any{"&lt;v&gt;"}}, []any{"&lt;x&gt;"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestAllProblemsOfATreeAreReportedWithTheirPaths(t *testing.T) {
	_, problems := rules.CompileTree(invitation(t), map[string]any{
		"blocks": []any{
			map[string]any{"text": map[string]any{"text": "{{ ful_name }}"}},
			map[string]any{"date": time.Now(), "odd": struct{}{}},
		},
		"a": "{{ attempts",
		"b": "fine {{ id }}",
	}, rules.Plain)
	var got []string
	for _, p := range problems {
		got = append(got, p.Path+": "+p.Message)
	}
	want := []string{
		"a: this {{ is not closed",
		`blocks[0].text.text: unknown name "ful_name"`,
		"blocks[1].date: a date must be put in quotes",
		"blocks[1].odd: only texts, numbers, true, false, null, lists and objects can stand here",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if problems[1].Line != 1 || problems[1].Col != 4 {
		t.Errorf("%+v", problems[1])
	}
}

func TestAnErrorInATreeNamesThePath(t *testing.T) {
	tree, problems := rules.CompileTree(invitation(t), map[string]any{"a": []any{"x", "{{ score + 1 }}"}}, rules.Plain)
	if problems != nil {
		t.Fatal(problems)
	}
	const want = "a[1]: 1:10: cannot calculate with nil and an integer: an absent value needs a default, as in (x ?? 0)"
	if _, err := tree.Render(input(nil)); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestWhatATreeRendersIsAlwaysJSON(t *testing.T) {
	tree, problems := rules.CompileTree(invitation(t), []any{
		"{{ payload }}", "{{ groupBy([1, 2, 3], # % 2) }}", "{{ split(full_name, \" \") }}", "{{ received_at.Month() }}",
		"{{ 1..3 }}", "{{ b\"x\" }}", "{{ received_at.Sub(received_at) }}", "{{ timezone(\"UTC\") }}", uint8(3), int64(4), float32(0.5),
	}, rules.Plain)
	if problems != nil {
		t.Fatal(problems)
	}
	got, err := tree.Render(input(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(got); err != nil {
		t.Error(err)
	}
	for _, expression := range []string{"{{ 1 / 0 }}", "{{ [received_at.Year] }}"} {
		tree, problems := rules.CompileTree(invitation(t), expression, rules.Plain)
		if problems != nil {
			t.Fatal(problems)
		}
		if got, err := tree.Render(input(nil)); err == nil {
			t.Errorf("%s: %v", expression, got)
		}
	}
}
