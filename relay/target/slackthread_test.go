package target_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"invitation-relay/relay/event"
	"invitation-relay/relay/relaytest"
	"invitation-relay/relay/secret"
	"invitation-relay/relay/target"
)

// threads remembers in memory, as target.Threads promises it.
type threads struct {
	refs        map[string]string
	fails, deaf bool // Thread fails, SaveThread fails
}

func (s *threads) Thread(_ context.Context, key string) (string, error) {
	if s.fails {
		return "", errors.New("the store is unwell")
	}
	return s.refs[key], nil
}

func (s *threads) SaveThread(_ context.Context, key, ref string) error {
	if s.deaf {
		return errors.New("the store is unwell")
	}
	if s.refs[key] == "" {
		s.refs[key] = ref
	}
	return nil
}

// threaded is a workspace whose messages share a thread by their ticket.
func threaded(t *testing.T) (*relaytest.Slack, *target.Slack, *threads) {
	t.Helper()
	store := &threads{refs: map[string]string{}}
	slack, s := workspace(t, func(c *target.SlackConfig, d *target.Deps) { c.ThreadBy, d.Threads = "ticket", store })
	return slack, s, store
}

// send sends an event with a ticket and returns its message.
func send(t *testing.T, slack *relaytest.Slack, s *target.Slack, ticket string, tries int) relaytest.SlackMessage {
	t.Helper()
	r := s.Send(t.Context(), message(t, strings.Replace(sample, "3f0b7c52-91de-4f4a-8a57-0c6c1f2d9b10", ticket, 1)))
	if r.Outcome != event.Delivered || r.Tries != tries {
		t.Fatalf("%s: %+v %+v", ticket, r, slack.Refused())
	}
	all := slack.Messages()
	return all[len(all)-1]
}

func TestSlackMessagesWithOneValueShareAThread(t *testing.T) {
	slack, s, store := threaded(t)
	a, b := send(t, slack, s, "t-1", 1), send(t, slack, s, "t-2", 1)
	a2, a3, b2 := send(t, slack, s, "t-1", 1), send(t, slack, s, "t-1", 1), send(t, slack, s, "t-2", 1)
	if a.ThreadTS != "" || b.ThreadTS != "" || a2.ThreadTS != a.TS || a3.ThreadTS != a.TS || b2.ThreadTS != b.TS {
		t.Errorf("threads of %q and %q: %q, %q, %q", a.TS, b.TS, a2.ThreadTS, a3.ThreadTS, b2.ThreadTS)
	}
	if len(store.refs) != 2 {
		t.Errorf("%d threads are remembered", len(store.refs))
	}
	for key := range store.refs {
		if strings.Contains(key, "t-1") || len(key) != 64 {
			t.Errorf("a key is %q", key)
		}
	}
}

func TestSlackThreadWhoseFirstMessageIsGoneBeginsAgain(t *testing.T) {
	slack, s, _ := threaded(t)
	first := send(t, slack, s, "t-1", 1)
	for range 3 {
		slack.Delete(first.TS)
		second := send(t, slack, s, "t-1", 2) // the first try finds the thread gone
		if second.ThreadTS != "" {
			t.Fatalf("after the deletion it answers %q", second.ThreadTS)
		}
		if third := send(t, slack, s, "t-1", 1); third.ThreadTS != second.TS {
			t.Fatalf("the next message answers %q, want %q", third.ThreadTS, second.TS)
		}
		first = second
	}
}

func TestSlackMessageGoesWithoutAThreadWhenTheStoreFails(t *testing.T) {
	slack, s, store := threaded(t)
	first := send(t, slack, s, "t-1", 1)
	store.fails = true
	if m := send(t, slack, s, "t-1", 1); m.ThreadTS != "" {
		t.Errorf("it answers %q", m.ThreadTS)
	}
	store.fails = false
	if m := send(t, slack, s, "t-1", 1); m.ThreadTS != first.TS {
		t.Errorf("afterwards it answers %q, want %q", m.ThreadTS, first.TS)
	}
	store.deaf = true
	if m := send(t, slack, s, "t-3", 1); m.ThreadTS != "" {
		t.Errorf("a new one answers %q", m.ThreadTS)
	}
}

func TestSlackMessageWithoutAValueHasNoThread(t *testing.T) {
	slack, s, store := threaded(t)
	for range 2 {
		if m := send(t, slack, s, "", 1); m.ThreadTS != "" {
			t.Errorf("without a ticket it answers %q", m.ThreadTS)
		}
	}
	alarm := message(t, `{"alarm":"target_held","ticket":"t-1"}`)
	alarm.Event.Kind = event.Alarm
	for range 2 {
		s.Send(t.Context(), alarm)
	}
	if len(store.refs) != 0 {
		t.Errorf("remembered: %v", store.refs)
	}
}

func TestSlackThreadKeepsItsMessageWhenTheFormIsRefused(t *testing.T) {
	slack, s, _ := threaded(t)
	first := send(t, slack, s, "t-1", 1)
	slack.Script(relaytest.Body(200, `{"ok":false,"error":"invalid_blocks"}`))
	if m := send(t, slack, s, "t-1", 2); m.ThreadTS != first.TS || len(m.Blocks) > 0 {
		t.Errorf("it answers %q, want %q", m.ThreadTS, first.TS)
	}
	slack.Script(relaytest.Body(200, `{"ok":false,"error":"invalid_blocks"}`))
	second := send(t, slack, s, "t-2", 2)
	if m := send(t, slack, s, "t-2", 1); m.ThreadTS != second.TS {
		t.Errorf("it answers %q, want %q", m.ThreadTS, second.TS)
	}
}

func TestSlackKeepsOnlyWhatNamesAMessage(t *testing.T) {
	for ts, want := range map[string]int{"1790000000.000100": 1, "": 0, "<!channel>": 0, strings.Repeat("1", 33): 0} {
		store := &threads{refs: map[string]string{}}
		a := answer(200, fmt.Sprintf(`{"ok":true,"ts":%q}`, ts))
		d := target.Deps{Env: testEnv(t), Threads: store, Transport: transport(func(*http.Request) (*http.Response, error) { return a, nil })}
		c := target.SlackConfig{Channel: "C1", ThreadBy: "ticket", Token: secret.New("xoxb-1")}
		if r := buildSlack(t, c, d).Send(t.Context(), message(t, sample)); r.Outcome != event.Delivered || len(store.refs) != want {
			t.Errorf("%q: %+v, %d remembered", ts, r, len(store.refs))
		}
	}
}
