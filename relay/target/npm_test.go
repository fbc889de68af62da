package target_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// npmLine is what makes the test below run.
const npmLine = "npm install --prefix /tmp/npm standardwebhooks@1.1.1 svix@1.99.1 && export RELAY_NODE_MODULES=/tmp/npm/node_modules"

// verifyScript asks the receivers' own libraries about requests; a wrong signature is an exception there.
const verifyScript = `
const libraries = { standardwebhooks: require("standardwebhooks").Webhook, svix: require("svix").Webhook };
const jobs = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
console.log(JSON.stringify(jobs.map(({ library, secret, headers, body }) => {
  try {
    new libraries[library](secret).verify(body, headers);
    return "verified";
  } catch (e) {
    return e.constructor.name;
  }
})));`

// npm runs the script above. The test is skipped where the packages are not
// there, and fails where RELAY_REQUIRE_NODE=1 says that they must be.
func npm(t *testing.T, stdin []byte) []byte {
	t.Helper()
	modules := os.Getenv("RELAY_NODE_MODULES")
	_, err := os.Stat(filepath.Join(modules, "svix"))
	node, missing := exec.LookPath("node")
	if modules == "" || err != nil || missing != nil {
		if os.Getenv("RELAY_REQUIRE_NODE") == "1" {
			t.Fatal("the npm packages are not installed: " + npmLine)
		}
		t.Skip("the npm packages are not installed: " + npmLine)
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", verifyScript)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	cmd.Stdin = bytes.NewReader(stdin)
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		t.Fatalf("node: %v\n%s", err, &msg)
	}
	return out.Bytes()
}

// TestTheReceiversOwnLibrariesVerifyOurSignatures: with each of two secrets, for a rotation, and not when anything was
// changed on the way.
func TestTheReceiversOwnLibrariesVerifyOurSignatures(t *testing.T) {
	const first, second, other = "whsec_Zmlyc3Qtc2VjcmV0LW9mLXRoaXMtdGVzdCE=", "whsec_c2Vjb25kLXNlY3JldC1vZi10aGlzLXRlc3Q=", "whsec_YW5vdGhlci1zZWNyZXQtb2YtdGhpcy10ZXN0"
	receiver := relaytest.NewTarget(t)
	h := newHTTP(t, receiver.URL(), func(c *target.HTTPConfig, _ *target.Deps) {
		c.Sign = []secret.String{secret.New(first), secret.New(second)}
	})
	bodies := []string{sample, odd, "{\"full_name\":\"\u202e😀 \\u2028 Söhne\"}", `{}`}
	for _, body := range bodies {
		m := message(t, body)
		m.Now = time.Now() // the libraries look at their clock
		h.Send(t.Context(), m)
	}
	type job struct {
		Library string            `json:"library"`
		Secret  string            `json:"secret"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	var jobs []job
	var want []string
	for _, library := range []string{"standardwebhooks", "svix"} {
		for _, r := range receiver.Requests() {
			headers := map[string]string{}
			for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
				headers[name] = r.Header.Get(name)
			}
			late := map[string]string{"webhook-id": headers["webhook-id"], "webhook-timestamp": "1700000000", "webhook-signature": headers["webhook-signature"]}
			jobs = append(jobs,
				job{library, first, headers, string(r.Body)}, job{library, second, headers, string(r.Body)},
				job{library, other, headers, string(r.Body)}, job{library, first, headers, string(r.Body) + " "}, job{library, first, late, string(r.Body)})
			want = append(want, "verified", "verified", "WebhookVerificationError", "WebhookVerificationError", "WebhookVerificationError")
		}
	}
	in, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := json.Unmarshal(npm(t, in), &got); err != nil {
		t.Fatal(err)
	}
	if len(want) != 2*5*len(bodies) || strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
