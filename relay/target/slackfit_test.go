package target

import (
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestCutTextKeepsCharactersEscapesAndLinksWhole(t *testing.T) {
	table := []struct {
		text  string
		limit int
		want  string
	}{
		{"", 5, ""},
		{"abcde", 5, "abcde"},
		{"abcdef", 5, "abcd…"},
		{"äöüßé", 5, "äöüßé"},
		{"äöüßéà", 5, "äöüß…"},
		{"ab😀😀", 5, "ab😀…"}, // an emoji counts as two
		{"ab😀c", 5, "ab😀c"},
		{"a&lt;b", 5, "a…"},
		{"a&amp;b", 7, "a&amp;b"},
		{"a&amp;bcd", 7, "a&amp;…"},
		{"a & b & c", 7, "a & b …"},
		{"see <https://x.example|the case>", 12, "see …"},
		{"<https://x|y> and more", 16, "<https://x|y> a…"},
	}
	for _, row := range table {
		if got := cutText(row.text, row.limit); got != row.want {
			t.Errorf("cut %q to %d: %q, want %q", row.text, row.limit, got, row.want)
		}
	}
}

func FuzzCutText(f *testing.F) {
	for _, s := range []string{"abc", "a&lt;b&gt;", "<https://x|y>", "😀😀😀😀", strings.Repeat("ä&amp;", 50), "\xff\xfe<&"} {
		f.Add(s, 7)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 1 || limit > 5000 {
			return
		}
		got := cutText(s, limit)
		if n := len(utf16.Encode([]rune(got))); n > limit {
			t.Errorf("%q cut to %d has %d characters", s, limit, n)
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q cut to %d is no longer UTF-8", s, limit)
		}
		if got != s && (!strings.HasSuffix(got, "…") || !strings.HasPrefix(s, strings.TrimSuffix(got, "…"))) {
			t.Errorf("%q cut to %d: %q", s, limit, got)
		}
	})
}
