package target

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/secret"
	"invitation-relay/rules"
)

func goodEmail() EmailConfig {
	return EmailConfig{
		Host: "smtp.example.org", Username: "relay", Password: secret.New(mailTestPassword),
		From: "Relay <relay@example.org>", To: []string{"a@example.org", "Bob <b@example.org>"},
	}
}

func TestEmailDefaults(t *testing.T) {
	for tls, port := range map[string]int{"": 587, "mandatory": 587, "implicit": 465, "opportunistic": 587, "none": 587} {
		c := EmailConfig{TLS: tls}
		c.SetDefaults()
		if c.Port != port || c.Timeout != 30*time.Second || tls == "" && c.TLS != "mandatory" || tls != "" && c.TLS != tls {
			t.Errorf("tls %q: %+v, want port %d, 30s", tls, c, port)
		}
	}
	c := EmailConfig{TLS: "implicit", Port: 2525, Timeout: time.Second}
	c.SetDefaults()
	if c.Port != 2525 || c.Timeout != time.Second {
		t.Errorf("defaults changed what was set: %+v", c)
	}
}

// Each case changes one field of settings without a mistake.
func TestEachMistakeInEmailSettingsIsReported(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*EmailConfig)
		path   string // "": no mistake
		msg    string
	}{
		{"none", func(*EmailConfig) {}, "", ""},
		{"no login", func(c *EmailConfig) { c.Username, c.Password = "", secret.String{} }, "", ""},
		{"no TLS, no login", func(c *EmailConfig) { c.Username, c.Password, c.TLS = "", secret.String{}, "none" }, "", ""},
		{"no TLS on this machine", func(c *EmailConfig) { c.Host, c.TLS = "localhost", "none" }, "", ""},
		{"address", func(c *EmailConfig) { c.Host = "2001:db8::25" }, "", ""},

		{"no host", func(c *EmailConfig) { c.Host = "" }, "host", "missing"},
		{"a URL", func(c *EmailConfig) { c.Host = "smtp://smtp.example.org" }, "host", "not a URL"},
		{"a port in the host", func(c *EmailConfig) { c.Host = "smtp.example.org:25" }, "host", "port"},
		{"a line break in the host", func(c *EmailConfig) { c.Host = "smtp.example.org\n" }, "host", "not a host"},
		{"metadata address", func(c *EmailConfig) { c.Host = "169.254.169.254" }, "host", "refused"},
		{"port", func(c *EmailConfig) { c.Port = 70000 }, "port", "1 to 65535"},
		{"tls", func(c *EmailConfig) { c.TLS = "starttls" }, "tls", "one of"},
		{"auth", func(c *EmailConfig) { c.Auth = "ntlm" }, "auth", "one of"},
		{"auth without a login", func(c *EmailConfig) { c.Auth, c.Username, c.Password = "login", "", secret.String{} }, "auth", "without"},
		{"timeout", func(c *EmailConfig) { c.Timeout = -1 }, "timeout", "negative"},
		{"no username", func(c *EmailConfig) { c.Username = "" }, "username", "without"},
		{"no password", func(c *EmailConfig) { c.Password = secret.String{} }, "password", "without"},
		{"a line break in the password", func(c *EmailConfig) { c.Password = secret.New(mailTestPassword + "\n") }, "password", "line break"},
		{"a line break in the username", func(c *EmailConfig) { c.Username += "\n" }, "username", "line break"},
		{"a login in plain text", func(c *EmailConfig) { c.TLS = "none" }, "tls", "show the password"},
		{"no from", func(c *EmailConfig) { c.From = "" }, "from", "missing"},
		{"from", func(c *EmailConfig) { c.From = "relay" }, "from", "not a mail address"},
		{"from with CR LF", func(c *EmailConfig) { c.From = "\"a\r\nBcc: x@y\" <relay@example.org>" }, "from", "not a mail address"},
		{"no to", func(c *EmailConfig) { c.To = nil }, "to", "missing"},
		{"to", func(c *EmailConfig) { c.To[1] = "b@example.org, c@example.org" }, "to[1]", "not a mail address"},
		{"not ASCII", func(c *EmailConfig) { c.To[0] = "jörg@example.org" }, "to[0]", "ASCII"},
		{"twice", func(c *EmailConfig) { c.To[1] = "A@Example.org" }, "to[1]", "same address as to[0]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := goodEmail()
			c.change(&cfg)
			cfg.SetDefaults()
			var paths []string
			cfg.Check(nil, func(path string, _, _ int, msg, hint string) {
				paths = append(paths, path)
				if !strings.Contains(msg, c.msg) {
					t.Errorf("%s: %q, want %q", path, msg, c.msg)
				}
				if strings.Contains(msg+hint, mailTestPassword) {
					t.Errorf("%s quotes the password: %q %q", path, msg, hint)
				}
			})
			var want []string
			if c.path != "" {
				want = []string{c.path}
			}
			if d := cmp.Diff(want, paths); d != "" {
				t.Errorf("mistakes (-want +got):\n%s", d)
			}
			_, err := NewEmail("x", cfg, Deps{})
			if (err != nil) != (c.path != "") || err != nil && !strings.HasPrefix(err.Error(), c.path+": ") {
				t.Errorf("NewEmail: %v", err)
			}
		})
	}
}

func TestAMistakeInAMailTextIsReportedWhereItIs(t *testing.T) {
	env, err := rules.NewEnv(rules.Source{Name: "preventor", Preset: "invitation"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := goodEmail()
	cfg.Subject, cfg.Text, cfg.HTML = "{{ full_nam }}", "one\n{{ attempts + }}", "<p>{{ id }}</p>"
	cfg.SetDefaults()
	got := map[string]int{}
	cfg.Check(env, func(path string, line, _ int, _, _ string) { got[path] = line })
	if d := cmp.Diff(map[string]int{"subject": 1, "text": 2}, got); d != "" {
		t.Errorf("lines of mistakes (-want +got):\n%s", d)
	}
}
