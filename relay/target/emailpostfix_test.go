package target

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
)

// postfix is Debian's mail server on a loopback port, with settings, queue and
// mailboxes of its own in a temporary folder. It knows team@relay.example.
type postfix struct {
	dir   string
	port  int
	roots *x509.CertPool
	log   chan string // its lines
}

// postfixMain takes the folder, and the uid and gid of the mailboxes.
const postfixMain = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = /dev/stdout
myhostname = mail.relay.example
mydestination =
mynetworks =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = relay.example
virtual_mailbox_maps = inline:{team@relay.example=team/}
virtual_mailbox_base = %[1]s/mail
virtual_uid_maps = static:%[2]s
virtual_gid_maps = static:%[3]s
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions = check_recipient_access inline:{ {grey@relay.example = 450 4.7.1 Greylisted} }, permit
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = %[1]s/cert.pem
smtpd_tls_key_file = %[1]s/key.pem
`

const postfixMaster = `127.0.0.1:%d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`

// startPostfix starts it, or skips the test where it cannot be; where
// RELAY_REQUIRE_POSTFIX=1 says that it must be, that is a failure.
func startPostfix(t *testing.T) *postfix {
	t.Helper()
	skip := t.Skip
	if os.Getenv("RELAY_REQUIRE_POSTFIX") == "1" {
		skip = t.Fatal
	}
	if _, err := exec.LookPath("postfix"); err != nil {
		skip("no postfix to hand mail to; install it: DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postfix")
	}
	if os.Getuid() != 0 {
		skip("postfix starts as root only")
	}
	p := &postfix{log: make(chan string, 1000)}
	p.settle(t)
	reader, writer := io.Pipe()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "postfix", "-c", p.dir, "start-fg")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = writer, writer, 10*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What was started is the parent of the server, or was.
		stop := exec.CommandContext(context.WithoutCancel(t.Context()), "postfix", "-c", p.dir, "stop")
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("postfix goes on: %v\n%s", err, out)
		}
		_ = cmd.Wait() // it was told to end
		_ = writer.Close()
	})
	go func() {
		defer close(p.log)
		for lines := bufio.NewScanner(reader); lines.Scan(); {
			p.log <- lines.Text()
		}
	}()
	p.waitFor(t, "daemon started")
	return p
}

// settle writes its folder.
func (p *postfix) settle(t *testing.T) {
	t.Helper()
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	p.dir, err = os.MkdirTemp("", "relay-postfix-") //nolint:usetesting // t.TempDir is closed to the users that postfix runs as
	try(err)
	t.Cleanup(func() { _ = os.RemoveAll(p.dir) })
	try(os.Chmod(p.dir, 0o755))
	owners := map[string]string{"queue": "root", "data": "postfix", "mail": "nobody"}
	var nobody *user.User
	for name, owner := range owners {
		u, err := user.Lookup(owner)
		try(err)
		if owner == "nobody" {
			nobody = u
		}
		uid, err := strconv.Atoi(u.Uid)
		try(err)
		try(os.Mkdir(filepath.Join(p.dir, name), 0o755))
		try(os.Chown(filepath.Join(p.dir, name), uid, -1))
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	try(err)
	a, _ := l.Addr().(*net.TCPAddr)
	p.port = a.Port
	try(l.Close())
	cert, certPEM, err := relaytest.NewCertificate(time.Now().Add(time.Hour), "127.0.0.1")
	try(err)
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(certPEM)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	try(err)
	for name, text := range map[string]string{
		"main.cf":   fmt.Sprintf(postfixMain, p.dir, nobody.Uid, nobody.Gid),
		"master.cf": fmt.Sprintf(postfixMaster, p.port),
		"cert.pem":  string(certPEM),
		"key.pem":   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	} {
		try(os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600))
	}
}

// waitFor reads the log up to a line that says so.
func (p *postfix) waitFor(t *testing.T, what string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var said []string
	for {
		select {
		case line, ok := <-p.log:
			if said = append(said, line); !ok {
				t.Fatalf("postfix ended:\n%s", strings.Join(said, "\n"))
			}
			if strings.Contains(line, what) {
				return line
			}
		case <-ctx.Done():
			t.Fatalf("postfix did not say %q:\n%s", what, strings.Join(said, "\n"))
		}
	}
}

// email is a target for it.
func (p *postfix) email(t *testing.T, to string, change ...func(*EmailConfig)) *Email {
	t.Helper()
	e := newTestEmail(t, nil, append([]func(*EmailConfig){func(c *EmailConfig) {
		c.Port, c.To, c.TLS, c.From = p.port, []string{to}, "mandatory", "Relay <relay@relay.example>"
	}}, change...)...)
	e.tls.RootCAs = p.roots
	return e
}

func TestPostfixTakesTheMailEncryptedAndDeliversItIntact(t *testing.T) {
	p := startPostfix(t)
	e := p.email(t, "team@relay.example")
	m := mailTestMessage(t, e)
	m.Event = mailTestEvent(t, with("full_name", "Zoë Ünal 😀"))
	for range 2 {
		if r := e.Send(t.Context(), m); r.Outcome != event.Delivered {
			t.Fatalf("result %+v, want delivered", r)
		}
		p.waitFor(t, "status=sent")
	}
	e.Close()
	if line := p.waitFor(t, "disconnect from"); !strings.Contains(line, "starttls=1 mail=2") || !strings.Contains(line, "quit=1") {
		t.Errorf("%s\nwant two mails over one encrypted connection that ends with a goodbye", line)
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "mail", "team", "new", "*"))
	if err != nil || len(files) != 2 {
		t.Fatalf("%d mails (%v), want 2", len(files), err)
	}
	sent := posted(t, e, mustLetter(t, e, m))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := relaytest.Mail{Raw: bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))}
		for _, key := range []string{"Message-Id", "References", "Subject", "From", "To", "Date", "Auto-Submitted", "Return-Path"} {
			want := sent.Header(key)
			if key == "Return-Path" {
				want = "<relay@relay.example>"
			}
			if got.Header(key) != want || want == "" {
				t.Errorf("%s %q, want %q", key, got.Header(key), want)
			}
		}
		for _, part := range []string{"text/plain", "text/html"} {
			if d := cmp.Diff(sent.Part(part), got.Part(part)); d != "" {
				t.Errorf("%s (-sent +delivered):\n%s", part, d)
			}
		}
	}

	p.check(t, "an unknown mailbox", p.email(t, "nobody@relay.example"), event.Rejected, 550, "550 5.1.1: there is no such mailbox")
	p.check(t, "another domain", p.email(t, "team@elsewhere.example"), event.Rejected, 554, "554 5.7.1: the server's policy")
	p.check(t, "no encryption", p.email(t, "team@relay.example", withTLS("none")), event.Held, 530, "530 5.7.0: ")
	grey := p.check(t, "greylisting", p.email(t, "grey@relay.example"), event.Retry, 450, "450 4.7.1: ")
	if grey.NotBefore != greylistWait {
		t.Errorf("greylisted, it comes back after %v, want at least %v", grey.NotBefore, greylistWait)
	}
	stranger := p.email(t, "team@relay.example")
	stranger.tls.RootCAs = nil
	p.check(t, "a certificate of its own", stranger, event.Held, 0, "certificate not valid: ")
}

// check sends one mail and looks at the result.
func (*postfix) check(t *testing.T, name string, e *Email, want event.Outcome, status int, reason string) Result {
	t.Helper()
	r := sendMail(t, e)
	if r.Outcome != want || r.Status != status || !strings.HasPrefix(r.Reason, reason) {
		t.Errorf("%s: result %+v, want %v %d, %q", name, r, want, status, reason)
	}
	return r
}

func mustLetter(t *testing.T, e *Email, m *Message) letter {
	t.Helper()
	l, err := e.letter(m)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
