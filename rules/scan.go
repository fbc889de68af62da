package rules

import "strings"

// part is a piece of a text: literal, or the expression of one {{ }}.
type part struct {
	text       string // the literal, or the expression as written, blanks included
	expression bool
	start      position // of text, within the whole
}

const (
	opening = "{{"
	closing = "}}"
)

// scan takes a text apart. The end of an expression is found by the
// expression's own grammar: braces of an object, a "}}" in quotes or in a
// comment do not end it. A line comment ends with its line or with the {{ }}.
func scan(text string) ([]part, *Problem) {
	var parts []part
	here := position{1, 1}
	for text != "" {
		i := strings.Index(text, opening)
		if i < 0 {
			return append(parts, part{text: text, start: here}), nil
		}
		if i > 0 {
			parts = append(parts, part{text: text[:i], start: here})
			here = here.after(text[:i])
		}
		body := text[i+len(opening):]
		end, problem := expressionEnd(body)
		if problem != "" {
			p := &Problem{Line: here.line, Col: here.col, Message: problem}
			if end >= 0 { // inside the expression
				there := here.after(opening + body[:end])
				p.Line, p.Col = there.line, there.col
			} else {
				p.Hint = `an expression ends with }}; two braces as text are written {{ "{{" }}`
			}
			return nil, p
		}
		start := here.after(opening)
		parts = append(parts, part{text: body[:end], expression: true, start: start})
		here = start.after(body[:end+len(closing)])
		text = body[end+len(closing):]
	}
	return parts, nil
}

// after is the position behind a text that begins at p.
func (p position) after(text string) position {
	for _, r := range text {
		p.col++
		if r == '\n' {
			p = position{p.line + 1, 1}
		}
	}
	return p
}

// expressionEnd finds the }} that ends the expression s begins with. Without
// one, problem says why, and end is where, or -1 when nothing but }} is missing.
func expressionEnd(s string) (end int, problem string) {
	var open []byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '"', '\'', '`':
			n := quotedLength(s[i:])
			if n == 0 {
				return i, "a text in quotes is not closed"
			}
			i += n - 1
		case '/':
			n, closed := commentLength(s[i:])
			if !closed {
				return i, "a comment is not closed"
			}
			i += max(n-1, 0)
		case '(', '[', '{':
			open = append(open, c)
		case ')', ']':
			if last := len(open) - 1; last >= 0 && open[last] == partner(c) {
				open = open[:last]
			}
		case '}':
			if last := len(open) - 1; last >= 0 && open[last] == '{' {
				open = open[:last]
			} else if strings.HasPrefix(s[i:], closing) {
				return i, "" // also with ( or [ open: the compiler says that better
			}
		}
	}
	return -1, "this {{ is not closed"
}

func partner(c byte) byte {
	if c == ')' {
		return '('
	}
	return '['
}

// quotedLength is the length of the text in quotes that s begins with, 0 when
// it is not closed. As in the language: a backslash escapes in "" and ”,
// which end with the line; in “ a doubled back quote stands for one.
func quotedLength(s string) int {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote && quote == '`' && strings.HasPrefix(s[i+1:], "`"):
			i++
		case s[i] == quote:
			return i + 1
		case quote == '`':
		case s[i] == '\\':
			i++
		case s[i] == '\n':
			return 0
		}
	}
	return 0
}

// commentLength is the length of the comment that s begins with, 0 when it is
// none.
func commentLength(s string) (n int, closed bool) {
	switch {
	case strings.HasPrefix(s, "/*"):
		end := strings.Index(s[2:], "*/")
		return end + 4, end >= 0
	case strings.HasPrefix(s, "//"):
		if end := strings.IndexByte(s, '\n'); end >= 0 {
			s = s[:end]
		}
		if end := strings.Index(s, closing); end >= 0 {
			s = s[:end]
		}
		return len(s), true
	}
	return 0, true
}
