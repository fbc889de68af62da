package config

import (
	"strings"
	"testing"
)

// TestSyntaxErrorsAreFoundWhereTheyAre, which the parser's own line is not.
func TestSyntaxErrorsAreFoundWhereTheyAre(t *testing.T) {
	for file, want := range map[string]string{
		"a: b: c\n":                                 "1:5",
		"# x\n# y\na: 'b\nc: d\n":                   "3:4",
		"a: 1\nb: [1, 2\nc: 3\nd: 4\n":              "2:4",
		"a: 1\nb: {x: 1\nc: 3\n":                    "2:4",
		"a:\n  b: 1\n c: 2\n":                       "3:2",
		"a:\n  - 1\n  b: 2\n":                       "3:3",
		"a: 1\n\tb: 2\n":                            "2:1",
		"a: 1\nb: *x\nc: 2\n":                       "2:4",
		"a: 1\nb: \"\\q\"\nc: 2\n":                  "2:4",
		"a: 1\nb: 'x' y\nc: 2\n":                    "2:8",
		"a: 1\nb: @x\n":                             "2:4",
		"a: 1\nb: %x\n":                             "2:4",
		"a: 1\n}\n":                                 "2:1",
		"- a\nb\n":                                  "2:1",
		"a: 1\r\nb: 'x' y\r\n":                      "2:8",
		"a: |\n  x\n y\nb: 1\n":                     "3:2",
		"ä: ü\nö: 'x' y\n":                          "2:8",
		"a: [\n  1,\n  2\n]\nb: {x: [1, 2}\nc: 1\n": "5:4",
		"a: 1\nb: \x01\n":                           "2:4",
		"a: 1\nb: \xff\n":                           "2:4",
	} {
		_, problems := parse(t, file)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), "relay.yaml:"+want+": ") {
			t.Errorf("%q: want %s, got %s", file, want, problems)
		}
	}
}

// TestLongFilesHaveTheParsersLine: looking for the place takes a try a line.
func TestLongFilesHaveTheParsersLine(t *testing.T) {
	_, problems := parse(t, strings.Repeat("# x\n", 2*maxSyntaxTries)+"a: 'b' c\nd: 1\n")
	if len(problems) != 1 || problems[0].Line < 2*maxSyntaxTries {
		t.Errorf("%s", problems)
	}
}
