package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"

	"invitation-relay/relay/config"
)

// show plays the script, waits for what it causes and tells what arrived.
type show struct {
	w      *world
	cfg    *config.Config
	rcv    *receivers
	api    string            // base URL of the admin listener
	intake string            // base URL of the webhook listener
	names  map[string]string // event id -> sample
}

// delivered is a delivery as the API lists it.
type delivered struct {
	ID       string `json:"id"`
	EventID  string `json:"event_id"`
	Target   string `json:"target"`
	State    string `json:"state"`
	Attempts int    `json:"attempts"`
	Reason   string `json:"last_reason"`
}

func (s *show) run(ctx context.Context) error {
	s.names = map[string]string{}
	if err := s.send(ctx); err != nil {
		return err
	}
	fmt.Fprintln(s.w.stdout, "\nWaiting for the deliveries; the case system fails twice first …")
	all, err := s.settled(ctx)
	if err != nil {
		return err
	}
	s.tellSlack()
	s.tellMail()
	s.tellCases()
	s.tellDeliveries(all)
	return s.verdict(all)
}

// settled asks the API until nothing is pending.
func (s *show) settled(ctx context.Context) ([]delivered, error) {
	ctx, cancel := context.WithTimeout(ctx, demoWithin)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := s.deliveries(ctx)
		if err != nil {
			return nil, err
		}
		pending := 0
		for _, d := range all {
			if d.State == "pending" {
				pending++
			}
		}
		if pending == 0 {
			return all, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return all, fmt.Errorf("%d deliveries are still pending: %w", pending, ctx.Err())
		}
	}
}

func (s *show) deliveries(ctx context.Context) ([]delivered, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api+"/api/v1/deliveries?limit=1000", nil)
	if err != nil {
		return nil, fmt.Errorf("ask the API: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the API: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read below
	var list struct {
		Items []delivered `json:"items"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return nil, fmt.Errorf("read the API's answer (%d): %w", resp.StatusCode, err)
	}
	return list.Items, nil
}

func (s *show) tellSlack() {
	for i, m := range s.rcv.slack.Messages() {
		s.box(fmt.Sprintf("Slack message %d", i+1), m.Text())
	}
}

func (s *show) tellMail() {
	for i, m := range s.rcv.mail.Mails() {
		s.box(fmt.Sprintf("Mail %d", i+1), m.Text())
	}
}

func (s *show) tellCases() {
	requests := s.rcv.cases.Requests()
	fmt.Fprintf(s.w.stdout, "\nThe case system saw %d requests; it answered the first 500 and the second 503:\n", len(requests))
	for _, r := range requests {
		fmt.Fprintf(s.w.stdout, "  %s %s  event %s  %s\n", r.Method, r.URI, short(r.Header.Get("webhook-id")), s.names[r.Header.Get("webhook-id")])
	}
}

func (s *show) tellDeliveries(all []delivered) {
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	fmt.Fprintln(s.w.stdout, "\nDeliveries (one attempt may make quick tries more, after a 502 to 504 for example):")
	for _, d := range all {
		times := "1 attempt"
		if d.Attempts != 1 {
			times = fmt.Sprintf("%d attempts", d.Attempts)
		}
		fmt.Fprintf(s.w.stdout, "  %s  %-14s -> %-11s %-10s %s\n", short(d.EventID), s.names[d.EventID], d.Target, d.State, times)
	}
}

// verdict compares what the relay says with what the receivers got.
func (s *show) verdict(all []delivered) error {
	want := map[string]int{}
	var errs []error
	for _, d := range all {
		want[d.Target]++
		if d.State != "delivered" {
			errs = append(errs, fmt.Errorf("delivery %s to %s is %s: %s", short(d.EventID), d.Target, d.State, d.Reason))
		}
	}
	taken := map[string]bool{}
	for _, r := range s.rcv.cases.Requests() {
		taken[r.Header.Get("webhook-id")] = true
	}
	for _, c := range []struct {
		target    string
		got, have int
	}{
		{"risk-slack", len(s.rcv.slack.Messages()), 2},
		{"archive", len(s.rcv.mail.Mails()), 2},
		{"case-api", len(taken), 4},
		{"journal", want["journal"], 1},
	} {
		if c.got != c.have || want[c.target] != c.have {
			errs = append(errs, fmt.Errorf("%s got %d of %d, and the relay says %d", c.target, c.got, c.have, want[c.target]))
		}
	}
	for _, m := range s.rcv.slack.Messages() {
		if live := m.Live(); len(live) > 0 {
			errs = append(errs, fmt.Errorf("a Slack message mentions or links: %q", live))
		}
	}
	if refused := s.rcv.slack.Refused(); len(refused) > 0 {
		errs = append(errs, fmt.Errorf("the Slack look-alike refused a message: %s, %s", refused[0].Word, refused[0].Why))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(s.w.stdout, "\nAll arrived: %d webhooks, 1 of them a duplicate, %d deliveries, none lost.\n", len(script()), len(all))
	return nil
}

// box frames what a person would see.
func (s *show) box(title, text string) {
	fmt.Fprintf(s.w.stdout, "\n┌─ %s\n", title)
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		fmt.Fprintf(s.w.stdout, "│ %s", line)
	}
	fmt.Fprintln(s.w.stdout, "└─")
}
