package target

import (
	"bytes"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

// written is the mail as it would leave, for ev.
func written(t testing.TB, e *Email, ev *event.Event) relaytest.Mail {
	t.Helper()
	m := mailTestMessage(t, e)
	m.Event = ev
	msg, err := e.compose(m, e.to[m.Recipient])
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return relaytest.Mail{Raw: b.Bytes()}
}

// golden compares with a file in testdata; UPDATE=1 writes it.
func goldenMail(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s differs (-want +got):\n%s", file, d)
	}
}

func TestDefaultMailReadsWell(t *testing.T) {
	e := newTestEmail(t, nil)
	ticket := mailTestEvent(t)
	ticket.Fields = map[string]any{
		"ticket": ticket.Ticket, "event": "ticket.verification.in_progress", "sub_event": "verification.liveness",
		"flow_status": "IN_PROGRESS", "disposition": "RETRY", "remaining_attempts": 2, "data": map[string]any{"face": "…"},
	}
	ticket.Status, ticket.Subject = "IN_PROGRESS", ticket.Ticket
	other := mailTestEvent(t)
	other.Fields = map[string]any{"order": "A-17", "total": 12.5, "paid": true, "items": []any{1.0}, "note": nil, "big": float64(1 << 53)}
	other.Status, other.Subject, other.Ticket, other.Source = "", "", "", "shop"
	replayed, tried := mailTestEvent(t), mailTestEvent(t)
	replayed.Kind, tried.Kind = event.Replayed, event.Test
	undecoded := mailTestEvent(t)
	undecoded.Fields = nil

	for name, ev := range map[string]*event.Event{
		"rejected": mailTestEvent(t),
		"accepted": mailTestEvent(t, with("transaction_status", "ACCEPTED"), with("attempts", 1)),
		"expired":  mailTestEvent(t, with("transaction_status", nil), with("invitation_state", "EXPIRED"), with("full_name", nil), with("attempts", nil)),
		"markup":   mailTestEvent(t, with("full_name", `O'Brien & Söhne <x> <!channel> <https://evil.example|click> <img src=x onerror=alert(1)>`)),
		"lines":    mailTestEvent(t, with("full_name", "Jon\r\nBcc: all@example.net\r\n\r\n<b>Doe</b>\u2028\x00\x1b[31m")),
		"encoded":  mailTestEvent(t, with("full_name", "=?utf-8?q?Jon=0D=0ABcc:_x@example.net?=")),
		"rtl":      mailTestEvent(t, with("full_name", "\u202eeoD noJ\u202c محمد علي 👩‍👩‍👧 🇩🇪")),
		"long":     mailTestEvent(t, with("full_name", strings.Repeat("Ünal 😀 ", 5000/7)), with("cifcod", strings.Repeat("9", 5000))),
		"ticket":   ticket, "other": other, "replayed": replayed, "test": tried, "undecoded": undecoded,
	} {
		t.Run(name, func(t *testing.T) {
			m := written(t, e, ev)
			goldenMail(t, "email_"+name+".txt", m.Text()+"\n"+strings.Repeat("-", 72)+"\n"+m.Part("text/html"))
		})
	}
}

func TestDefaultMailIsTheSameByteForByte(t *testing.T) {
	m := written(t, newTestEmail(t, nil), mailTestEvent(t, with("full_name", "Zoë Ünal")))
	goldenMail(t, "email_raw.eml", strings.ReplaceAll(string(m.Raw), "\r\n", "\n"))
}

func TestACustomTextOrHTMLIsSentAlone(t *testing.T) {
	for _, c := range []struct {
		name, text, html, wantType string
	}{
		{"text", "name: {{ full_name }}", "", "text/plain; charset=UTF-8"},
		{"html", "", "<p>{{ full_name }}</p>", "text/html; charset=UTF-8"},
		{"both", "name: {{ full_name }}", "<p>{{ full_name }}</p>", "multipart/alternative"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newRulesEmail(t, func(cfg *EmailConfig) {
				cfg.Subject, cfg.Text, cfg.HTML = "new {{ transaction_status }}", c.text, c.html
			})
			m := written(t, e, mailTestEvent(t, with("full_name", "Jon <b>&\r\n\u202eDoe")))
			if got := m.Header("Content-Type"); !strings.HasPrefix(got, c.wantType) {
				t.Errorf("type %q, want %q", got, c.wantType)
			}
			if got := m.Subject(); got != "new REJECTED" {
				t.Errorf("subject %q", got)
			}
			if text := m.Part("text/plain"); (c.text != "") != (text == "name: Jon <b>& Doe") {
				t.Errorf("text %q", text)
			}
			html := m.Part("text/html")
			if (c.html != "") != strings.Contains(html, "Jon &lt;b&gt;&amp;") || strings.Contains(html, "<b>") || strings.Contains(html, "\u202e") {
				t.Errorf("html %q", html)
			}
		})
	}
}

func TestASubjectFromAnEventStaysOneLine(t *testing.T) {
	e := newRulesEmail(t, func(c *EmailConfig) { c.Subject = "{{ full_name }}\n"; c.Text = "x" })
	m := written(t, e, mailTestEvent(t, with("full_name", "Jon\r\nBcc: x@example.net\r\n\r\nbody"+strings.Repeat(" 😀", 3000))))
	if got := m.Subject(); !strings.HasPrefix(got, "Jon Bcc: x@example.net body 😀") || utf8.RuneCountInString(got) > maxMailSubject {
		t.Errorf("subject %q", got)
	}
	if bcc := m.Header("Bcc"); bcc != "" || m.Part("text/plain") != "x" {
		t.Errorf("injected: Bcc %q, text %q", bcc, m.Part("text/plain"))
	}
}

func TestATextThatCannotBeFilledInIsRejectedWithoutItsValues(t *testing.T) {
	e := newRulesEmail(t, func(c *EmailConfig) { c.Text = "{{ int(full_name) }}" })
	r := sendMail(t, e)
	if r.Outcome != event.Rejected || !strings.Contains(r.Reason, "the mail's text could not be filled in") {
		t.Errorf("result %+v, want rejected", r)
	}
	noCanaryIn(t, r)
}

func TestMessageIDHoldsWhateverATargetIsCalled(t *testing.T) {
	for in, want := range map[string]string{
		mailTestID + ".archive.8793dea0": mailTestID + ".archive.8793dea0@example.org",
		"a b>\r\nX: ü.c":                 "a-b---X---.c@example.org",
	} {
		if got := messageID(in, "example.org"); got != want {
			t.Errorf("messageID(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCuttingCountsCharacters(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöü", 3, "äöü"}, {"äöüß", 3, "äö…"}, {"", 3, ""}, {"a bcd", 3, "a…"}, {"😀😀😀😀", 3, "😀😀…"},
	} {
		if got := cutMail(c.in, c.n); got != c.want {
			t.Errorf("cut %q to %d: %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// FuzzNoValueLeavesItsPlace puts a stranger's text in every field of the event,
// and demands that the mail still has the header and the parts it should have.
func FuzzNoValueLeavesItsPlace(f *testing.F) {
	for _, s := range []string{"Jon Doe", "a\r\nBcc: x@y\r\n\r\nz", "=?utf-8?q?=0A?=", "\u202ex", "\xff\xfe", "</td><script>", strings.Repeat("é", 5000), ".\r\n.", "--boundary"} {
		f.Add(s)
	}
	e := newTestEmail(f, nil)
	plain := written(f, e, mailTestEvent(f))
	want := headerNames(f, plain)
	f.Fuzz(func(t *testing.T, s string) {
		ev := mailTestEvent(t, with("full_name", s), with("transaction_status", s), with("cifcod", s), with("id", s), with("ticket", s))
		m := written(t, e, ev)
		if d := cmp.Diff(want, headerNames(t, m)); d != "" {
			t.Fatalf("header changed (-want +got):\n%s", d)
		}
		subject := m.Subject()
		if strings.ContainsFunc(subject, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) ||
			utf8.RuneCountInString(subject) > maxMailSubject {
			t.Errorf("subject %q", subject)
		}
		html := m.Part("text/html")
		if strings.Count(html, "<td") != strings.Count(html, "</td>") || strings.Contains(html, "<script") || !strings.HasSuffix(html, "</html>\n") {
			t.Errorf("HTML broken: %q", html)
		}
		if text := m.Part("text/plain"); !strings.HasSuffix(text, "event "+mailTestEvent(t).ID.Short()+"\n") {
			t.Errorf("text broken: %q", text)
		}
		for line := range strings.SplitSeq(string(m.Raw), "\r\n") {
			if len(line) > 100 || strings.ContainsAny(line, "\r\n") {
				t.Errorf("line %q", line)
			}
		}
	})
}

func headerNames(t testing.TB, m relaytest.Mail) map[string]int {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(m.Raw))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	for k, v := range msg.Header {
		names[k] = len(v)
	}
	return names
}
