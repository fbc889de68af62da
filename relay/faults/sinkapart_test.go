package faults

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// sinkProcess makes the test binary a sink instead of running tests.
const sinkProcess = "RELAY_FAULTS_SINK"

// newSinkApart is a sink in a process of its own, so that this one, busy with
// thousands of senders, does not keep deliveries waiting.
func newSinkApart(t *testing.T) *sink {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), sinkProcess+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // its end is the sink's
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &sink{url: strings.TrimSpace(url), apart: true}
}

// serveSink is the other process, until its standard input ends.
func serveSink() error {
	s := emptySink()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.HandleFunc("GET /got", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"got": s.got, "wrong": s.wrong})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); _ = server.Close() }()
	fmt.Println("http://" + l.Addr().String())
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// fetch is what a sink apart has got until now.
func (s *sink) fetch(t *testing.T) {
	t.Helper()
	resp, err := http.Get(s.url + "/got")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var all struct {
		Got   map[string]map[string]int
		Wrong int
	}
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.wrong = all.Got, all.Wrong
}
