package admin

import (
	"errors"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestServerWaitsForNobodyForEver(t *testing.T) {
	s := NewServer(newBench(t, nil))
	v := reflect.ValueOf(s).Elem()
	for _, name := range []string{"ReadHeaderTimeout", "ReadTimeout", "WriteTimeout", "IdleTimeout", "MaxHeaderBytes"} {
		if v.FieldByName(name).Int() == 0 {
			t.Errorf("%s is not set", name)
		}
	}
	if s.WriteTimeout <= answerWithin {
		t.Errorf("an answer after %v would be cut off by a WriteTimeout of %v", answerWithin, s.WriteTimeout)
	}
}

func TestServerAnswersOnASocket(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(newBench(t, nil))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	defer func() {
		_ = s.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodGet, "/livez", "", 200},
		{http.MethodGet, "/api/v1/deliveries?state=dead", "", 200},
		{http.MethodHead, "/api/v1/status", "", 200},
		{http.MethodPost, "/api/v1/status", "{}", 405},
		{http.MethodGet, "/api/v1/events?limit=0", "", 400},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+l.Addr().String()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, resp.StatusCode, c.status)
		}
	}
}
