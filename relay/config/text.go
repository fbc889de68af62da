package config

import (
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// text is the file as people count it: lines of characters.
type text struct{ lines [][]rune }

// newText splits data where YAML 1.1 sees a line end, since the parser counts
// lines like that.
func newText(data []byte) *text {
	t := &text{}
	var line []rune
	runes := []rune(strings.TrimPrefix(string(data), "\ufeff"))
	for i, r := range runes {
		switch {
		case r == '\r' && i+1 < len(runes) && runes[i+1] == '\n':
		case isBreak(r):
			t.lines = append(t.lines, line)
			line = nil
		default:
			line = append(line, r)
		}
	}
	t.lines = append(t.lines, line)
	return t
}

func isBreak(r rune) bool {
	return r == '\n' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029
}

func isBlank(r rune) bool { return r == ' ' || r == '\t' }

// spot is a character of the file, both from 0.
type spot struct{ line, col int }

// begin is where a value begins, behind its anchor and tag; from 1.
func (t *text) begin(n *yaml.Node) (line, col int) {
	s := t.skipProperties(spot{n.Line - 1, n.Column - 1}, n)
	return s.line + 1, s.col + 1
}

// inside is the place in the file of a line and column of a scalar's value, all
// from 1. Where the two cannot be brought together (a folded text, a file in
// UTF-16) it is where the scalar begins.
func (t *text) inside(n *yaml.Node, line, col int) (int, int) {
	spots := t.spots(n)
	if spots == nil {
		return t.begin(n)
	}
	values := []rune(n.Value)
	i := 0
	for ; line > 1 && i < len(values); i++ {
		if values[i] == '\n' {
			line--
		}
	}
	s := spots[min(i+max(col, 1)-1, len(spots)-1)]
	return s.line + 1, s.col + 1
}

// at is the character at s, a line break behind the last of a line.
func (t *text) at(s spot) (rune, bool) {
	switch {
	case s.line < 0 || s.line >= len(t.lines) || s.col < 0 || s.col > len(t.lines[s.line]):
		return 0, false
	case s.col == len(t.lines[s.line]):
		return '\n', s.line+1 < len(t.lines)
	}
	return t.lines[s.line][s.col], true
}

func (t *text) next(s spot) spot {
	if s.line < len(t.lines) && s.col >= len(t.lines[s.line]) {
		return spot{s.line + 1, 0}
	}
	return spot{s.line, s.col + 1}
}

// skipProperties goes over &anchor and !tag in front of a value.
func (t *text) skipProperties(s spot, n *yaml.Node) spot {
	if n.Anchor == "" && n.Style&yaml.TaggedStyle == 0 {
		return s
	}
	start := s
	for {
		r, ok := t.at(s)
		switch {
		case !ok:
			return start
		case isBlank(r), r == '\n':
			s = t.next(s)
		case r == '#':
			s = spot{s.line + 1, 0}
		case r == '&', r == '!':
			for ok && !isBlank(r) && r != '\n' {
				s = t.next(s)
				r, ok = t.at(s)
			}
		default:
			return s
		}
	}
}

// spots are the places of every character of a scalar's value, and of its end;
// nil when what stands there does not read as the value.
func (t *text) spots(n *yaml.Node) []spot {
	if n.Kind != yaml.ScalarNode {
		return nil
	}
	value, begin := []rune(n.Value), t.skipProperties(spot{n.Line - 1, n.Column - 1}, n)
	switch n.Style &^ (yaml.TaggedStyle | yaml.FlowStyle) {
	case yaml.LiteralStyle:
		return t.literal(value, begin.line+1)
	case yaml.FoldedStyle:
		return nil
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		quote, _ := t.at(begin)
		return t.flow(value, t.next(begin), quote)
	default:
		return t.flow(value, begin, 0)
	}
}

// literal reads a | block: each line of the value is one of the file, behind the
// block's indentation.
func (t *text) literal(value []rune, line int) []spot {
	indent := -1
	var out []spot
	for len(value) > 0 || len(out) == 0 {
		end := slices.Index(value, '\n')
		if end < 0 {
			end = len(value)
		}
		if line >= len(t.lines) {
			return nil
		}
		have := t.lines[line]
		if indent < 0 && end > 0 {
			indent = len(have) - end
		}
		from := max(indent, 0)
		if end > 0 && (from > len(have) || !slices.Equal(have[from:], value[:end])) {
			return nil
		}
		for i := range end {
			out = append(out, spot{line, from + i})
		}
		out = append(out, spot{line, from + end}) // the line break, or the end
		if end == len(value) {
			return out
		}
		value, line = value[end+1:], line+1
	}
	return append(out, spot{line, max(indent, 0)})
}

// flow reads plain (quote 0) and quoted text: a line break with the blanks around
// it is one blank, n of them are n-1 line breaks.
func (t *text) flow(value []rune, s spot, quote rune) []spot {
	out := make([]spot, 0, len(value)+1)
	put := func(s spot, r rune) bool {
		if len(out) >= len(value) || r != anyRune && value[len(out)] != r {
			return false
		}
		out = append(out, s)
		return true
	}
	for {
		r, ok := t.at(s)
		if len(out) == len(value) && (quote == 0 || ok && r == quote) {
			return append(out, s)
		}
		if !ok {
			return nil
		}
		var good bool
		switch {
		case r == '\n':
			if s, good = t.fold(s, put); !good {
				return nil
			}
			continue
		case isBlank(r) && t.blankToEnd(s):
			s = spot{s.line, len(t.lines[s.line])}
			continue
		case quote == '\'' && r == '\'':
			good = put(s, '\'')
			s = t.next(s) // a quotation mark is doubled
		case quote == '"' && r == '\\':
			length := t.escape(t.next(s))
			if length < 0 { // the line break is left out
				s = spot{s.line + 1, t.firstBlack(s.line + 1)}
				continue
			}
			good = put(s, anyRune)
			s.col += length
		default:
			good = put(s, r)
		}
		if !good {
			return nil
		}
		s = t.next(s)
	}
}

// anyRune stands for the character an escape makes.
const anyRune = -1

// escape is how many characters stand behind the backslash, -1 for a line break.
func (t *text) escape(s spot) int {
	switch r, _ := t.at(s); r {
	case '\n':
		return -1
	case 'x':
		return 3
	case 'u':
		return 5
	case 'U':
		return 9
	}
	return 1
}

// fold reads line breaks from s and returns where the text goes on.
func (t *text) fold(s spot, put func(spot, rune) bool) (spot, bool) {
	breaks, line := 1, s.line+1
	for line < len(t.lines) && t.firstBlack(line) == len(t.lines[line]) {
		breaks, line = breaks+1, line+1
	}
	if line >= len(t.lines) {
		return s, false
	}
	ok := true
	if breaks == 1 {
		ok = put(s, ' ')
	}
	for range breaks - 1 {
		ok = ok && put(s, '\n')
	}
	return spot{line, t.firstBlack(line)}, ok
}

// firstBlack is the column of a line's first character that is no blank.
func (t *text) firstBlack(line int) int {
	if line >= len(t.lines) {
		return 0
	}
	for i, r := range t.lines[line] {
		if !isBlank(r) {
			return i
		}
	}
	return len(t.lines[line])
}

func (t *text) blankToEnd(s spot) bool {
	return !slices.ContainsFunc(t.lines[s.line][s.col:], func(r rune) bool { return !isBlank(r) })
}
