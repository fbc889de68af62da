package rules_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

func TestValuesInAURLAreEscapedForWhereTheyStand(t *testing.T) {
	in := input(map[string]any{"id": "a/b ?c&d=é", "ticket": ".."})
	for source, want := range map[string]string{
		`https://example.com/x`:                               `https://example.com/x`,
		`https://example.com/x/{{ id }}`:                      `https://example.com/x/a%2Fb%20%3Fc&d=%C3%A9`,
		`https://example.com/x?id={{ id }}&n={{ attempts }}`:  `https://example.com/x?id=a%2Fb+%3Fc%26d%3D%C3%A9&n=3`,
		`https://example.com?id={{ id }}`:                     `https://example.com?id=a%2Fb+%3Fc%26d%3D%C3%A9`,
		`http://[::1]:8080/{{ ticket }}/x{{ attempts }}`:      `http://[::1]:8080/_/x3`,
		`https://u:p@example.com/{{ {"a": id}.a | upper() }}`: `https://u:p@example.com/A%2FB%20%3FC&D=%C3%89`,
	} {
		compiled, problem := rules.CompileURL(invitation(t), source)
		if problem != nil {
			t.Errorf("%s: %+v", source, problem)
			continue
		}
		if got, err := compiled.Render(in); got != want || err != nil {
			t.Errorf("got  %s %v\nwant %s", got, err, want)
		}
	}
}

func TestAnEventNeverChoosesTheServer(t *testing.T) {
	for source, want := range map[string]rules.Problem{
		`{{ id }}://example.com/`:             {Line: 1, Col: 1, Message: "{{ }} cannot stand in the scheme of a URL: which server gets the event must be fixed"},
		`{{ payload.url }}`:                   {Line: 1, Col: 1, Message: "{{ }} cannot stand in the scheme of a URL: which server gets the event must be fixed"},
		`https://{{ id }}.example.com/`:       {Line: 1, Col: 9, Message: "{{ }} cannot stand in the host of a URL: which server gets the event must be fixed"},
		`https://example.com{{ id }}`:         {Line: 1, Col: 20, Message: "{{ }} cannot stand in the host of a URL: which server gets the event must be fixed"},
		`https://example.com:{{ attempts }}/`: {Line: 1, Col: 21, Message: "{{ }} cannot stand in the host of a URL: which server gets the event must be fixed"},
		`https://{{ id }}@example.com/`:       {Line: 1, Col: 9, Message: "{{ }} cannot stand in the host of a URL: which server gets the event must be fixed"},
		`https://example.com/#{{ id }}`:       {Line: 1, Col: 22, Message: "{{ }} cannot stand behind # in a URL: that part is never sent"},
		`ftp://example.com/{{ id }}`:          {Line: 1, Col: 1, Message: "the URL must begin with http:// or https://"},
		`example.com/x`:                       {Line: 1, Col: 1, Message: "the URL must begin with http:// or https://"},
		`https:///x`:                          {Line: 1, Col: 1, Message: "the URL has no host"},
		`https://exa mple.com/`:               {Line: 1, Col: 1, Message: "this is not a URL"},
		`https://example.com\{{ id }}`:        {Line: 1, Col: 1, Message: "this is not a URL"},
		`https://example.com/{{ idd }}`:       {Line: 1, Col: 24, Message: `unknown name "idd"`, Hint: `did you mean "id"?`},
		`https://example.com/{{ id `:          {Line: 1, Col: 21, Message: "this {{ is not closed", Hint: `an expression ends with }}; two braces as text are written {{ "{{" }}`},
	} {
		_, p := rules.CompileURL(invitation(t), source)
		if p == nil {
			t.Errorf("%s: no problem", source)
			continue
		}
		p.Hint = strings.ReplaceAll(p.Hint, "did you mean \"event_id\" or", "did you mean")
		if diff := cmp.Diff(want, *p); diff != "" {
			t.Errorf("%s: %s", source, diff)
		}
	}
}

func TestNoProblemOfAURLQuotesIt(t *testing.T) {
	const secret = "T0CANARY0"
	for _, source := range []string{
		`https://exa mple.com/` + secret, secret + `://x/`, `https://` + secret + `{{ id }}`, `https://example.com/` + secret + `/{{ idd }}`,
		`https://example.com/` + secret + `/{{ id`, `https://example.com/%zz` + secret,
	} {
		_, p := rules.CompileURL(invitation(t), source)
		if p == nil || strings.Contains(p.Message+p.Hint, secret) {
			t.Errorf("%s: %+v", source, p)
		}
	}
}

// hostile are values that have broken somebody's URL, header or markup.
var hostile = []string{
	"", ".", "..", "...", "/", "//", "../..", "./.", "/..", "../", `..\..`, `\`, "a/../b", "%2e%2e", "%2F", "..%2f", ";", "..;/", "?x=1", "#f", "&a=b", "=",
	"\x00", "\r\n\r\nX: y", "a\nb", "\u2028x", "\x7f", "\x80\xff", "é", "日本", "🎉", "a b", "+", "@evil", "http://evil.example", "//evil.example/",
	"<script>", `"><img src=x>`, "'", "{{ id }}", "`x`", "<!channel>", "<https://evil.example|click>", "@channel", "*b*", "_i_", "~s~", ":tada:",
	"\u202egnp.exe", "a\u200bb", "\u2066x\u2069", "\ufeffx", "क\u094d\u200dष", "👨\u200d👩\u200d👧",
}

func TestWhateverTheValueAURLKeepsItsServerItsPathAndItsParameters(t *testing.T) {
	compiled, problem := rules.CompileURL(invitation(t), `https://example.com/a/{{ id }}/b{{ id }}/c?p={{ id }}&q={{ id }}`)
	if problem != nil {
		t.Fatal(problem)
	}
	for _, value := range hostile {
		out, err := compiled.Render(input(map[string]any{"id": value}))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(out)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if u.Host != "example.com" || u.Fragment != "" || len(u.Query()) != 2 {
			t.Errorf("%q: %s", value, out)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if len(segments) != 5 || segments[1] != "a" || segments[4] != "c" {
			t.Errorf("%q: %s", value, out)
		}
		// A server that decodes before it normalises must not climb either.
		for segment := range strings.SplitSeq(strings.ReplaceAll(u.Path, `\`, "/"), "/") {
			if segment == "." || segment == ".." {
				t.Errorf("%q: decoded path %q climbs", value, u.Path)
			}
		}
		if strings.Contains(u.Path, "//") {
			t.Errorf("%q: decoded path %q has an empty segment", value, u.Path)
		}
	}
}
