package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrRead is in the chain of a Problems that says the file could not be read at all.
var ErrRead = errors.New("cannot read the config")

// Problem is one mistake in the file, or one doubt.
type Problem struct {
	File      string // as it was named to Load
	Line, Col int    // from 1, columns in characters; 0 when the file could not be read
	Message   string // what is wrong; never a secret, never what a reference brought in
	Hint      string // what would help, may be several lines, may be empty
	Warning   bool   // it may be meant: the config can be used

	what string // Message without the name of what it is about
	err  error
}

// String is "file:line:col: message", and the hint indented below it.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("\n  hint: ")
		b.WriteString(strings.ReplaceAll(p.Hint, "\n", "\n        "))
	}
	return b.String()
}

// Problems are all mistakes of a file, sorted by position. As an error it is for
// errors.As; ask Err whether there is one.
type Problems []Problem

// Err is the problems as an error, nil when there are none but warnings.
func (p Problems) Err() error {
	if !slices.ContainsFunc(p, func(q Problem) bool { return !q.Warning }) {
		return nil
	}
	return p
}

// Error has a problem a line, warnings left out.
func (p Problems) Error() string {
	var lines []string
	for _, q := range p {
		if !q.Warning {
			lines = append(lines, q.String())
		}
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is find ErrRead and what the file system said.
func (p Problems) Unwrap() []error {
	var out []error
	for _, q := range p {
		if q.err != nil {
			out = append(out, q.err)
		}
	}
	return out
}

// tidy sorts by position and drops repeats: what stands behind an anchor is read
// once for each alias, under another name.
func (p Problems) tidy() Problems {
	type same struct {
		line, col int
		what      string
	}
	seen := make(map[same]bool, len(p))
	p = slices.DeleteFunc(p, func(q Problem) bool {
		s := same{q.Line, q.Col, q.what}
		defer func() { seen[s] = true }()
		return seen[s]
	})
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return p
}
