package intake

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/event"
)

// Every sample, and what else can go wrong, sent over HTTP and put through Open:
// the same status, and of what is taken the same event.
func TestOpenDecidesAsForARequest(t *testing.T) {
	var all []Sent
	for _, name := range []string{"*.json", "encrypted/*.json"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "samples", name))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, f := range files {
			s := Sent{Body: sample(t, strings.TrimPrefix(f, filepath.Join("..", "..", "testdata", "samples")))}
			var sealed struct {
				IV, Body    string
				ContentType string `json:"content_type"`
			}
			if strings.HasPrefix(name, "encrypted") {
				fromJSON(t, s.Body, &sealed)
				s = Sent{Body: []byte(sealed.Body), IV: sealed.IV, ContentType: sealed.ContentType}
			}
			all = append(all, s)
		}
	}
	iv, body := encrypt(t, testKey, testBody)
	all = append(all,
		Sent{Body: []byte(body), IV: iv}, Sent{Body: []byte(body)}, Sent{Body: []byte(testBody), IV: iv},
		Sent{Body: []byte(testBody), ContentType: "application/x-www-form-urlencoded"}, Sent{},
		Sent{Body: []byte(`{"id":"i","id":"i"}`)}, Sent{Body: []byte(`[]`)}, Sent{Body: bytes.Repeat([]byte(" "), DefaultMaxBody+1)},
	)
	statuses := map[int]bool{}
	for _, s := range all {
		for _, source := range []string{"plain", "enc"} {
			s.Source = source
			statuses[compareOpen(t, s)] = true
		}
	}
	for _, want := range []int{202, 400, 413, 415, 422} {
		if !statuses[want] {
			t.Errorf("nothing was answered %d: the test has lost its use", want)
		}
	}
}

func compareOpen(t *testing.T, s Sent) int {
	t.Helper()
	w, dry := newWorld(t), newWorld(t)
	s.At = w.now
	r := request("/"+s.Source, string(s.Body), header("Content-Type"), header(headerIV))
	if s.ContentType != "" {
		r.Header.Set("Content-Type", s.ContentType)
	}
	if s.IV != "" {
		r.Header.Set(headerIV, s.IV)
	}
	rec := send(w, r)
	a, err := dry.h.Open(t.Context(), s)
	switch {
	case err != nil:
		t.Fatal(err)
	case a.Status != rec.Code:
		t.Errorf("%s %.40q: opened %d (%s), answered %d", s.Source, s.Body, a.Status, a.Reason, rec.Code)
	case a.Taken() != (a.Reason == "") || a.Taken() != (len(dry.events) == 1) || len(w.events) != len(dry.events):
		t.Errorf("%s %.40q: %+v, events %d and %d", s.Source, s.Body, a, len(w.events), len(dry.events))
	case len(dry.refused) > 0:
		t.Error("a dry run kept what it refused")
	}
	if a.Taken() && len(w.events) == 1 {
		sent, opened := *w.last(), *dry.last()
		if opened.ID != a.Receipt.ID {
			t.Error("the answer has another id than the event")
		}
		opened.ID = sent.ID
		x, _ := json.Marshal(sent)
		y, _ := json.Marshal(opened)
		if !bytes.Equal(x, y) {
			t.Errorf("another event:\n%s\n%s", x, y)
		}
	}
	return a.Status
}

func TestOpenUsesTheTimeItIsTold(t *testing.T) {
	src := &Source{Name: "enc", Path: "/enc", Schema: invitations(), Keys: [][]byte{[]byte(testKey)}, PlaintextUntil: time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)}
	w := newWorld(t, src)
	for at, want := range map[time.Time]int{src.PlaintextUntil.Add(-1): http.StatusAccepted, src.PlaintextUntil: http.StatusBadRequest} {
		a, err := w.h.Open(t.Context(), Sent{Source: "enc", Body: []byte(testBody), At: at})
		if err != nil || a.Status != want {
			t.Errorf("at %v: %+v, %v", at, a, err)
		}
		if a.Taken() && !w.last().ReceivedAt.Equal(at) {
			t.Errorf("received at %v", w.last().ReceivedAt)
		}
	}
}

func TestOpenOfASourceThatIsNotThere(t *testing.T) {
	_, err := newWorld(t).h.Open(t.Context(), Sent{Source: "nowhere"})
	if !errors.Is(err, event.ErrNotFound) {
		t.Error(err)
	}
}
