package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The promise under kill -9, with the real binary and one store through all of
// it: what was answered 2xx arrives everywhere, nothing else does, and a repeat
// is an attempt that was in flight. RELAY_CRASH_KILLS says how often (5).
func TestNothingAcceptedIsLostWhenTheProcessIsKilledUnderLoad(t *testing.T) {
	kills := 5
	if s := os.Getenv("RELAY_CRASH_KILLS"); s != "" {
		var err error
		if kills, err = strconv.Atoi(s); err != nil {
			t.Fatalf("RELAY_CRASH_KILLS: %v", err)
		}
	} else if testing.Short() {
		kills = 1
	}
	const concurrency = 8
	sink := newSink(t)
	r := newVictim(t, sink.url, concurrency)
	load := newLoad(r.url)

	for range kills {
		r.start(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := load.run(ctx, 16)
		load.waitFor(t, 50+rand.IntN(400)) // then the moment is as good as any other
		r.kill(t)
		stop()
		<-ended
	}
	r.start(t)
	r.drain(t)
	r.stop(t)

	acked, sent := load.result()
	lost, invented, repeats := 0, 0, 0
	for _, path := range []string{"/steady", "/flaky"} {
		got := sink.taken(path)
		for id := range acked {
			if got[id] == 0 {
				lost++
			}
		}
		for id, n := range got {
			if !sent[id] {
				invented++
			}
			repeats += n - 1
		}
	}
	inFlight := 2 * concurrency * kills
	t.Logf("%d kills, %d accepted, %d deliveries lost, %d invented, %d repeated (%d attempts could be in flight)",
		kills, len(acked), lost, invented, repeats, inFlight)
	if lost > 0 || invented > 0 {
		t.Errorf("lost %d and invented %d deliveries, want none of either", lost, invented)
	}
	if repeats > inFlight {
		t.Errorf("repeated %d deliveries, want at most the %d attempts in flight", repeats, inFlight)
	}
}

// victim is a relay in a process of its own.
type victim struct {
	bin, config, url, admin string
	log                     *os.File
	cmd                     *exec.Cmd
}

func newVictim(t *testing.T, sink string, concurrency int) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{bin: filepath.Join(dir, "invitation-relay"), config: filepath.Join(dir, "relay.yaml")}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", v.bin, "invitation-relay")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	listen, admin := freePort(t), freePort(t)
	v.url, v.admin = "http://"+listen+"/hook", "http://"+admin
	yaml := fmt.Sprintf(`
server: {listen: %q}
admin: {listen: %q}
sources: {load: {path: /hook}}
rules: [{name: all, when: "true", to: [steady, flaky]}]
targets:
  steady: {http: {url: "%[3]s/steady"}, concurrency: %[4]d, retry: {initial: 50ms, max: 1s}}
  flaky: {http: {url: "%[3]s/flaky"}, concurrency: %[4]d, retry: {initial: 50ms, max: 1s, quick: 0}}
`, listen, admin, sink, concurrency)
	if err := os.WriteFile(v.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if v.log, err = os.Create(filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = v.log.Close()
		if t.Failed() {
			b, _ := os.ReadFile(v.log.Name())
			t.Logf("the relay's log ends:\n%s", b[max(0, len(b)-4000):])
		}
	})
	return v
}

func (v *victim) start(t *testing.T) {
	t.Helper()
	v.cmd = exec.CommandContext(t.Context(), v.bin, "serve", "-c", v.config)
	v.cmd.Stdout, v.cmd.Stderr = v.log, v.log
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the relay is ready", func() bool {
		resp, err := http.Get(v.admin + "/readyz")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

func (v *victim) kill(t *testing.T) {
	t.Helper()
	if err := v.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = v.cmd.Wait() // it was killed: that is its error
}

func (v *victim) stop(t *testing.T) {
	t.Helper()
	if err := v.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Wait(); err != nil {
		t.Errorf("the relay ended with %v, want exit code 0", err)
	}
}

// drain waits until the relay says that nothing is pending.
func (v *victim) drain(t *testing.T) {
	t.Helper()
	until(t, "nothing is pending", func() bool {
		resp, err := http.Get(v.admin + "/api/v1/deliveries?state=pending&limit=1")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var list struct{ Items []any }
		return json.NewDecoder(resp.Body).Decode(&list) == nil && resp.StatusCode == http.StatusOK && len(list.Items) == 0
	})
}

// until polls another process, which has no channel to wait on.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(2 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// load sends invitations, each with an id of its own, and remembers which were
// answered 2xx.
type load struct {
	url   string
	next  atomic.Int64
	mu    sync.Mutex
	sent  map[string]bool
	acked map[string]bool
	step  chan struct{} // a token for each 2xx
}

func newLoad(url string) *load {
	return &load{url: url, sent: map[string]bool{}, acked: map[string]bool{}, step: make(chan struct{}, 1<<16)}
}

// run posts over so many connections until ctx ends; then the channel is closed.
func (l *load) run(ctx context.Context, connections int) <-chan struct{} {
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				l.post(client)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	return done
}

func (l *load) post(client *http.Client) {
	id := fmt.Sprintf("crash-%d", l.next.Add(1))
	l.mu.Lock()
	l.sent[id] = true
	l.mu.Unlock()
	body := fmt.Sprintf(`{"id":%q,"invitation_state":"COMPLETED","full_name":"Jon Doe","transaction_status":"REJECTED","attempts":3}`, id)
	resp, err := client.Post(l.url, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		return // killed: nothing was promised
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		l.mu.Lock()
		l.acked[id] = true
		l.mu.Unlock()
		select {
		case l.step <- struct{}{}:
		default: // nobody waits for that many
		}
	}
}

// waitFor returns after n more events were accepted.
func (l *load) waitFor(t *testing.T, n int) {
	t.Helper()
	limit := time.After(time.Minute)
	for range n {
		select {
		case <-l.step:
		case <-limit:
			t.Fatal("the relay accepts nothing")
		}
	}
}

func (l *load) result() (acked, sent map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acked, l.sent
}

// sink is where everything must arrive; /flaky refuses one in eight.
type sink struct {
	url string
	mu  sync.Mutex
	got map[string]map[string]int // path -> id -> times taken
}

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{got: map[string]map[string]int{"/steady": {}, "/flaky": {}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	s.url = "http://" + l.Addr().String()
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID string `json:"id"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.URL.Path == "/flaky" && rand.IntN(8) == 0 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	s.got[r.URL.Path][body.ID]++
	s.mu.Unlock()
}

func (s *sink) taken(path string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[path]
}
