//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"
)

// ceiling is the least a relay can do: read, decode, queue in memory, answer,
// forward. Killed, it loses what is queued. A full queue, of so many webhooks,
// holds the senders back.
func ceiling(addr string, queue int, targets []string) error {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, DisableCompression: true,
	}}
	jobs := make(chan []byte, queue)
	for range 64 {
		go func() {
			for body := range jobs {
				for _, url := range targets {
					forward(client, url, body)
				}
			}
		}()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /hook", func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		if r.ContentLength > 0 {
			body.Grow(int(min(r.ContentLength, 1<<20)) + bytes.MinRead)
		}
		_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, 1<<20))
		var invitation struct {
			ID                string `json:"id"`
			InvitationState   string `json:"invitation_state"`
			Cifcod            string `json:"cifcod"`
			FullName          string `json:"full_name"`
			Ticket            string `json:"ticket"`
			TransactionStatus string `json:"transaction_status"`
			Attempts          int    `json:"attempts"`
		}
		if err == nil {
			err = json.Unmarshal(body.Bytes(), &invitation)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		jobs <- body.Bytes()
		w.WriteHeader(http.StatusAccepted)
	})
	server := &http.Server{Addr: addr, Handler: mux, ReadHeaderTimeout: time.Minute}
	return server.ListenAndServe()
}

// forward sends once. What fails is lost, and missed where it should arrive.
func forward(client *http.Client, url string, body []byte) {
	resp, err := client.Post(url, "application/json", bytes.NewReader(body)) //nolint:noctx,gosec // bounded by the client's time-out; where the benchmark says
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}
