package faults

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "invitation-relay/relay/cli" // what is built here, so that go test takes no old result for that of a changed relay
	"invitation-relay/relay/relaytest"
)

// length is what RELAY_FAULTS asks for.
type length int

const (
	sample length = iota // go test ./...
	short                // RELAY_FAULTS=short
	long                 // RELAY_FAULTS=long
)

func asked(t *testing.T) length {
	t.Helper()
	switch s := os.Getenv("RELAY_FAULTS"); s {
	case "":
		return sample
	case "short":
		return short
	case "long":
		return long
	default:
		t.Fatalf("RELAY_FAULTS is %q, want short or long", s)
		return 0
	}
}

// times is how often a fault is tried.
func times(t *testing.T, samples, shorts, longs int) int {
	t.Helper()
	return [...]int{samples, shorts, longs}[asked(t)]
}

// needs skips a test that takes more than Go, unless RELAY_FAULTS says that it
// must run.
func needs(t *testing.T, what string, missing bool) {
	t.Helper()
	if missing || asked(t) == sample {
		lacks(t, what)
	}
}

// lacks skips a test that has not what it takes, with the same exception.
func lacks(t *testing.T, what string) {
	t.Helper()
	if asked(t) != sample {
		t.Fatalf("this needs %s", what)
	}
	t.Skipf("RELAY_FAULTS=short runs it; it needs %s", what)
}

// binaries are built once for all tests, by their build tags.
var binaries = map[string]string{}

func TestMain(m *testing.M) {
	if os.Getenv(sinkProcess) != "" {
		if err := serveSink(); err != nil {
			panic(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "relay-faults-")
	if err != nil {
		panic(err)
	}
	binaries["dir"] = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func binary(t *testing.T, tags string) string {
	t.Helper()
	if bin, ok := binaries[tags]; ok {
		return bin
	}
	bin := filepath.Join(binaries["dir"], "invitation-relay-"+tags)
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", tags, "-o", bin, "invitation-relay")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	binaries[tags] = bin
	return bin
}

// settings are what tests vary of a relay.
type settings struct {
	tags    string   // of the binary
	store   string   // the store's file; default in the test's folder
	targets []string // paths at the sink, each a target of that name
	extra   string   // more YAML of the first level
	conc    int      // attempts at the same time; default 8
	before  []string // a program that starts the relay, like strace
}

// relay is a relay in a process of its own.
type relay struct {
	settings
	config, url, admin string
	log                *os.File
	cmd                *exec.Cmd
	exited             chan struct{}
	err                error
}

func newRelay(t *testing.T, sink string, s settings) *relay {
	t.Helper()
	dir := t.TempDir()
	if s.store == "" {
		s.store = filepath.Join(dir, "relay.db")
	}
	if s.conc == 0 {
		s.conc = 8
	}
	if s.targets == nil {
		s.targets = []string{"steady"}
	}
	r := &relay{settings: s, config: filepath.Join(dir, "relay.yaml")}
	listen, admin := relaytest.TwoPorts(t)
	r.url, r.admin = "http://"+listen+"/hook", "http://"+admin
	var yaml strings.Builder
	fmt.Fprintf(&yaml, "server: {listen: %q}\nadmin: {listen: %q}\nstore: {url: \"sqlite:%s\", max_pending: 2000000}\nsources: {load: {path: /hook}}\n", listen, admin, s.store)
	fmt.Fprintf(&yaml, "rules: [{name: all, when: \"true\", to: [%s]}]\n%s\ntargets:\n", strings.Join(s.targets, ", "), s.extra)
	for _, name := range s.targets {
		fmt.Fprintf(&yaml, "  %s: {http: {url: \"%s/%s\"}, concurrency: %d, retry: {initial: 50ms, max: 1s, quick: 0}}\n", name, sink, name, s.conc)
	}
	if err := os.WriteFile(r.config, []byte(yaml.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.cmd != nil && r.alive() {
			_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
			<-r.exited
		}
		_ = r.log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(r.log.Name())
			t.Logf("the relay's log ends:\n%s", b[max(0, len(b)-4000):])
		}
	})
	return r
}

// launch starts the process and does not wait until it is ready.
func (r *relay) launch(t *testing.T, env ...string) {
	t.Helper()
	args := append(append([]string{}, r.before...), binary(t, r.tags), "serve", "-c", r.config)
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Env = append(os.Environ(), env...)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	r.exited = exited
	go func() { r.err = r.cmd.Wait(); close(exited) }()
}

func (r *relay) start(t *testing.T, env ...string) {
	t.Helper()
	r.launch(t, env...)
	until(t, "the relay is ready", func() bool { return r.status("/readyz") == http.StatusOK || !r.alive() })
	if !r.alive() {
		t.Fatalf("the relay ended at its start: %v", r.err)
	}
}

func (r *relay) alive() bool {
	select {
	case <-r.exited:
		return false
	default:
		return true
	}
}

// status asks the admin listener, 0 when it does not answer.
func (r *relay) status(path string) int {
	resp, err := http.Get(r.admin + path)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// kill is kill -9 of the process and of what started it.
func (r *relay) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r.exited
}

// stop is SIGTERM, which must end with exit code 0.
func (r *relay) stop(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-r.exited
	if r.err != nil {
		t.Errorf("the relay ended with %v, want exit code 0", r.err)
	}
}

// drain waits until the relay says that nothing is pending. A target that fails by
// chance is put on hold now and then, and tried after 10, 30 and 70 seconds: it
// may be that nothing happens for so long.
func (r *relay) drain(t *testing.T) {
	t.Helper()
	least, since := r.pending(), time.Now()
	for least != 0 {
		switch n := r.pending(); {
		case !r.alive():
			t.Fatalf("the relay ended before nothing was pending: %v", r.err)
		case n >= 0 && (n < least || least < 0):
			least, since = n, time.Now()
		case time.Since(since) > 5*time.Minute:
			t.Fatalf("waited in vain until nothing is pending: %d deliveries are, for five minutes; the targets:%s", n, r.held())
		}
		pause(t.Context(), 5*time.Millisecond)
	}
}

// pending is how many deliveries wait, -1 when nobody says.
func (r *relay) pending() int {
	var s struct{ Pending int }
	if !r.ask("/api/v1/status", &s) {
		return -1
	}
	return s.Pending
}

// held is what the relay says of each target: since when it is on hold and why,
// when it is probed, how much waits.
func (r *relay) held() string {
	var list struct{ Items []json.RawMessage }
	if !r.ask("/api/v1/targets", &list) {
		return " nobody says"
	}
	var all strings.Builder
	fmt.Fprintf(&all, " at %s", time.Now().UTC().Format(time.RFC3339))
	for _, item := range list.Items {
		fmt.Fprintf(&all, "\n%s", item)
	}
	return all.String()
}

func (r *relay) ask(path string, into any) bool {
	resp, err := http.Get(r.admin + path)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(into) == nil
}

// metric is the value of one series.
func (r *relay) metric(t *testing.T, series string) float64 {
	t.Helper()
	resp, err := http.Get(r.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no metric %s", series)
	return 0
}

// until polls another process, which has no channel to wait on.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !within(3*time.Minute, ok) {
		t.Fatalf("waited in vain until %s", what)
	}
}

func within(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			return false
		}
	}
	return true
}

// pause lets the other process work.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
