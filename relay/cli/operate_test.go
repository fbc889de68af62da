package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	anEvent    = "019c2f2e-7e40-7d70-ac6b-a1d5381006e0"
	otherEvent = "019c2f2e-7e40-7d70-ac6b-a1d5381006e1"
)

// fakeRelay answers as the admin API does with what it is told, and remembers
// what it was asked.
type fakeRelay struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string][]string // by "METHOD path": one after the other, the last again and again
	asked   []string            // "METHOD path query"
	signed  []string            // "user:password" of each, ":" for none
}

func newFakeRelay(t *testing.T) *fakeRelay {
	t.Helper()
	f := &fakeRelay{answers: map[string][]string{}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// on sets the answers to a request below /api/v1. One that begins with a status is refused.
func (f *fakeRelay) on(request string, answers ...string) *fakeRelay {
	f.answers[request] = answers
	return f
}

func (f *fakeRelay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := r.Method + " " + strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1/")
	q, _ := url.QueryUnescape(r.URL.RawQuery)
	f.asked = append(f.asked, strings.TrimSpace(at+" "+q))
	user, password, _ := r.BasicAuth()
	f.signed = append(f.signed, user+":"+password)
	answers := f.answers[at]
	if len(answers) == 0 {
		refusing(http.StatusNotFound, "there is nothing with this id")(w, r)
		return
	}
	answer := answers[0]
	if len(answers) > 1 {
		f.answers[at] = answers[1:]
	}
	var status int
	if n, _ := fmt.Sscanf(answer, "%d ", &status); n == 1 {
		_, detail, _ := strings.Cut(answer, " ")
		refusing(status, detail)(w, r)
		return
	}
	_, _ = w.Write([]byte(answer))
}

// operateAs runs a command with these variables and this standard input, and no
// config in the working folder.
func operateAs(t *testing.T, vars map[string]string, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	w := &world{
		stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs, files: os.DirFS(repository),
		lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
	}
	root := newRoot(w)
	root.SetArgs(args)
	code = exitCode(root.ExecuteContext(t.Context()), &errs)
	return code, out.String(), errs.String()
}

func (f *fakeRelay) operate(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return operateAs(t, nil, "", append(args, "--admin", f.URL)...)
}

func TestRelayThatIsNotReachedIsSaidWithAHint(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	code, stdout, stderr := operateAs(t, nil, "", "targets", "list", "--admin", closed.URL)
	want := "invitation-relay: list targets: no relay answers at " + closed.URL + ": connection refused\n  hint: is it running?"
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, want) || strings.Count(stderr, "\n") != 2 {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestWhatIsNoAdminListenerIsSaid(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		refusing(http.StatusNotFound, "There is no webhook at this path."),
	} {
		s := httptest.NewServer(answer)
		code, stdout, stderr := operateAs(t, nil, "", "events", "list", "--admin", s.URL)
		s.Close()
		if code != 1 || stdout != "" || !strings.Contains(stderr, "is not a relay's admin listener\n  hint: ") {
			t.Errorf("exit %d\n%s%s", code, stdout, stderr)
		}
	}
}

func TestRelayIsThatOfTheFlagTheVariableOrTheConfig(t *testing.T) {
	flag, variable, config := newFakeRelay(t), newFakeRelay(t), newFakeRelay(t)
	for _, f := range []*fakeRelay{flag, variable, config} {
		f.on("GET events", `{"items":[],"next":""}`)
	}
	file := write(t, "relay.yaml", "admin: {listen: \""+config.Listener.Addr().String()+"\"}\ntargets: {t: {slack: {webhook_url: \"${env:NOT_SET}\"}}}\n")
	for _, c := range []struct {
		want *fakeRelay
		vars map[string]string
		args []string
	}{
		{config, nil, []string{"-c", file}},
		{variable, map[string]string{"RELAY_ADMIN": variable.Listener.Addr().String()}, nil},
		{config, map[string]string{"RELAY_ADMIN": variable.URL}, []string{"-c", file}},
		{flag, map[string]string{"RELAY_ADMIN": variable.URL}, []string{"-c", file, "--admin", flag.URL + "/"}},
	} {
		before := len(c.want.asked)
		if code, _, stderr := operateAs(t, c.vars, "", append([]string{"events", "list"}, c.args...)...); code != 0 || len(c.want.asked) != before+1 {
			t.Errorf("%v %v: exit %d, %s", c.vars, c.args, code, stderr)
		}
	}
}

func TestPasswordComesFromAFileOrTheVariable(t *testing.T) {
	file := write(t, "password", "from-file\n")
	for _, c := range []struct {
		vars map[string]string
		args []string
		want string
	}{
		{nil, nil, ":"},
		{nil, []string{"--user", "olga", "--password-file", file}, "olga:from-file"},
		{map[string]string{"RELAY_ADMIN_PASSWORD": "from-variable"}, []string{"--user", "olga"}, "olga:from-variable"},
		{map[string]string{"RELAY_ADMIN_PASSWORD": "from-variable"}, []string{"--user", "olga", "--password-file", file}, "olga:from-file"},
		{map[string]string{"RELAY_ADMIN_USER": "vera", "RELAY_ADMIN_PASSWORD": "v"}, nil, "vera:v"},
		{map[string]string{"RELAY_ADMIN_PASSWORD": "of nobody"}, nil, ":"},
	} {
		f := newFakeRelay(t).on("GET events", `{"items":[],"next":""}`)
		code, stdout, stderr := operateAs(t, c.vars, "", append([]string{"events", "list", "--admin", f.URL}, c.args...)...)
		if code != 0 || f.signed[0] != c.want || strings.Contains(stdout+stderr, "from-") {
			t.Errorf("%v %v: exit %d, signed in as %q\n%s", c.vars, c.args, code, f.signed, stderr)
		}
	}
}

func TestRefusalIsASentenceWithWhatHelps(t *testing.T) {
	vars := map[string]string{"RELAY_ADMIN_PASSWORD": "p"}
	user := []string{"--user", "vera"}
	retry := []string{"deliveries", "retry", anEvent + ".cases"}
	for _, c := range []struct {
		answer string
		args   []string
		want   string
	}{
		{"401 sign in with a user of admin.users", nil, "the relay wants to know who asks\n  hint: --user NAME"},
		{"401 sign in with a user of admin.users", user, "the relay knows no vera with this password\n  hint: "},
		{"403 this needs the role operator", user, "this needs the role operator, and vera is a viewer\n  hint: --user NAME of somebody with role: operator"},
		{"404 there is nothing with this id", nil, "there is nothing with this id\n  hint: invitation-relay deliveries list --admin "},
		{"404 there is nothing at this path", nil, "perhaps of an older release"},
		{"409 an attempt is under way", nil, "an attempt is under way\n  hint: "},
		{"503 the store takes no write now", nil, "/readyz says what is wrong"},
	} {
		f := newFakeRelay(t).on("POST deliveries/"+anEvent+".cases/retry", c.answer)
		code, stdout, stderr := operateAs(t, vars, "", append(append(retry, "--admin", f.URL), c.args...)...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, c.want) || !strings.HasPrefix(stderr, "invitation-relay: retry "+anEvent) {
			t.Errorf("%s: exit %d\n%s%s", c.answer, code, stdout, stderr)
		}
	}
}

func TestWrongUsageAsksNobody(t *testing.T) {
	t.Chdir(t.TempDir())
	f := newFakeRelay(t)
	for _, args := range [][]string{
		{"events"},
		{"events", "lst"},
		{"targets", "lst"},
		{"events", "show"},
		{"events", "show", "a1"},
		{"events", "list", "extra"},
		{"events", "list", "--state", "dead"},
		{"events", "list", "--limit", "-1"},
		{"events", "list", "--since", "yesterday"},
		{"deliveries", "list", "--until", "0s"},
		{"events", "replay", "--since", "2026-13-01", "--yes"},
		{"deliveries", "discard", "--target", "cases", "--state", "delivered", "--yes"},
		{"events", "replay"},
		{"events", "replay", "--state", "finished"},
		{"events", "replay", anEvent, "--since", "1d"},
		{"events", "replay", "--since", "1d", "--refused", "--to", "cases"},
		{"deliveries", "show", anEvent},
		{"deliveries", "retry"},
		{"deliveries", "retry", "--state", "dead"},
		{"deliveries", "discard", "--target", "cases"},
		{"targets", "hold"},
		{"targets", "hold", "a", "b"},
		{"events", "list", "--user", "olga"},
		{"events", "list", "--password-file", "f"},
		{"events", "list", "--admin", "http://olga:canary@localhost:1"},
		{"events", "list", "--admin", "ftp://x"},
	} {
		if !strings.Contains(strings.Join(args, " "), "--admin") {
			args = append(args, "--admin", f.URL)
		}
		code, stdout, stderr := operateAs(t, nil, "", args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, "\n  hint: ") || strings.Contains(stderr, "canary") {
			t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if code, stdout, stderr := operateAs(t, nil, "", "targets", "list"); code != 2 || stdout != "" || !strings.Contains(stderr, "--admin URL") {
		t.Errorf("without a config: exit %d\n%s%s", code, stdout, stderr)
	}
	if len(f.asked) != 0 {
		t.Errorf("asked %v", f.asked)
	}
}

func TestListAsksForPagesUpToTheLimitAndPrintsOneDocument(t *testing.T) {
	f := newFakeRelay(t).on("GET events", `{"items":[{"id":"a","more":1.50},{"id":"b"}],"next":"b"}`, `{"items":[{"id":"c"}],"next":"c"}`)
	code, stdout, stderr := f.operate(t, "events", "list", "--json", "--limit", "3", "--since", "7d", "--cifcod", "c-1")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, stderr)
	}
	want := []string{"GET events cifcod=c-1&limit=3&since=7d", "GET events cifcod=c-1&cursor=b&limit=1&since=7d"}
	if diff := cmp.Diff(want, f.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	var flat bytes.Buffer
	if err := json.Compact(&flat, []byte(stdout)); err != nil || flat.String() != `{"items":[{"id":"a","more":1.50},{"id":"b"},{"id":"c"}],"next":"c"}` {
		t.Errorf("%v\n%s", err, stdout)
	}
	if !strings.Contains(stderr, "there are more: --limit ") {
		t.Errorf("stderr: %s", stderr)
	}
}

// TestMomentsAreSentAsTheAPIReadsThem: what diff and the config take for so long
// ago, the API does not all.
func TestMomentsAreSentAsTheAPIReadsThem(t *testing.T) {
	for text, want := range map[string]string{
		"7d": "7d", "90m": "1h30m0s", "1d12h": "1d12h0m0s", "1.5d": "1d12h0m0s", "+7d": "7d", ".5d": "12h0m0s", "65535d": "65535d",
		"2026-11-23": "2026-11-23", " 2026-11-23T22:30:00.5+01:00": "2026-11-23T21:30:00.5Z",
	} {
		f := newFakeRelay(t).on("GET events", `{"items":[],"next":""}`)
		f.operate(t, "events", "list", "--since", text)
		if asked := []string{"GET events limit=50&since=" + want}; !slices.Equal(f.asked, asked) {
			t.Errorf("%s: asked %v, want %v", text, f.asked, asked)
		}
	}
	for _, text := range []string{"0d", "-7d", "65536d", "7", "7d+5m", "2026-02-30"} {
		f := newFakeRelay(t)
		if code, _, _ := f.operate(t, "events", "list", "--since", text); code != exitUsage || len(f.asked) > 0 {
			t.Errorf("%s: exit %d, asked %v", text, code, f.asked)
		}
	}
}

func TestWhatAStrangerWroteStaysInItsCell(t *testing.T) {
	f := newFakeRelay(t).on("GET events", `{"items":[{"id":"a","subject":"x\u001b[2J\ny\tz","received_at":"2026-11-23T02:14:00Z"}],"next":""}`)
	_, stdout, _ := f.operate(t, "events", "list")
	if strings.Count(stdout, "\n") != 2 || strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, `x\u001b[2J y z`) {
		t.Errorf("%q", stdout)
	}
}

func TestTargetThatIsNotThereIsSaidWhereAListIsEmpty(t *testing.T) {
	f := newFakeRelay(t).on("GET deliveries", `{"items":[],"next":""}`).on("GET targets", `{"items":[{"name":"risk-slack"}],"next":""}`)
	code, stdout, stderr := f.operate(t, "deliveries", "list", "--target", "risk-slak")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "the relay has no target \"risk-slak\"\n  hint: did you mean \"risk-slack\"?") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := f.operate(t, "deliveries", "list", "--target", "risk-slack"); code != 0 || stderr != "no such deliveries\n" {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestDurationsAndNumbersReadWell(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	got := []string{
		lasting(59 * time.Second), lasting(90 * time.Second), lasting(2*time.Hour + 10*time.Minute), lasting(3 * time.Hour), lasting(50 * time.Hour),
		away(now.Add(-3*time.Minute), now), away(now.Add(40*time.Second), now), away(now.Add(time.Millisecond), now),
		grouped(7), grouped(999), grouped(1204), grouped(-1204), grouped(-120), grouped(1234567), counted(1, "delivery", "deliveries"), counted(1204, "delivery", "deliveries"),
	}
	want := []string{
		"59s", "1m", "2h10m", "3h", "2d2h", "3m ago", "in 40s", "now",
		"7", "999", "1,204", "-1,204", "-120", "1,234,567", "1 delivery", "1,204 deliveries",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestHintsAskTheSameRelayAgain(t *testing.T) {
	o := &operation{configFile: "it's mine.yaml", configNamed: true, user: "olga", passwordFile: "/run/p"}
	if got, want := o.command("targets release x"), `invitation-relay targets release x -c 'it'\''s mine.yaml' --user olga --password-file /run/p`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
