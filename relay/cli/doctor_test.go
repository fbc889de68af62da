package cli

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay"
	"invitation-relay/relay/relaytest"
)

// doctor looks at every kind of target as it is, and neither posts nor mails.
func TestDoctorLooksAtTargetsAndSendsThemNothing(t *testing.T) {
	slack, server, err := relaytest.StartSlack()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cases, mail := relaytest.NewTarget(t), relaytest.StartSMTP(t, relaytest.SMTPWithLogin("relay", "CANARY-password"))
	cfg := filepath.Join(t.TempDir(), "relay.yaml")
	write := func(password string) {
		text := fmt.Sprintf(`
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
sources: {preventor: {path: /webhooks/invitation}}
rules: [{name: all, when: "true", to: [risk, cases, mail]}]
targets:
  risk: {slack: {webhook_url: "%s/services/CANARY"}}
  cases: {http: {url: "%s/CANARY/{{ id }}"}}
  mail: {email: {host: 127.0.0.1, port: %d, tls: none, username: relay, password: %s, from: relay@relay.example, to: [a@relay.example]}}
`, server.URL(), cases.URL(), mail.Port(), password)
		if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("CANARY-password")
	code, stdout, stderr := command(t, "doctor", "-c", cfg)
	if code != 0 || stderr != "" {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, line := range []string{"ok   target risk: it takes connections\n", "ok   target cases: it takes connections\n", "ok   target mail: it takes the login\n"} {
		if !strings.Contains(stdout, line) {
			t.Errorf("no line %q in\n%s", line, stdout)
		}
	}
	write("CANARY-wrong")
	code, failing, _ := command(t, "doctor", "-c", cfg)
	if code != exitFailed || !strings.Contains(failing, "fail target mail: 535") {
		t.Errorf("exit %d\n%s", code, failing)
	}
	if all := stdout + failing; strings.Contains(all, "CANARY") || strings.Contains(all, "127.0.0.1") || strings.Contains(all, "relay.example") {
		t.Errorf("it shows what it must not:\n%s", all)
	}
	if len(slack.Messages())+len(slack.Refused())+len(cases.Requests())+len(mail.Mails()) > 0 {
		t.Error("something was sent")
	}
}

// Another program on the admin port is no relay of ours.
func TestDoctorTellsARelayFromAnotherProgram(t *testing.T) {
	other, err := relaytest.Listen(http.NotFoundHandler(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	cfg := filepath.Join(t.TempDir(), "relay.yaml")
	text := fmt.Sprintf(`
server: {listen: "127.0.0.1:0"}
admin: {listen: "%s"}
sources: {preventor: {path: /webhooks/invitation}}
rules: [{name: all, when: "true", to: [journal]}]
targets: {journal: {log: {}}}
`, strings.TrimPrefix(other.URL(), "http://"))
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := command(t, "doctor", "-c", cfg); code != exitFailed || !strings.Contains(stdout, "fail admin.listen: another program has the port\n") {
		t.Errorf("exit %d\n%s", code, stdout)
	}
}

func TestDoctorHoldsTheClockAgainstTheDisk(t *testing.T) {
	now := time.Now()
	for apart, want := range map[time.Duration]relay.Finding{
		time.Second: {Level: relay.OK}, -time.Second: {Level: relay.OK}, time.Minute: {Level: relay.Warn}, -time.Hour: {Level: relay.Warn},
	} {
		if got := filesAgree(now.Add(apart), now); got.Level != want.Level {
			t.Errorf("%s apart: %+v", apart, got)
		}
	}
}

func TestSpaceBecomesAWarningAndThenAFailure(t *testing.T) {
	for free, want := range map[int64]string{99 << 20: "fail", 101 << 20: "warn", 2 << 30: "ok"} {
		if got := spaceOf(free); got.Level.String() != want {
			t.Errorf("%d bytes: %+v, want %s", free, got, want)
		}
	}
}
