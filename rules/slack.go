package rules

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordJoiner is invisible and has no width. Slack's patterns for mentions,
// links and emoji names want certain characters next to each other; with this
// one between them they no longer match, and a reader sees no difference.
const wordJoiner = '\u2060'

// SlackText is for any text of Slack: a message, a mrkdwn or a plain text
// object. The value shows as the characters it has, on one line, and does
// nothing: it mentions nobody, links nowhere, formats nothing.
//
//   - & < > become entities, as Slack asks for. That alone ends <!channel>,
//     <@U…>, <#C…>, <https://…|…> and dates.
//   - Plain text is parsed too, unless told otherwise: @channel, #general,
//     https://…, evil.example, a@b.example and :tada: get a word joiner after
//     their @ # : or dot. A number (3.14), a time (12:30) stays as it is.
//   - *bold*, ~struck~, `code` and _italic_: a word joiner would not do here,
//     since anything may stand between the two marks. The marks become
//     characters that look alike. An underscore between ASCII letters or digits
//     formats nothing (IN_PROGRESS) and stays, so that codes can be copied.
//   - > at the start of a line quotes it, even as an entity; a word joiner
//     goes before it. The bar | separates a link from its label in a text where
//     the operator has put a value into a link: it becomes one that looks alike.
//   - Control, bidi and zero-width characters go (see visible); line breaks
//     become spaces.
//
// Where the text goes into an object of type mrkdwn, "verbatim": true stops
// Slack's own parsing as well; the two do not disturb each other.
func SlackText(s string) string {
	s = visible(s, false)
	if !strings.ContainsAny(s, "&<>*_~`|@#:.。．｡") {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	prev := rune(0)
	for i, r := range s {
		rest := s[i+utf8.RuneLen(r):]
		next, _ := utf8.DecodeRuneInString(rest)
		writeSlack(&b, prev, r, next, rest)
		prev = r
	}
	return b.String()
}

func writeSlack(b *strings.Builder, prev, r, next rune, rest string) {
	after := rest == "" // the text after the value is not ours to know
	switch r {
	case '&':
		b.WriteString("&amp;")
	case '<':
		b.WriteString("&lt;")
	case '>':
		if strings.TrimSpace(b.String()) == "" {
			b.WriteRune(wordJoiner)
		}
		b.WriteString("&gt;")
	case '*':
		b.WriteRune('∗') // U+2217 asterisk operator
	case '~':
		b.WriteRune('∼') // U+223C tilde operator
	case '`':
		b.WriteRune('ˋ') // U+02CB modifier letter grave accent
	case '|':
		b.WriteRune('∣') // U+2223 divides
	case '_':
		if isASCIIAlnum(prev) && isASCIIAlnum(next) {
			b.WriteByte('_')
		} else {
			b.WriteRune('ˍ') // U+02CD modifier letter low macron
		}
	case '@':
		b.WriteString("@" + string(wordJoiner))
	case '#', ':':
		b.WriteRune(r)
		if after || !unicode.IsSpace(next) && !isTime(prev, rest) {
			b.WriteRune(wordJoiner)
		}
	case '.', '。', '．', '｡': // browsers take all four for the dot in a name
		b.WriteRune(r)
		if after || unicode.IsLetter(next) {
			b.WriteRune(wordJoiner)
		}
	default:
		b.WriteRune(r)
	}
}

// isTime says whether a colon stands in a time of day: 12:30.
func isTime(prev rune, rest string) bool {
	return isDigit(prev) && len(rest) >= 2 && isDigit(rune(rest[0])) && isDigit(rune(rest[1])) &&
		(len(rest) == 2 || !isASCIIAlnum(rune(rest[2])) || rest[2] == 'Z')
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isASCIIAlnum(r rune) bool {
	return isDigit(r) || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
