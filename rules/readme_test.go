package rules

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

const (
	readme      = "../README.md"
	tableBegins = "<!-- what an expression may name: UPDATE=1 go test ./rules -run Readme writes it -->\n"
	tableEnds   = "<!-- end of what an expression may name -->\n"
)

// TestReadmeHasEveryFieldAndFunction: the table there is made of what the presets
// and the language are made of.
func TestReadmeHasEveryFieldAndFunction(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(data), tableBegins)
	have, after, ends := strings.Cut(rest, tableEnds)
	if !begins || !ends {
		t.Fatalf("the README has no place for the table, between\n%sand\n%s", tableBegins, tableEnds)
	}
	want := readmeTable()
	if have == want {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Fatalf("the table is stale; UPDATE=1 go test ./rules -run Readme makes it\n%s", want)
	}
	if err := os.WriteFile(readme, []byte(before+tableBegins+want+tableEnds+after), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readmeTable has a row for each name, fields first.
func readmeTable() string {
	var b strings.Builder
	b.WriteString("\n| name | type | in | is |\n| --- | --- | --- | --- |\n")
	for _, f := range builtinFields() {
		where := "all sources"
		if f.Name == nameUnmatched {
			where = "`when`"
		}
		row(&b, "`"+f.Name+"`", f.Type.String(), where, f.Doc)
	}
	type entry struct {
		Field
		presets []string
	}
	var fields []*entry
	for _, preset := range Presets() {
		of, _ := PresetFields(preset)
		for _, f := range of {
			f.Doc = described(f)
			i := slices.IndexFunc(fields, func(e *entry) bool { return e.Name == f.Name && e.Type == f.Type && e.Doc == f.Doc })
			if i < 0 {
				fields = append(fields, &entry{f, []string{preset}})
			} else {
				fields[i].presets = append(fields[i].presets, preset)
			}
		}
	}
	for _, f := range fields {
		row(&b, "`"+f.Name+"`", typeOrNil(f.Field), strings.Join(f.presets, ", "), f.Doc)
	}
	for _, f := range ownFunctions() {
		row(&b, "`"+strings.ReplaceAll(f.call, "), ", ")`, `")+"`", f.gives, "function", f.doc)
	}
	for _, name := range switchedOff() {
		row(&b, "`"+name+"`", "", "switched off", switchedOffProblem(name).Hint)
	}
	b.WriteString("\n")
	return b.String()
}

func row(b *strings.Builder, cells ...string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func typeOrNil(f Field) string {
	if f.Documented || f.Type == Any {
		return f.Type.String()
	}
	return f.Type.String() + " or nil"
}

func described(f Field) string {
	doc := f.Doc
	if len(f.Known) > 0 {
		doc += ": `" + strings.Join(f.Known, "`, `") + "`"
	}
	return doc
}

func TestOwnFunctionsAreDocumentedAndCanBeCalled(t *testing.T) {
	for _, f := range ownFunctions() {
		if !strings.HasPrefix(f.call, f.name+"(") || f.doc == "" || f.gives == "" {
			t.Errorf("%+v", f)
		}
		if !slices.Contains(functionNames(), f.name) {
			t.Errorf("%s cannot be called", f.name)
		}
	}
}
