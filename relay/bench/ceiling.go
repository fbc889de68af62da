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
// forward. Killed, it loses what is queued.
func ceiling(addr string, targets []string) error {
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true}}
	jobs := make(chan []byte, 1<<16)
	for range 64 {
		go func() {
			for body := range jobs {
				for _, url := range targets {
					resp, err := client.Post(url, "application/json", bytes.NewReader(body)) //nolint:noctx // bounded by the client's time-out
					if err != nil {
						continue
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		}()
	}
	server := &http.Server{Addr: addr, ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
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
			err = json.Unmarshal(body, &invitation)
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		jobs <- body
		w.WriteHeader(http.StatusAccepted)
	})}
	return server.ListenAndServe()
}
