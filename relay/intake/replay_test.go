package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
)

// What is stored is what was sent, byte for byte, and whom it is about.
func TestEventHoldsWhatWasSent(t *testing.T) {
	w := newWorld(t)
	text := " " + strings.ReplaceAll(testBody, ",", " , ") + "\n"
	rec := w.do(202, request("/plain", text))
	ev := w.last()
	if !strings.Contains(rec.Body.String(), ev.ID.String()) || ev.ID.IsZero() {
		t.Errorf("answered %s for event %s", rec.Body, ev.ID)
	}
	want := &event.Event{
		ID: ev.ID, Source: "plain", ReceivedAt: w.now, Body: []byte(text),
		Subject: "i-1", Ticket: "t-1", Status: "REJECTED", Person: "C-7",
		Fields: ev.Fields, Dedupe: sha256.Sum256([]byte(text)), Kind: event.Received,
	}
	if d := cmp.Diff(want, ev); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if ev.Fields["attempts"] != 3 {
		t.Errorf("attempts is %T %v", ev.Fields["attempts"], ev.Fields["attempts"])
	}
	w.do(202, request("/plain", testBody)) // other bytes are another event
	if string(ev.Body) != text {
		t.Error("the next request overwrote the event's body")
	}
}

// A sender that hangs up while we commit does not undo the commit.
func TestAcceptOutlivesTheConnection(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var seen error
	h, err := New(Config{Sources: twoSources(), Accept: func(ctx context.Context, ev *event.Event) (Receipt, error) {
		cancel()
		seen = ctx.Err()
		return Receipt{ID: ev.ID}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	(&world{t: t, h: h}).do(202, request("/plain", testBody).WithContext(ctx))
	if seen != nil {
		t.Errorf("Accept's context: %v", seen)
	}
}

func TestRepeatIsAnsweredWithTheFirstID(t *testing.T) {
	w := newWorld(t)
	w.do(202, sealed(t, testKey, testBody))
	first := w.last().ID.String()
	if rec := w.do(200, sealed(t, testKey, testBody)); !strings.Contains(rec.Body.String(), first) {
		t.Errorf("answered %s, first was %s", rec.Body, first)
	}
}

// A key of its own makes a repeat of other bytes; where there is none, only the
// same bytes are one: a wrong duplicate would be a lost event.
func TestDedupeKey(t *testing.T) {
	src := twoSources()[0]
	src.DedupeKey = func(ev *event.Event) (string, error) {
		switch ev.Subject {
		case "broken":
			return "x", errors.New("no such field")
		case "none":
			return "", nil
		}
		return ev.Subject, nil
	}
	w := newWorld(t, src)
	w.do(202, request("/plain", `{"id":"a"}`))
	w.do(200, request("/plain", `{"id":"a","attempts":2}`))
	w.do(202, request("/plain", `{"id":"b"}`))
	for _, id := range []string{"broken", "none"} {
		w.do(202, request("/plain", `{"id":"`+id+`"}`))
		w.do(202, request("/plain", `{"id":"`+id+`","attempts":2}`))
		w.do(200, request("/plain", `{"id":"`+id+`"}`))
	}
}

// A wrong key at night loses nothing: what was refused is kept raw, and goes
// through once the key is right.
func TestRefusedIsKeptAndCanBeReplayed(t *testing.T) {
	w := newWorld(t)
	r := sealed(t, otherKey, testBody, header("Content-Type", "application/json"))
	sent := string(body(t, r))
	w.do(400, r)
	kept := w.refused[0]
	want := &event.Refused{
		ID: kept.ID, Source: "enc", ReceivedAt: w.now, Status: 400, Reason: whyKey,
		ContentType: "application/json", IV: r.Header.Get(headerIV), Body: []byte(sent),
	}
	if d := cmp.Diff(want, kept); d != "" || kept.ID.IsZero() {
		t.Errorf("kept (-want +got):\n%s", d)
	}
	if _, err := w.h.Replay(t.Context(), kept); !errors.Is(err, ErrMalformed) {
		t.Errorf("replay with the wrong key: %v", err)
	}

	fixed := twoSources()[1]
	fixed.Keys = [][]byte{[]byte(testKey), []byte(otherKey)}
	later := newWorld(t, fixed)
	later.now = w.now.Add(48 * time.Hour)
	receipt, err := later.h.Replay(t.Context(), kept)
	if err != nil || receipt.Duplicate {
		t.Fatalf("replay: %v, %v", receipt, err)
	}
	ev := later.last()
	if string(ev.Body) != testBody || ev.ID != receipt.ID || ev.Subject != "i-1" || !ev.ReceivedAt.Equal(later.now) {
		t.Errorf("replayed as %v %s at %s", ev.ID, ev.Body, ev.ReceivedAt)
	}
	if again, err := later.h.Replay(t.Context(), kept); err != nil || !again.Duplicate || again.ID != receipt.ID {
		t.Errorf("replayed twice: %v, %v", again, err)
	}
	if len(later.refused) != 0 {
		t.Error("a replay was kept as refused")
	}
	later.fail = event.ErrUnavailable
	if _, err := later.h.Replay(t.Context(), kept); !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("replay without a store: %v", err)
	}
	if _, err := newWorld(t, twoSources()[0]).h.Replay(t.Context(), kept); !errors.Is(err, event.ErrNotFound) {
		t.Errorf("replay without its source: %v", err)
	}
}

// What was sent in plain while that was allowed is judged by when it was sent.
func TestReplayJudgesPlaintextByWhenItWasSent(t *testing.T) {
	src := twoSources()[1]
	w := newWorld(t, src)
	w.do(400, request("/enc", testBody))
	src.PlaintextUntil = w.now.Add(time.Minute)
	w.now = w.now.Add(time.Hour)
	if _, err := w.h.Replay(t.Context(), w.refused[0]); err != nil {
		t.Error(err)
	}
}

func TestWhatIsKept(t *testing.T) {
	w := newWorld(t)
	w.do(422, request("/plain", "{}"))
	w.do(400, request("/plain", "{"))
	r := sealed(t, testKey, testBody)
	r.URL.Path = "/plain" // a source that lost its key
	w.do(400, r)
	if len(w.refused) != 3 || w.refused[0].Status != 422 || string(w.refused[1].Body) != "{" || w.refused[2].IV == "" {
		t.Errorf("kept %d: %+v", len(w.refused), w.refused)
	}
	// Neither from strangers, nor what is not a body we could read later.
	w.do(401, request("/plain", "{", noAuth))
	w.do(405, request("/plain", "{", func(r *http.Request) { r.Method = "PUT" }))
	w.do(413, request("/plain", strings.Repeat("x", DefaultMaxBody+1)))
	w.do(415, request("/plain", "{", header("Content-Encoding", "gzip")))
	w.do(400, request("/plain", "{", func(r *http.Request) { r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)) }))
	if len(w.refused) != 3 {
		t.Errorf("kept %d", len(w.refused))
	}
	// Not keeping does not change the answer; nor does keep_refused off.
	w.fail = event.ErrUnavailable
	w.do(422, request("/plain", "{}"))
	off := twoSources()[0]
	off.KeepRefused = false
	w = newWorld(t, off)
	w.do(422, request("/plain", "{}"))
	if len(w.refused) != 0 {
		t.Error("kept although keep_refused is off")
	}
}
