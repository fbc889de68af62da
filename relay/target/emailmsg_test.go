package target

import (
	"bytes"
	"maps"
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
	l, err := e.letter(m)
	if err != nil {
		t.Fatal(err)
	}
	return posted(t, e, l)
}

// posted is a letter as it would leave.
func posted(t testing.TB, e *Email, l letter) relaytest.Mail {
	t.Helper()
	var b bytes.Buffer
	if _, err := e.address(l, e.to[e.hashes[0]]).WriteTo(&b); err != nil {
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
		"alarm":    mailTestAlarm(t, "began"), "alarm_ended": mailTestAlarm(t, "ended"),
		"ticket": ticket, "other": other, "replayed": replayed, "test": tried, "undecoded": undecoded,
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

// mailTestAlarm is an alarm of the relay's own, as it is stored.
func mailTestAlarm(t testing.TB, state string) *event.Event {
	t.Helper()
	ev := mailTestEvent(t)
	ev.Kind, ev.Source, ev.Subject, ev.Ticket, ev.Status, ev.Fields = event.Alarm, "alarms", "", "", "", nil
	ev.Body = []byte(`{"alarm":"target_held","state":"` + state + `","subject":"risk-slack","reason":"Slack answered 404 no_service: the webhook is gone",` +
		`"command":"invitation-relay targets release risk-slack","since":"2026-11-23T01:40:00Z","event_id":"0198c5a2-4f10-7abc-8def-0123456789ab"}`)
	return ev
}

func TestAnAlarmIsTheDefaultMailWhateverTheTextsSay(t *testing.T) {
	e := newRulesEmail(t, func(c *EmailConfig) { c.Subject, c.Text, c.HTML = "custom", "custom {{ full_name }}", "custom" })
	m := written(t, e, mailTestAlarm(t, "began"))
	if m.Subject() != "[alarm] Target on hold: risk-slack" || strings.Contains(string(m.Raw), "custom") {
		t.Errorf("subject %q of\n%s\nwant the default mail", m.Subject(), m.Raw)
	}
	for _, part := range []string{m.Part("text/plain"), m.Part("text/html")} {
		for _, want := range []string{"risk-slack", "Slack answered 404 no_service", "2026-11-23 01:40:00 UTC", "invitation-relay targets release risk-slack", "0198c5a2-4f10"} {
			if !strings.Contains(part, want) {
				t.Errorf("no %q in\n%s", want, part)
			}
		}
	}
}

func TestATestSaysSoInASubjectOfYourOwn(t *testing.T) {
	e := newRulesEmail(t, func(c *EmailConfig) { c.Subject, c.Text = "new {{ transaction_status }}", "about {{ full_name }}" })
	for kind, want := range map[event.Kind]string{event.Test: "[test] new REJECTED", event.Received: "new REJECTED", event.Replayed: "new REJECTED"} {
		ev := mailTestEvent(t)
		ev.Kind = kind
		if m := written(t, e, ev); m.Subject() != want || m.Part("text/plain") != "about Jon Doe" {
			t.Errorf("%v: subject %q and text %q, want %q and the text filled in", kind, m.Subject(), m.Part("text/plain"), want)
		}
	}
}

func TestMailsAreReadableWithoutFetchingAnything(t *testing.T) {
	e := newTestEmail(t, nil)
	l, err := e.digestLetter(digestMessages(t, e, mailTestEvent(t), mailTestEvent(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []relaytest.Mail{written(t, e, mailTestEvent(t)), written(t, e, mailTestAlarm(t, "began")), posted(t, e, l)} {
		html := strings.ToLower(m.Part("text/html"))
		for _, bad := range []string{"http:", "https:", "src=", "href=", "url(", "<style", "<link", "<script", "@import", "class=", "background"} {
			if strings.Contains(html, bad) {
				t.Errorf("%q in\n%s", bad, html)
			}
		}
		if !strings.Contains(html, `name="color-scheme" content="light dark"`) || !strings.Contains(html, "display:none") {
			t.Errorf("no preheader, or nothing said of dark mode, in\n%s", html)
		}
	}
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
		if l, err := e.digestLetter(digestMessages(t, e, ev, ev)); err != nil {
			t.Errorf("digest: %v", err)
		} else {
			checkLines(t, posted(t, e, l))
		}
		m := written(t, e, ev)
		if d := cmp.Diff(withThread(want, s != ""), headerNames(t, m)); d != "" {
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
		checkLines(t, m)
	})
}

// FuzzNoValueLeavesATextOfTheConfig does the same with texts of the operator's.
func FuzzNoValueLeavesATextOfTheConfig(f *testing.F) {
	for _, s := range []string{"Jon Doe", "a\r\nBcc: x@y\r\n\r\nz", "a\nb\rc", "=?utf-8?q?=0A?=", "\u202ex\u2066", "\xff", strings.Repeat("x", 5000), "\u2028", "Süß 😀"} {
		f.Add(s)
	}
	e := newRulesEmail(f, func(c *EmailConfig) {
		c.From = "Ünal \"R\" <relay@example.org>"
		c.Subject, c.Text, c.HTML = "{{ full_name }} {{ cifcod }}", "start\n{{ full_name }}\nend", "<p>{{ full_name }}</p>"
	})
	want := headerNames(f, written(f, e, mailTestEvent(f)))
	f.Fuzz(func(t *testing.T, s string) {
		m := written(t, e, mailTestEvent(t, with("full_name", s), with("cifcod", s), with("ticket", s)))
		if d := cmp.Diff(withThread(want, s != ""), headerNames(t, m)); d != "" {
			t.Fatalf("header changed (-want +got):\n%s", d)
		}
		if text := m.Part("text/plain"); strings.Count(text, "\n") != 2 || !strings.HasPrefix(text, "start\n") || !strings.HasSuffix(text, "\nend") {
			t.Errorf("text %q, want three lines", text)
		}
		if html := m.Part("text/html"); strings.Count(html, "<") != 2 {
			t.Errorf("HTML %q", html)
		}
		checkLines(t, m)
	})
}

// withThread is a header with or without what makes a thread: a mail about no
// ticket is in none.
func withThread(names map[string]int, threaded bool) map[string]int {
	if threaded {
		return names
	}
	names = maps.Clone(names)
	delete(names, "In-Reply-To")
	delete(names, "References")
	return names
}

// checkLines demands lines as a mail may have them (RFC 5322, section 2.1.1).
func checkLines(t *testing.T, m relaytest.Mail) {
	t.Helper()
	for line := range strings.SplitSeq(string(m.Raw), "\r\n") {
		if len(line) > 100 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("line %q", line)
		}
	}
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
