package target

import (
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
)

const probeTime = 5 * time.Second

// ends demands a probe's last finding, and that none says where it looked.
func ends(t *testing.T, found []Finding, want Level, text string) {
	t.Helper()
	if len(found) == 0 {
		t.Fatal("nothing was found")
	}
	if last := found[len(found)-1]; last.Level != want || !strings.Contains(last.Text, text) {
		t.Errorf("found %s %q at last, want %s %q", last.Level, last.Text, want, text)
	}
	for i, f := range found {
		if f.Level == Fail && i < len(found)-1 {
			t.Errorf("it went on after %q", f.Text)
		}
		for _, shown := range []string{"127.0.0.1", "localhost", "CANARY", "://", mailTestPassword} {
			if strings.Contains(f.Text, shown) {
				t.Errorf("%q shows %q", f.Text, shown)
			}
		}
	}
}

func probeHTTP(t *testing.T, c HTTPConfig, each time.Duration) []Finding {
	t.Helper()
	c.SetDefaults()
	h, err := NewHTTP("cases", c, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	return h.Probe(t.Context(), each)
}

func TestProbeConnectsAndRequestsNothing(t *testing.T) {
	receiver := relaytest.NewTarget(t)
	ends(t, probeHTTP(t, HTTPConfig{URL: secret.New(receiver.URL() + "/CANARY?token=CANARY")}, probeTime), OK, "takes connections")
	s, err := NewSlack("risk", SlackConfig{WebhookURL: secret.New(receiver.URL() + "/services/CANARY"), Timeout: time.Second}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ends(t, s.Probe(t.Context(), probeTime), OK, "takes connections")
	if n := len(receiver.Requests()); n > 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestProbeAsksSlackAboutTheTokenAndPostsNothing(t *testing.T) {
	for _, c := range []struct {
		token, scopes string
		level         Level
		text          string
	}{
		{"xoxb-CANARY", "", OK, "takes the token"},
		{"xoxb-CANARY", "chat:write,channels:read", OK, "takes the token"},
		{"xoxb-CANARY", "channels:read", Fail, "lacks the scope chat:write"},
		{"xoxb-wrong", "", Fail, "invalid_auth"},
	} {
		slack, server, err := relaytest.StartSlack()
		if err != nil {
			t.Fatal(err)
		}
		slack.Workspace("xoxb-CANARY", "C1")
		slack.Scopes(c.scopes)
		s, err := NewSlack("risk", SlackConfig{Token: secret.New(c.token), Channel: "C1", APIURL: server.URL() + "/api", Timeout: time.Second}, Deps{})
		if err != nil {
			t.Fatal(err)
		}
		ends(t, s.Probe(t.Context(), probeTime), c.level, c.text)
		if n := len(slack.Messages()) + len(slack.Refused()); n > 0 {
			t.Errorf("%d messages were posted", n)
		}
		s.Close()
		server.Close()
	}
	receiver := relaytest.NewTarget(t, relaytest.Body(200, "<html>CANARY</html>"))
	s, err := NewSlack("risk", SlackConfig{Token: secret.New("xoxb-1"), Channel: "C1", APIURL: receiver.URL(), Timeout: time.Second}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ends(t, s.Probe(t.Context(), probeTime), Fail, "in Slack's place")
}

func TestProbeSaysWhenNothingIsThere(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	_ = l.Close()
	ends(t, probeHTTP(t, HTTPConfig{URL: secret.New("http://" + free)}, probeTime), Fail, "nothing listens")
	ends(t, probeHTTP(t, HTTPConfig{URL: secret.New("http://169.254.169.254/")}, probeTime), Fail, "which no target may have")
	ends(t, probeHTTP(t, HTTPConfig{URL: secret.New("http://CANARY.invalid/")}, probeTime), Fail, "name")
}

func TestProbeHoldsCertificatesAgainstTheTargetsAuthoritiesAndTheClock(t *testing.T) {
	for _, c := range []struct {
		left    time.Duration
		trusted bool
		host    string
		level   Level
		text    string
	}{
		{23 * time.Hour, true, "127.0.0.1", Warn, "valid for 0 more days only"},
		{-time.Hour, true, "127.0.0.1", Fail, "expired"},
		{23 * time.Hour, false, "127.0.0.1", Fail, "authority not known"},
		{23 * time.Hour, true, "other.test", Fail, "another name"},
	} {
		cert, pem, err := relaytest.NewCertificate(time.Now().Add(c.left), c.host)
		if err != nil {
			t.Fatal(err)
		}
		conf := HTTPConfig{}
		if c.trusted {
			conf.TLS.CAFile = filepath.Join(t.TempDir(), "ca.pem")
			if err := os.WriteFile(conf.TLS.CAFile, pem, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		receiver := relaytest.NewTLSTarget(t, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		conf.URL = secret.New(receiver.URL())
		ends(t, probeHTTP(t, conf, probeTime), c.level, c.text)
	}
}

func TestCertificatesThatEndSoonAreAWarning(t *testing.T) {
	now := time.Now()
	for days, want := range map[int]Level{-1: Fail, 0: Fail, 1: Warn, 13: Warn, 14: OK, 300: OK} {
		if f := CertificateFinding(now.AddDate(0, 0, days), now); f.Level != want {
			t.Errorf("%d days before its end: %+v, want %s", days, f, want)
		}
	}
}

// silent takes connections and says nothing.
func silent(t *testing.T) (host string, port int) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	host, digits, _ := net.SplitHostPort(l.Addr().String())
	port, _ = strconv.Atoi(digits)
	return host, port
}

func TestProbeEndsInTime(t *testing.T) {
	host, port := silent(t)
	address := net.JoinHostPort(host, strconv.Itoa(port))
	ends(t, probeHTTP(t, HTTPConfig{URL: secret.New("https://" + address)}, 50*time.Millisecond), Fail, "not agreed on in time")
	e := probeEmail(t, EmailConfig{Host: host, Port: port})
	ends(t, e.Probe(t.Context(), 50*time.Millisecond), Fail, "did not greet in time")
}

func probeEmail(t *testing.T, c EmailConfig) *Email {
	t.Helper()
	c.From, c.To = "relay@relay.example", []string{"a@relay.example"}
	c.SetDefaults()
	e, err := NewEmail("mail", c, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestProbeOfAMailServerLogsInAndSendsNothing(t *testing.T) {
	good, wrong := secret.New(mailTestPassword), secret.New("CANARY")
	withTLS := []relaytest.SMTPOption{relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword)}
	implicit := []relaytest.SMTPOption{relaytest.SMTPWithImplicitTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword)}
	for _, c := range []struct {
		options []relaytest.SMTPOption
		conf    EmailConfig
		level   Level
		text    string
	}{
		{withTLS, EmailConfig{Username: "relay", Password: good}, OK, "takes the login"},
		{implicit, EmailConfig{TLS: "implicit", Username: "relay", Password: good}, OK, "takes the login"},
		{withTLS, EmailConfig{}, OK, "greets"},
		{withTLS, EmailConfig{Username: "relay", Password: wrong}, Fail, "refuses the login"},
		{nil, EmailConfig{}, Fail, "does not offer STARTTLS"},
		{nil, EmailConfig{TLS: "none"}, OK, "greets"},
	} {
		s := relaytest.StartSMTP(t, c.options...)
		c.conf.Host, c.conf.Port = s.Host(), s.Port()
		e := probeEmail(t, c.conf)
		e.tls.RootCAs = s.Roots()
		found := e.Probe(t.Context(), probeTime)
		ends(t, found, c.level, c.text)
		if c.options != nil {
			if tls := found[len(found)-2]; tls.Level != Warn || !strings.Contains(tls.Text, "0 more days only") {
				t.Errorf("of its certificate, which ends in a day, it says %+v", tls)
			}
		}
		if n := len(s.Mails()); n > 0 {
			t.Errorf("%d mails were sent", n)
		}
	}
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS())
	ends(t, probeEmail(t, EmailConfig{Host: s.Host(), Port: s.Port()}).Probe(t.Context(), probeTime), Fail, "nobody this machine trusts")
	s = relaytest.StartSMTP(t)
	found := probeEmail(t, EmailConfig{Host: s.Host(), Port: s.Port(), TLS: "opportunistic"}).Probe(t.Context(), probeTime)
	if f := found[len(found)-2]; f.Level != Warn || !strings.Contains(f.Text, "unencrypted") {
		t.Errorf("of a server without STARTTLS it says %+v", f)
	}
}
