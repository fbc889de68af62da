package rules

import (
	"html"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes a value harmless for the place where it lands. Values are from
// strangers; the text around them is from the operator and never escaped.
type Escape func(string) string

// Plain leaves a value as it is: for texts that an encoder (JSON, MIME) or
// nobody interprets.
func Plain(s string) string { return s }

// HTML is for text and for quoted attributes of HTML that are neither a URL
// nor a script. Control and invisible characters are gone but for line breaks.
func HTML(s string) string { return html.EscapeString(visible(s, true)) }

// Header is for a header line of HTTP or mail, a subject for example: one line
// without control or invisible characters.
func Header(s string) string { return strings.TrimSpace(visible(s, false)) }

// URLQuery is for a name or a value in a URL's query.
func URLQuery(s string) string { return url.QueryEscape(s) }

// URLPath is for one segment of a URL's path, or a part of one. Whatever the
// value, it stays inside its segment: servers and proxies normalise paths, some
// of them after decoding, so that an empty segment, "." or ".." (encoded or
// not, also between encoded slashes) would reach another path than the
// operator wrote. These are replaced by "_".
func URLPath(s string) string {
	parts := strings.FieldsFunc(s, isSlash)
	if len(parts) == 1 && len(parts[0]) == len(s) && s != "." && s != ".." {
		return url.PathEscape(s)
	}
	var b strings.Builder
	for {
		i := strings.IndexFunc(s, isSlash)
		part := s
		if i >= 0 {
			part = s[:i]
		}
		switch part {
		case "", ".", "..":
			b.WriteByte('_')
		default:
			b.WriteString(url.PathEscape(part))
		}
		if i < 0 {
			return b.String()
		}
		b.WriteString(url.PathEscape(s[i : i+1]))
		s = s[i+1:]
	}
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// visible drops what cannot be seen and may deceive: control characters, the
// ones that change the direction of text, zero-width and other format
// characters. Line breaks and tabs become a space, or with lines a line break
// stays one. Invalid UTF-8 becomes U+FFFD.
//
// Two format characters are part of how people write: U+200C and U+200D join
// or separate letters in Persian or Hindi and make one emoji of several. They
// stay between two characters beyond ASCII.
func visible(s string, lines bool) string {
	if isPlainASCII(s) {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	b.Grow(len(s))
	beyond := false // the last character written is beyond ASCII
	for i, r := range s {
		switch {
		case r == '\n' && lines:
			b.WriteByte('\n')
		case isBreak(r):
			if lines && r != '\t' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(' ')
			}
		case r == '\u200c' || r == '\u200d':
			next, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
			if !beyond || next < utf8.RuneSelf || next == utf8.RuneError || isInvisible(next) {
				continue
			}
			b.WriteRune(r)
			continue
		case isInvisible(r):
			continue
		default:
			b.WriteRune(r)
		}
		beyond = r >= utf8.RuneSelf && !isBreak(r)
	}
	return b.String()
}

func isPlainASCII(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

func isBreak(r rune) bool {
	switch r {
	case '\n', '\r', '\t', '\v', '\f', '\u0085', '\u2028', '\u2029':
		return true
	}
	return false
}

// isInvisible is true for control and format characters (categories Cc and
// Cf: bidi controls, zero-width ones, soft hyphens, tags), and for a few others
// that show nothing: fillers and the combining grapheme joiner.
func isInvisible(r rune) bool {
	switch r {
	case '\u034f', '\u115f', '\u1160', '\u17b4', '\u17b5', '\u3164', '\uffa0':
		return true
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Noncharacter_Code_Point)
}
