package config

import (
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// scalarOf is the node of the value of key v.
func scalarOf(t *testing.T, file string) *yaml.Node {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(file), &doc); err != nil {
		t.Fatal(err)
	}
	var find func(n *yaml.Node) *yaml.Node
	find = func(n *yaml.Node) *yaml.Node {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "v" {
				return c
			}
			if found := find(c); found != nil {
				return found
			}
		}
		return nil
	}
	n := find(&doc)
	if n == nil {
		t.Fatal("no key v")
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// TestPlacesInScalarsArePlacesInTheFile marks places with § in the file and
// looks for each of them through the value.
func TestPlacesInScalarsArePlacesInTheFile(t *testing.T) {
	for name, file := range map[string]string{
		"plain":                    "v: a == §b\n",
		"plain deep":               "- x:\n  - v: a == §b && §\n",
		"plain behind anchor":      "v: &a !!str §a == §b\n",
		"plain over lines":         "v: a == §b\n  && §c ==\n\n   §d\n",
		"plain umlauts":            "ä: {ö: ü, v: äöü §x}\n",
		"flow":                     "{w: 1, v: §a && §b, x: 2}\n",
		"flow over lines":          "{w: 1, v: §a &&\n   §b\n  && §c, x: 2}\n",
		"single quotes":            "v: 'it''s §a ''§b'''\n",
		"single over lines":        "v: 'a §b  \n\n\n   §c'\n",
		"double quotes":            `v: "a \"§b\" \\ \t\u00e4\x41\U0001F600 §c"` + "\n",
		"double over lines":        "v: \"a §b  \n   §c \\\n   §d\\n\n\n  §e\"\n",
		"double behind anchor":     `v: &x "§a"` + "\n",
		"literal":                  "v: |\n  §a\n    §b\n\n  §c\n",
		"literal stripped":         "v: |-\n      §a\n      §b",
		"literal kept":             "v: |+\n  §a\n\nx: 1\n",
		"literal with indicator":   "x:\n  v: |2\n      §a\n    §b\n",
		"literal begins empty":     "v: |\n\n\n  §a\n  §b\n",
		"literal with a comment":   "v: | # why\n  §a\n",
		"literal behind anchor":    "v: &x |\n  §a\n  §b\n",
		"literal in a list":        "- v: |\n    §a ||\n    §b\n",
		"literal, windows":         "v: |\r\n  a\r\n  §b\r\n",
		"behind an alias":          "x: &a b §c\nv: *a\n",
		"behind a byte order mark": "\ufeffv: a §b\n",
		"tabs inside":              "v: a\t§b\t'§c'\n",
		"next line":                "v:\n  §a == §b\n",
		"anchor on its own line":   "v: &a\n  §a == §b\n",
	} {
		t.Run(name, func(t *testing.T) {
			n := scalarOf(t, file)
			txt := newText([]byte(file))
			marks := 0
			for i, line := range strings.Split(n.Value, "\n") {
				for j, r := range []rune(line) {
					if r != '§' {
						continue
					}
					marks++
					l, c := txt.inside(n, i+1, j+1)
					if l > len(txt.lines) || c > len(txt.lines[l-1]) || txt.lines[l-1][c-1] != '§' {
						t.Errorf("§ number %d is not at %d:%d of\n%s", marks, l, c, file)
					}
				}
			}
			if want := strings.Count(file, "§"); marks != want || want == 0 {
				t.Errorf("%d marks in the value, %d in the file", marks, want)
			}
		})
	}
}

// TestFoldedTextIsReportedWhereItBegins: its lines are not those of the file.
func TestFoldedTextIsReportedWhereItBegins(t *testing.T) {
	file := "x: 1\nv: >\n  a\n  b\n"
	if l, c := newText([]byte(file)).inside(scalarOf(t, file), 1, 3); l != 2 || c != 4 {
		t.Errorf("%d:%d", l, c)
	}
}

// TestTheEndOfAScalarHasAPlace: that is where an expression breaks off.
func TestTheEndOfAScalarHasAPlace(t *testing.T) {
	for file, want := range map[string][2]int{
		"v: a ==\n":            {1, 8},
		"v: 'a =='\n":          {1, 9},
		"{v: a ==, x: 1}\n":    {1, 9},
		"v: |\n  a\n  b ==\n":  {3, 7},
		"v: |-\n  a\n  b ==\n": {3, 7},
	} {
		n := scalarOf(t, file)
		lines := strings.Split(strings.TrimRight(n.Value, "\n"), "\n")
		l, c := newText([]byte(file)).inside(n, len(lines), len(lines[len(lines)-1])+1)
		if l != want[0] || c != want[1] {
			t.Errorf("%q ends at %d:%d", file, l, c)
		}
	}
}

// TestPlacesOutsideAScalarAreItsEnds: whoever counts differently gets no panic.
func TestPlacesOutsideAScalarAreItsEnds(t *testing.T) {
	file := "v: |\n  a\n"
	n, txt := scalarOf(t, file), newText([]byte(file))
	for _, at := range [][2]int{{1, 0}, {1, -5}, {9, 9}, {2, 70}, {0, 0}} {
		if l, c := txt.inside(n, at[0], at[1]); l < 1 || l > 3 || c < 1 || c > 4 {
			t.Errorf("%v is at %d:%d", at, l, c)
		}
	}
}
