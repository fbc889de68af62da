package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblemPrintsAsFileLineColumnAndHint(t *testing.T) {
	for want, p := range map[string]Problem{
		"relay.yaml:3:5: wrong":                               {File: "relay.yaml", Line: 3, Col: 5, Message: "wrong"},
		"relay.yaml:3:5: warning: odd":                        {File: "relay.yaml", Line: 3, Col: 5, Message: "odd", Warning: true},
		"relay.yaml:3:5: wrong\n  hint: do\n        this":     {File: "relay.yaml", Line: 3, Col: 5, Message: "wrong", Hint: "do\nthis"},
		"relay.yaml: cannot read the config: no such a thing": {File: "relay.yaml", Message: "cannot read the config: no such a thing"},
	} {
		if diff := cmp.Diff(want, p.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestWarningsAloneAreNoError(t *testing.T) {
	if err := (Problems{{Message: "odd", Warning: true}}).Err(); err != nil {
		t.Error(err)
	}
	if err := Problems(nil).Err(); err != nil {
		t.Error(err)
	}
	err := Problems{{File: "f", Line: 1, Col: 1, Message: "odd", Warning: true}, {File: "f", Line: 2, Col: 1, Message: "wrong"}}.Err()
	if err == nil || err.Error() != "f:2:1: wrong" {
		t.Error(err)
	}
}

func TestErrReadIsFoundInTheChain(t *testing.T) {
	_, problems := Load(filepath.Join(t.TempDir(), "none.yaml"), Options{})
	if err := problems.Err(); !errors.Is(err, ErrRead) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	_, problems = Load("testdata/wrong/empty-file.yaml", Options{})
	if err := problems.Err(); err == nil || errors.Is(err, ErrRead) {
		t.Errorf("%v", err)
	}
}

func TestProblemsAreSortedAndSaidOnce(t *testing.T) {
	p := Problems{
		{Line: 2, Col: 1, what: "b"},
		{Line: 1, Col: 9, what: "a"},
		{Line: 1, Col: 2, what: "a"},
		{Line: 2, Col: 1, what: "a"},
		{Line: 2, Col: 1, what: "b"},
	}.tidy()
	var got []Problem
	got = append(got, p...)
	want := []Problem{{Line: 1, Col: 2, what: "a"}, {Line: 1, Col: 9, what: "a"}, {Line: 2, Col: 1, what: "b"}, {Line: 2, Col: 1, what: "a"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Problem{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
