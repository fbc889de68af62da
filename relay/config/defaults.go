package config

import (
	"time"

	"invitation-relay/relay/secret"
)

const day = 24 * time.Hour

// setDefaults fills in what stands when the file says nothing. It is called
// before a section is decoded, so that what the file does say wins, zero too.
// Defaults that depend on the kind of a target are in setTargetDefaults, those
// inside http, slack, email and log in package target.
func setDefaults(section any) {
	switch s := section.(type) {
	case *Config:
		s.Server = Server{Listen: ":8080", ShutdownTimeout: 20 * time.Second}
		s.Admin = Admin{Listen: "127.0.0.1:9090"}
		s.Store = Store{URL: secret.New("sqlite:relay.db"), Retention: 30 * day, MaxPending: 1_000_000}
		s.Alarms = Alarms{BacklogAge: 15 * time.Minute}
		s.Privacy = Privacy{Fields: []string{"full_name", "cifcod"}}
		s.Log = Log{Level: "info", Format: "auto"}
	case *User:
		s.Role = RoleViewer
	case *Source:
		s.Preset = "invitation"
		s.MaxBody = 256 << 10
		s.Dedupe = Dedupe{Window: 7 * day}
		s.KeepRefused = KeepRefused{For: 7 * day, Max: 1000}
	case *Rule:
		s.Enabled = true
	case *Target:
		s.Retry = Retry{Initial: 5 * time.Second, Max: time.Hour, MaxAge: 72 * time.Hour, Quick: 2}
		s.Digest = Digest{Max: 50}
	}
}

// setTargetDefaults fills in what depends on the kind, where the file says
// nothing.
//
//   - http: 64 attempts at a time, no rate: an endpoint of one's own should see
//     events as fast as they come.
//   - slack: one message a second, one at a time, which is what Slack allows a
//     webhook.
//   - email: 5 a second over 2 connections, which most servers take; some
//     providers want less (30/m).
//   - log: one line at a time.
func setTargetDefaults(t *Target, hasRate, hasConcurrency bool) {
	var rate Rate
	concurrency := 1
	switch t.Kind() {
	case "http":
		concurrency = 64
	case "slack":
		rate = Rate{1, time.Second}
	case "email":
		rate, concurrency = Rate{5, time.Second}, 2
	}
	if !hasRate {
		t.Rate = rate
	}
	if !hasConcurrency {
		t.Concurrency = concurrency
	}
}
