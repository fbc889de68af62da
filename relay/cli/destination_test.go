package cli

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/config"
)

// relayYAML is a config with a source of each kind, listening at LISTEN.
const relayYAML = `
server: {listen: "LISTEN"}
sources:
  sealed:
    path: /hooks/sealed
    auth:
      basic:
        - {username: first, password: "canary-1"}
        - {username: second, password: "canary-2"}
      headers: [{name: X-Relay-Token, value: "canary-token"}]
    encryption: {keys: ["` + aKey + `"]}
  signed:
    path: /hooks/signed
    preset: idv-ticket
    auth: {signature: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}
rules: [{name: all, when: "true", to: [journal]}]
targets: {journal: {log: {level: info}}}
`

func TestConfigGivesAddressPathCredentialsAndKey(t *testing.T) {
	d := newRelayDouble(t, nil)
	file := write(t, "relay.yaml", strings.Replace(relayYAML, "LISTEN", d.Listener.Addr().String(), 1))
	code, stdout, stderr := simulate(t, "-c", file)
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	if !strings.HasPrefix(stderr, "source sealed, the first of sealed, signed (--source names another)\nPOST ") || strings.Contains(stderr+stdout, "canary") {
		t.Errorf("stderr: %s", stderr)
	}
	m := d.all()[0]
	if m.path != "/hooks/sealed" || m.header.Get("X-Relay-Token") != "canary-token" {
		t.Errorf("%s with %v", m.path, m.header)
	}
	if got := decrypted(t, aKey, m); !bytes.Contains(got, []byte(`"REJECTED"`)) {
		t.Errorf("decrypted to %s", got)
	}
}

func TestFlagsOverrideTheConfig(t *testing.T) {
	d, elsewhere := newRelayDouble(t, nil), newRelayDouble(t, nil)
	file := write(t, "relay.yaml", strings.Replace(relayYAML, "LISTEN", d.Listener.Addr().String(), 1))
	password := write(t, "password", "canary-3")
	type seen struct {
		at, path, user, password string
		encrypted, signed        bool
		sample                   string
	}
	for _, c := range []struct {
		args []string
		want seen
	}{
		{nil, seen{"config", "/hooks/sealed", "first", "canary-1", true, false, "rejected"}},
		{[]string{"--user", "second"}, seen{"config", "/hooks/sealed", "second", "canary-2", true, false, "rejected"}},
		{[]string{"--user", "third", "--password-file", password}, seen{"config", "/hooks/sealed", "third", "canary-3", true, false, "rejected"}},
		{[]string{"--password-file", password}, seen{"config", "/hooks/sealed", "first", "canary-3", true, false, "rejected"}},
		{[]string{"--plain"}, seen{"config", "/hooks/sealed", "first", "canary-1", false, false, "rejected"}},
		{[]string{"--source", "signed"}, seen{"config", "/hooks/signed", "", "", false, true, "ticket-rejected"}},
		{[]string{"--to", elsewhere.URL}, seen{"elsewhere", "/hooks/sealed", "first", "canary-1", true, false, "rejected"}},
		{[]string{"--to", elsewhere.URL + "/own"}, seen{"elsewhere", "/own", "first", "canary-1", true, false, "rejected"}},
	} {
		before := [2]int{len(d.all()), len(elsewhere.all())}
		code, stdout, stderr := simulate(t, append([]string{"-c", file}, c.args...)...)
		if code != 0 {
			t.Fatalf("%v: exit %d\n%s%s", c.args, code, stdout, stderr)
		}
		got := seen{at: "config"}
		all := d.all()
		if len(all) == before[0] {
			got.at, all = "elsewhere", elsewhere.all()
		}
		m := all[len(all)-1]
		got.path = m.path
		got.user, got.password, _ = (&http.Request{Header: m.header}).BasicAuth()
		got.encrypted = m.header.Get(ivHeader) != ""
		got.sample = strings.Fields(stdout)[5]
		got.signed = m.header.Get("webhook-signature") != ""
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(seen{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, diff)
		}
	}
}

func TestWrongSourceOrConfigIsSaid(t *testing.T) {
	file := write(t, "relay.yaml", strings.Replace(relayYAML, "LISTEN", "127.0.0.1:1", 1))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-c", file, "--source", "sealde"}, 2, "the sources are sealed, signed"},
		{[]string{"-c", file + ".not"}, 1, "cannot read the config"},
		{[]string{"-c", write(t, "bad.yaml", "sevrer: {}\n")}, 1, "--to URL needs none"},
		{[]string{"-c", file, "--user", "third"}, 2, "--password-file FILE holds it"},
		{[]string{"-c", file, "--key-file", write(t, "key", "short")}, 1, "the key is 5 bytes, it must be 32"},
		{[]string{"-c", file, "--key-file", write(t, "key", "\n")}, 1, "is empty"},
	} {
		code, stdout, stderr := simulate(t, c.args...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: exit %d\n%s%s", c.args, code, stdout, stderr)
		}
	}
}

func TestListenerIsReachedOnThisMachine(t *testing.T) {
	for listen, want := range map[string]string{
		":8080":            "http://127.0.0.1:8080",
		"0.0.0.0:8080":     "http://127.0.0.1:8080",
		"[::]:8080":        "http://127.0.0.1:8080",
		"[::1]:8080":       "http://[::1]:8080",
		"127.0.0.1:80":     "http://127.0.0.1:80",
		"relay.example:80": "http://relay.example:80",
	} {
		if got, err := baseURL(config.Server{Listen: listen}); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", listen, got, err, want)
		}
	}
	if got, err := baseURL(config.Server{Listen: ":443", TLS: config.ServerTLS{CertFile: "c.pem"}}); err != nil || got != "https://127.0.0.1:443" {
		t.Errorf("with TLS: %s, %v", got, err)
	}
	for _, listen := range []string{":0", "", "127.0.0.1"} {
		if got, err := baseURL(config.Server{Listen: listen}); err == nil {
			t.Errorf("%q is reached at %s", listen, got)
		}
	}
}
