package target

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

const (
	mailTestID       = "0198c5a2-7b1c-7d3e-8f4a-5b6c7d8e9f01"
	mailTestPassword = "canary-password"
)

// mailTestEvent is the vendor's sample, rejected after three attempts.
func mailTestEvent(t testing.TB, change ...func(map[string]any)) *event.Event {
	t.Helper()
	id, err := event.ParseID(mailTestID)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]any{
		"id": "6d1f2a9e-0c4b-4c57-9a3e-2f6b8d7c1e05", "invitation_state": "COMPLETED", "cifcod": "CIF-4711",
		"full_name": "Jon Doe", "ticket": "b7e3c1d2-5a6f-4e8b-8c9d-0a1b2c3d4e5f", "transaction_status": "REJECTED", "attempts": 3,
	}
	for _, f := range change {
		f(fields)
	}
	ev := &event.Event{ID: id, Source: "preventor", ReceivedAt: time.Date(2026, 11, 23, 1, 52, 44, 0, time.UTC), Fields: fields}
	ev.Subject, _ = fields["id"].(string)
	ev.Ticket, _ = fields["ticket"].(string)
	ev.Status, _ = fields["transaction_status"].(string)
	return ev
}

func with(key string, value any) func(map[string]any) {
	return func(m map[string]any) { m[key] = value }
}

// newTestEmail is a target for s, which trusts its certificate.
func newTestEmail(t testing.TB, s *relaytest.SMTP, change ...func(*EmailConfig)) *Email {
	t.Helper()
	c := EmailConfig{From: "Relay <relay@example.org>", To: []string{"team@example.org"}, TLS: "none", Host: "127.0.0.1"}
	if s != nil {
		c.Port = s.Port()
		if s.Roots() != nil {
			c.TLS = "mandatory"
		}
	}
	for _, f := range change {
		f(&c)
	}
	c.SetDefaults()
	e, err := NewEmail("archive", c, Deps{Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	if s != nil {
		e.tls.RootCAs = s.Roots()
	}
	t.Cleanup(e.Close)
	return e
}

func withLogin(c *EmailConfig) { c.Username, c.Password = "relay", secret.New(mailTestPassword) }

func withAuth(word string) func(*EmailConfig) { return func(c *EmailConfig) { c.Auth = word } }

func withTLS(word string) func(*EmailConfig) { return func(c *EmailConfig) { c.TLS = word } }

func mailTestMessage(t testing.TB, e *Email) *Message {
	t.Helper()
	return &Message{
		DeliveryID: mailTestID + ".archive." + e.Recipients()[0], Recipient: e.Recipients()[0],
		Attempt: 1, Event: mailTestEvent(t), Now: time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC),
	}
}

func sendMail(t *testing.T, e *Email) Result {
	t.Helper()
	r := e.Send(t.Context(), mailTestMessage(t, e))
	if r.Tries != 1 {
		t.Errorf("tries = %d, want 1", r.Tries)
	}
	return r
}

func TestMailArrivesWithTextAndHTML(t *testing.T) {
	s := relaytest.StartSMTP(t)
	r := sendMail(t, newTestEmail(t, s))
	if want := (Result{Outcome: event.Delivered, Status: 250, Tries: 1}); r != want {
		t.Fatalf("result %+v, want %+v", r, want)
	}
	mails := s.Mails()
	if len(mails) != 1 {
		t.Fatalf("%d mails, want 1", len(mails))
	}
	m := mails[0]
	got := map[string]string{
		"sender": m.Sender, "recipients": strings.Join(m.Recipients, " "), "to": m.Header("To"), "from": m.Header("From"),
		"subject": m.Subject(), "auto": m.Header("Auto-Submitted"), "date": m.Header("Date"), "id": m.Header("Message-Id"),
	}
	want := map[string]string{
		"sender": "relay@example.org", "recipients": "team@example.org", "to": "<team@example.org>",
		"from": `"Relay" <relay@example.org>`, "subject": "Verification rejected: Jon Doe (3 attempts)",
		"auto": "auto-generated", "date": "Mon, 23 Nov 2026 02:00:00 +0000",
		"id": "<" + mailTestID + ".archive.8793dea0@example.org>",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("mail differs (-want +got):\n%s", d)
	}
	if !strings.Contains(m.Part("text/plain"), "Jon Doe") || !strings.Contains(m.Part("text/html"), "Jon Doe") {
		t.Errorf("the mail lacks the text or the HTML:\n%s", m.Raw)
	}
}

func TestEveryRecipientGetsAMailOfTheirOwn(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s, func(c *EmailConfig) { c.To = []string{"Ann <ann@example.org>", "bob@example.net"} })
	if len(e.Recipients()) != 2 || e.Recipients()[0] == e.Recipients()[1] {
		t.Fatalf("recipients %v, want two hashes", e.Recipients())
	}
	for _, who := range e.Recipients() {
		m := mailTestMessage(t, e)
		m.Recipient = who
		if r := e.Send(t.Context(), m); r.Outcome != event.Delivered {
			t.Fatalf("result %+v, want delivered", r)
		}
	}
	mails := s.Mails()
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2", len(mails))
	}
	for i, want := range []string{"ann@example.org", "bob@example.net"} {
		if d := cmp.Diff([]string{want}, mails[i].Recipients); d != "" {
			t.Errorf("envelope (-want +got):\n%s", d)
		}
		if to := mails[i].Header("To"); !strings.Contains(to, want) || strings.Count(to, "@") != 1 {
			t.Errorf("To %q, want %s alone", to, want)
		}
	}
}

func TestRecipientsAreShownMasked(t *testing.T) {
	e := newTestEmail(t, nil, func(c *EmailConfig) { c.To = []string{"Ann Ott <ann@relay.example>", "\"a@b\"@example.net"} })
	var named Named = e
	want := map[string]string{e.Recipients()[0]: "a***@relay.example", e.Recipients()[1]: "a***@example.net"}
	if d := cmp.Diff(want, named.RecipientNames()); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
}

func TestARecipientKeepsItsHashWhateverItsCaseAndPlace(t *testing.T) {
	a := newTestEmail(t, nil, func(c *EmailConfig) { c.To = []string{"x@example.org", "Team@Example.ORG"} })
	b := newTestEmail(t, nil)
	if a.Recipients()[1] != b.Recipients()[0] {
		t.Errorf("hashes %v and %v, want the same for team@example.org", a.Recipients(), b.Recipients())
	}
}

func TestADeliveryForARecipientNoLongerConfiguredWaits(t *testing.T) {
	s := relaytest.StartSMTP(t)
	e := newTestEmail(t, s)
	m := mailTestMessage(t, e)
	m.Recipient = "00000000"
	r := e.Send(t.Context(), m)
	if r.Outcome != event.Retry || r.Reason == "" || len(s.Mails()) != 0 {
		t.Errorf("result %+v with %d mails, want a retry, a reason and none", r, len(s.Mails()))
	}
}

func TestTheSameMailIsSentAtEveryAttempt(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPDropAfterData(1))
	e := newTestEmail(t, s)
	first := sendMail(t, e)
	if first.Outcome != event.Retry || !strings.Contains(first.Reason, "may have arrived") {
		t.Errorf("result %+v, want a retry that says the mail may have arrived", first)
	}
	if second := sendMail(t, e); second.Outcome != event.Delivered {
		t.Fatalf("result %+v, want delivered", second)
	}
	mails := s.Mails()
	if len(mails) != 2 {
		t.Fatalf("%d mails, want 2", len(mails))
	}
	if d := cmp.Diff(string(mails[0].Raw), string(mails[1].Raw)); d != "" {
		t.Errorf("the repeat differs (-first +second):\n%s", d)
	}
}

func TestMailGoesEncryptedAndLoggedInByEachMechanism(t *testing.T) {
	all := []string{"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"}
	for _, mech := range all {
		for name, c := range map[string]struct {
			auth  string
			offer []string
		}{"offered": {"auto", []string{mech}}, "set": {strings.ToLower(mech), all}} {
			t.Run(mech+" "+name, func(t *testing.T) {
				s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword, c.offer...))
				if r := sendMail(t, newTestEmail(t, s, withLogin, withAuth(c.auth))); r.Outcome != event.Delivered {
					t.Fatalf("result %+v, want delivered", r)
				}
				if m := s.Mails()[0]; !m.TLS || m.User != "relay" || m.Mechanism != mech {
					t.Errorf("mail came with TLS %v from %q by %s, want encrypted from relay by %s", m.TLS, m.User, m.Mechanism, mech)
				}
			})
		}
	}
}

func TestImplicitTLSEncryptsFromTheFirstByte(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithImplicitTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword))
	if r := sendMail(t, newTestEmail(t, s, withLogin, withTLS("implicit"))); r.Outcome != event.Delivered {
		t.Fatalf("result %+v, want delivered", r)
	}
	if !s.Mails()[0].TLS {
		t.Error("the mail came unencrypted")
	}
}

func TestOpportunisticTLSEncryptsWhenItCanAndOnlyThenLogsIn(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword))
	if r := sendMail(t, newTestEmail(t, s, withLogin, withTLS("opportunistic"))); r.Outcome != event.Delivered || !s.Mails()[0].TLS {
		t.Errorf("result %+v, want delivered, encrypted", r)
	}
	plain := relaytest.StartSMTP(t)
	if r := sendMail(t, newTestEmail(t, plain, withTLS("opportunistic"))); r.Outcome != event.Delivered {
		t.Errorf("result %+v, want delivered in plain text", r)
	}
	// A server, or somebody in between, that hides STARTTLS does not get the password.
	stripped := relaytest.StartSMTP(t, relaytest.SMTPWithLogin("relay", mailTestPassword))
	r := sendMail(t, newTestEmail(t, stripped, withLogin, withTLS("opportunistic")))
	if r.Outcome != event.Held || !strings.Contains(r.Reason, "password was not sent") {
		t.Errorf("result %+v, want held, the password not sent", r)
	}
}

func TestWithoutTLSALoginIsForThisMachineOnly(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithLogin("relay", mailTestPassword))
	e := newTestEmail(t, s, withLogin)
	if r := sendMail(t, e); r.Outcome != event.Delivered || s.Mails()[0].User != "relay" {
		t.Errorf("result %+v, want delivered, logged in", r)
	}
	// The name is this machine's, the connection is not: the password stays here.
	e = newTestEmail(t, s, withLogin)
	e.dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, s.Addr())
		return farAway{c}, err
	}
	if r := sendMail(t, e); r.Outcome != event.Held || !strings.Contains(r.Reason, "password was not sent") {
		t.Errorf("result %+v, want held, the password not sent", r)
	}
}

// farAway is a connection to another machine, as far as one can see.
type farAway struct{ net.Conn }

func (farAway) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 587} }

func TestMandatoryTLSHoldsTheTargetWhenTheServerHasNone(t *testing.T) {
	s := relaytest.StartSMTP(t)
	r := sendMail(t, newTestEmail(t, s, withTLS("mandatory")))
	if r.Outcome != event.Held || !strings.Contains(r.Reason, "STARTTLS") || len(s.Mails()) != 0 {
		t.Errorf("result %+v with %d mails, want held and none", r, len(s.Mails()))
	}
}

func TestACertificateThatProvesNothingHoldsTheTarget(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		name, host string
		until      time.Time
		trust      bool
		want       string
	}{
		{"expired", "127.0.0.1", now.Add(-time.Hour), true, "expired"},
		{"for another name", "mail.example.org", now.Add(time.Hour), true, "another name"},
		{"of an unknown authority", "127.0.0.1", now.Add(time.Hour), false, "SSL_CERT_FILE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cert, pem, err := relaytest.NewCertificate(c.until, c.host)
			if err != nil {
				t.Fatal(err)
			}
			s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithCertificate(cert))
			if c.trust {
				s.Roots().AppendCertsFromPEM(pem)
			}
			r := sendMail(t, newTestEmail(t, s))
			if r.Outcome != event.Held || !strings.HasPrefix(r.Reason, "certificate not valid: ") || !strings.Contains(r.Reason, c.want) ||
				!strings.Contains(r.Reason, "`invitation-relay targets release archive`") || len(s.Mails()) != 0 {
				t.Errorf("result %+v with %d mails, want held, %q and none", r, len(s.Mails()), c.want)
			}
		})
	}
}

func TestAServerThatRefusesItsTLSVersionIsTriedAgain(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS())
	e := newTestEmail(t, s)
	e.tls.MinVersion, e.tls.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
	if r := sendMail(t, e); r.Outcome != event.Retry || !strings.Contains(r.Reason, "TLS") {
		t.Errorf("result %+v, want a retry", r)
	}
}

func BenchmarkEmailCompose(b *testing.B) {
	e := newTestEmail(b, nil)
	m := mailTestMessage(b, e)
	to := e.to[m.Recipient]
	b.ReportAllocs()
	for b.Loop() {
		l, err := e.letter(m)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := e.address(l, to).WriteTo(new(strings.Builder)); err != nil {
			b.Fatal(err)
		}
	}
}

// newRulesEmail is a target with texts, for invitations; it connects to nobody.
func newRulesEmail(t testing.TB, change func(*EmailConfig)) *Email {
	t.Helper()
	env, err := rules.NewEnv(rules.Source{Name: "preventor", Preset: "invitation"})
	if err != nil {
		t.Fatal(err)
	}
	c := EmailConfig{From: "relay@example.org", To: []string{"team@example.org"}, TLS: "none", Host: "127.0.0.1"}
	change(&c)
	c.SetDefaults()
	e, err := NewEmail("archive", c, Deps{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestTheSystemsRootsAreTrusted runs itself again, because a process reads
// SSL_CERT_FILE once.
func TestTheSystemsRootsAreTrusted(t *testing.T) {
	const port = "RELAY_TEST_SMTP_PORT"
	if p := os.Getenv(port); p != "" {
		e := newTestEmail(t, nil, withTLS("mandatory"), func(c *EmailConfig) {
			var err error
			if c.Port, err = strconv.Atoi(p); err != nil {
				t.Fatal(err)
			}
		})
		if r := sendMail(t, e); r.Outcome != event.Delivered {
			t.Errorf("result %+v, want delivered", r)
		}
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("SSL_CERT_FILE is read on Linux and other Unix systems only")
	}
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS())
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, s.CertPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), "SSL_CERT_FILE="+file, port+"="+strconv.Itoa(s.Port()))
	if out, err := again.CombinedOutput(); err != nil || len(s.Mails()) != 1 {
		t.Errorf("%v with %d mails:\n%s", err, len(s.Mails()), out)
	}
}
