package rules_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"invitation-relay/rules"
)

// check states what must hold of an escaped value, whatever the value.
func check(t *testing.T, place string, value, out string, forbidden string) {
	t.Helper()
	if i := strings.IndexAny(out, forbidden); i >= 0 {
		t.Errorf("%s(%q) = %q has %q in it", place, value, out, out[i:i+1])
	}
	if !utf8.ValidString(out) {
		t.Errorf("%s(%q) = %q is not UTF-8", place, value, out)
	}
	for _, r := range out {
		lineOfHTML := place == "HTML" && r == '\n'
		if unicode.In(r, unicode.Bidi_Control) || unicode.IsControl(r) && !lineOfHTML {
			t.Errorf("%s(%q) = %q has %U in it", place, value, out, r)
		}
	}
}

func checkEscapes(t *testing.T, value string) {
	t.Helper()
	check(t, "HTML", value, rules.HTML(value), "<>\"'\r\x00")
	check(t, "Header", value, rules.Header(value), "\r\n\x00")
	check(t, "URLPath", value, rules.URLPath(value), "/?#\\ \r\n<>\"")
	check(t, "URLQuery", value, rules.URLQuery(value), "/?#&=\\ \r\n<>\"")
	slack := rules.SlackText(value)
	check(t, "SlackText", value, slack, "<>*~`|\r\n")
	for _, entity := range []string{"&amp;", "&lt;", "&gt;"} {
		slack = strings.ReplaceAll(slack, entity, "")
	}
	check(t, "SlackText", value, slack, "&")
	if rules.Plain(value) != value {
		t.Errorf("Plain(%q) changes it", value)
	}
}

func TestEscapesHoldForHostileValues(t *testing.T) {
	for _, value := range hostile {
		checkEscapes(t, value)
		for _, other := range hostile {
			checkEscapes(t, value+other)
			checkEscapes(t, "a"+value+" b"+other+"c")
		}
	}
}

func TestEscapesHoldForEveryCharacter(t *testing.T) {
	for r := range rune(unicode.MaxRune) {
		if r > 0x30000 && r < 0xE0000 || r > 0xE0200 {
			continue // nothing assigned
		}
		checkEscapes(t, "a"+string(r)+"b")
	}
}

func TestOrdinaryNamesStayAsTheyAre(t *testing.T) {
	for _, name := range []string{
		"Jon Doe", "Łukasz Öz", "José-María", "日本 太郎", "محمد علي", "می\u200cخواهم", "क\u094d\u200dष", "👨\u200d👩\u200d👧 family", "🏳\ufe0f\u200d🌈",
		"IN_PROGRESS", "verification completed", "3,5 m", "12:30", "2026-11-23T22:30:00Z", "6f1b8f5e-1111-4222-8333-444455556666", "(x) [y] 100% = $5!",
	} {
		if got := rules.SlackText(name); got != name {
			t.Errorf("SlackText(%q) = %q", name, got)
		}
		if got := rules.HTML(name); got != name {
			t.Errorf("HTML(%q) = %q", name, got)
		}
		if got := rules.Header(name); got != name {
			t.Errorf("Header(%q) = %q", name, got)
		}
	}
}

func TestWhatDeceivesIsGone(t *testing.T) {
	for value, want := range map[string]string{
		"a\r\nb\nc\td\u2028e":              "a b c d e",
		"Jon\u202eeoD":                     "JoneoD",
		"a\u200bb\u200dc\u2060d\ufeffe":    "abcde",
		"\u2066x\u2069\u200e\u200f\u061cy": "xy",
		"so\u00adft":                       "soft",
		"tag\U000e0041\U000e007f":          "tag",
		"fill\u3164\uffa0\u115fer":         "filler",
		"a\x00\x1b[31mb\x7f":               "a[31mb",
		"bad\xff":                          "bad\ufffd",
		"  x  ":                            "x",
	} {
		if got := rules.Header(value); got != want {
			t.Errorf("Header(%q) = %q, want %q", value, got, want)
		}
	}
	if got := rules.HTML("line\r\nbreak\u2029end\ttab"); got != "line\nbreak\nend tab" {
		t.Errorf("HTML keeps lines: %q", got)
	}
}

// wj makes the word joiner visible in expectations.
var wj = strings.NewReplacer("·", "\u2060")

func TestSlackTextMentionsNobodyLinksNowhereAndFormatsNothing(t *testing.T) {
	for value, want := range map[string]string{
		"<!channel>":                          "&lt;!channel&gt;",
		"<@U123> <#C1|x>":                     "&lt;@·U123&gt; &lt;#·C1∣x&gt;",
		"<https://evil.example|click>":        "&lt;https:·//evil.·example∣click&gt;",
		"@channel @here @everyone":            "@·channel @·here @·everyone",
		"#general # 1":                        "#·general # 1",
		"https://evil.example/a?b=c":          "https:·//evil.·example/a?b=c",
		"www.evil.example, evil。example":      "www.·evil.·example, evil。·example",
		"a.b@evil.example":                    "a.·b@·evil.·example",
		"mailto:x":                            "mailto:·x",
		":tada: :+1:":                         ":·tada: :·+1:·",
		"*bold* ~gone~ `code` ```pre```":      "∗bold∗ ∼gone∼ ˋcodeˋ ˋˋˋpreˋˋˋ",
		"_italic_ snake_case IN_PROGRESS __x": "ˍitalicˍ snake_case IN_PROGRESS ˍˍx",
		"> quoted > not":                      "·&gt; quoted &gt; not",
		" \n> quoted":                         "  ·&gt; quoted",
		"&amp; & <":                           "&amp;amp; &amp; &lt;",
		"O'Brien & Söhne <x>":                 "O'Brien &amp; Söhne &lt;x&gt;",
		"3.14 at 12:30:00Z":                   "3.14 at 12:30:00Z",
		"Jr.":                                 "Jr.·",
		"a\u200bb@\u2060channel":              "ab@·channel",
	} {
		if got := rules.SlackText(value); got != wj.Replace(want) {
			t.Errorf("SlackText(%q)\n got %q\nwant %q", value, got, wj.Replace(want))
		}
	}
}

func TestURLPathIsReversibleButForDots(t *testing.T) {
	for value, want := range map[string]string{
		"a b": "a%20b", "a/b": "a%2Fb", "x.y": "x.y", "...": "...", "é;,?": "%C3%A9%3B%2C%3F",
		"": "_", ".": "_", "..": "_", "../a": "_%2Fa", "a//b": "a%2F_%2Fb", `..\..`: "_%5C_", "/": "_%2F_",
	} {
		if got := rules.URLPath(value); got != want {
			t.Errorf("URLPath(%q) = %q, want %q", value, got, want)
		}
	}
}
