package target

import (
	"errors"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
)

func TestTheLoginIsWhatIsSetOrTheBestOffered(t *testing.T) {
	for _, c := range []struct {
		set, offered, want string
		err                error
	}{
		{"auto", "CRAM-MD5 XOAUTH2 LOGIN PLAIN", "PLAIN", nil},
		{"auto", "CRAM-MD5 XOAUTH2 LOGIN", "LOGIN", nil},
		{"auto", "CRAM-MD5 SCRAM-SHA-256", "SCRAM-SHA-256", nil},
		{"auto", "XOAUTH2 CRAM-MD5", "CRAM-MD5", nil},
		{"auto", "NTLM XOAUTH2", "XOAUTH2", nil},
		{"auto", "NTLM GSSAPI", "", errMailNoMechanism},
		{"auto", "", "", errMailNoMechanism},
		{"cram-md5", "PLAIN CRAM-MD5", "CRAM-MD5", nil},
		{"xoauth2", "PLAIN LOGIN", "", errMailNotOffered},
		{"plain", "LOGIN", "", errMailNotOffered},
	} {
		got, err := chooseMechanism(c.set, strings.Fields(c.offered))
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("auth %s of %q: %q, %v, want %q, %v", c.set, c.offered, got, err, c.want, c.err)
		}
	}
}

func TestALoginThatIsNotOfferedHoldsTheTargetAndShowsNothing(t *testing.T) {
	s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", mailTestPassword, "PLAIN"))
	r := sendMail(t, newTestEmail(t, s, withLogin, withAuth("xoauth2")))
	if r.Outcome != event.Held || !strings.Contains(r.Reason, "leave auth out") {
		t.Errorf("result %+v, want held, with what helps", r)
	}
	noCanaryIn(t, r)
}

func TestAWrongPasswordOrAnOldTokenHoldsTheTarget(t *testing.T) {
	for _, mech := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"} {
		t.Run(mech, func(t *testing.T) {
			s := relaytest.StartSMTP(t, relaytest.SMTPWithTLS(), relaytest.SMTPWithLogin("relay", "another", mech))
			r := sendMail(t, newTestEmail(t, s, withLogin))
			if r.Outcome != event.Held || r.Status != 535 || !strings.Contains(r.Reason, "may have expired") || len(s.Mails()) != 0 {
				t.Errorf("result %+v, want held by 535", r)
			}
			noCanaryIn(t, r)
		})
	}
}

func TestNoLoginOfAnyKindGoesOverAnUnencryptedConnection(t *testing.T) {
	for _, word := range []string{"plain", "login", "cram-md5", "xoauth2"} {
		t.Run(word, func(t *testing.T) {
			c := goodEmail()
			c.TLS, c.Auth, c.Password = "none", word, secret.New(mailTestPassword)
			c.SetDefaults()
			found := ""
			c.Check(nil, func(path string, _, _ int, msg, _ string) { found += path + ": " + msg })
			if !strings.HasPrefix(found, "tls: a login over an unencrypted connection") {
				t.Errorf("check found %q, want the login refused", found)
			}
			s := relaytest.StartSMTP(t, relaytest.SMTPWithLogin("relay", mailTestPassword, mechanismSet(word)))
			r := sendMail(t, newTestEmail(t, s, withLogin, withAuth(word), withTLS("opportunistic")))
			if r.Outcome != event.Held || !strings.Contains(r.Reason, "password was not sent") {
				t.Errorf("result %+v, want held, the password not sent", r)
			}
		})
	}
}
