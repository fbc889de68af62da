package config

import (
	"strings"
	"testing"
)

// TestFieldsThatAreToLeaveOrToBeHiddenExist: a slip there would show what was to be hidden.
func TestFieldsThatAreToLeaveOrToBeHiddenExist(t *testing.T) {
	const top = `
sources:
  preventor: {path: /a, auth: {anonymous: true}, fields: {region: string}}
rules:
  - {name: all, when: "true", to: [it]}
`
	const open = `
  other: {path: /b, preset: json, auth: {anonymous: true}}`
	withOpen := strings.Replace(top, "\nrules:", open+"\nrules:", 1)
	for _, c := range []struct{ yaml, want string }{ // want: the problem, "" for none
		{top + "targets: {it: {log: {}, fields: [id, region], mask: [id]}}", ""},
		{top + "targets: {it: {log: {}, mask: [full_name, cifcod]}}\nprivacy: {fields: [region, ticket]}", ""},
		{top + "targets: {it: {log: {}, fields: [full_nme]}}", `targets.it.fields[0]: no source has a field of this name` + "\n  hint: did you mean \"full_name\"?"},
		{top + "targets: {it: {log: {}, mask: [id, cifcode]}}", `targets.it.mask[1]: no source has a field of this name` + "\n  hint: did you mean \"cifcod\"?"},
		{top + "targets: {it: {log: {}, mask: [zzzzzz]}}", "targets.it.mask[0]: no source has a field of this name\n  hint: the source's fields can declare it"},
		{top + "targets: {it: {log: {}, mask: [payload]}}", "targets.it.mask[0]: no source has"},
		{top + "targets: {it: {log: {}, mask: [data.face]}}", "targets.it.mask[0]: is not a top-level field; fields inside of others cannot be named here"},
		{top + "targets: {it: {log: {}, fields: [id], mask: [cifcod]}}", "targets.it.mask[0]: does not leave, since fields does not list it"},
		{top + "targets: {it: {log: {}, mask: [attempts]}}", "targets.it.mask[0]: only texts can be masked, and this is of type integer"},
		{top + "targets: {it: {log: {}, fields: [id, id]}}", "warning: targets.it.fields[1]: is listed twice"},
		{top + "targets: {it: {log: {}}}\nprivacy: {fields: [full_nam]}", "warning: privacy.fields[0]: no source has a field of this name\n  hint: did you mean \"full_name\"?"},
		{top + "targets: {it: {log: {}}}\nprivacy: {fields: [zzzzzz]}", "warning: privacy.fields[0]: no source"},
		{withOpen + "targets: {it: {log: {}, fields: [zzzzzz]}}", "warning: targets.it.fields[0]: no source is known"},
		{withOpen + "targets: {it: {log: {}, mask: [full_nme]}}", "targets.it.mask[0]: no source has"},
	} {
		_, problems := parse(t, c.yaml+"\n")
		switch {
		case c.want == "" && len(problems) > 0, c.want != "" && len(problems) != 1:
			t.Errorf("%s\ngot  %v\nwant %s", c.yaml, problems, c.want)
		case c.want != "":
			if _, said, _ := strings.Cut(problems[0].String(), ": "); !strings.HasPrefix(said, c.want) {
				t.Errorf("%s\ngot  %s\nwant %s", c.yaml, said, c.want)
			}
		}
	}
}

func TestATextThatNamesAFieldWhichDoesNotLeaveIsAWarning(t *testing.T) {
	const yaml = `
sources:
  preventor: {path: /a, auth: {anonymous: true}}
rules:
  - {name: all, when: full_name != "", to: [it]}
targets:
  it:
    fields: [id, ticket]
    http:
      url: https://api.example/{{ id }}
      json: {a: "{{ ticket }}", b: ["{{ id }} {{ full_name }}"]}
`
	_, problems := parse(t, yaml)
	const want = "relay.yaml:11:50: warning: targets.it.http.json.b[0]: names a field that does not leave, so nothing stands here\n  hint: add it to targets.it.fields, or take it out here"
	if len(problems) != 1 || problems[0].String() != want {
		t.Errorf("%d problems, first %s\nwant %s", len(problems), append(problems, Problem{})[0], want)
	}
	if _, problems := parse(t, strings.Replace(yaml, "[id, ticket]", "[id, ticket, full_name]", 1)); len(problems) > 0 {
		t.Errorf("got %s", problems[0])
	}
}
