package relay_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
	"invitation-relay/relay/relaytest"
)

const clockConfig = `
server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
store: {url: "sqlite:%s"}
sources: {plain: {path: /plain, auth: {anonymous: true}, dedupe: {window: 1h}}}
rules: [{name: all, when: "true", to: [hook]}]
targets:
  hook: {http: {url: "%s"}, retry: {initial: 2s, max: 2s, quick: 0}}
`

// stumbles answers 503 to the first try of each event.
func stumbles() relaytest.Step {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("webhook-id")
		mu.Lock()
		again := seen[id]
		seen[id] = true
		mu.Unlock()
		if again {
			relaytest.Status(http.StatusOK)(w, r)
			return
		}
		relaytest.Status(http.StatusServiceUnavailable)(w, r)
	}
}

// delivery is one as the API lists it.
type delivery struct {
	EventID  string `json:"event_id"`
	State    string
	Attempts int
}

func (w *world) deliveries() (all []delivery) {
	w.t.Helper()
	var list struct{ Items []delivery }
	if err := json.Unmarshal([]byte(w.get("/api/v1/deliveries?limit=1000")), &list); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

func TestClockThatIsSetLosesDelaysAndRepeatsNothing(t *testing.T) {
	const tenYears = 3652 * 24 * time.Hour
	for _, by := range []time.Duration{time.Hour, -time.Hour, tenYears, -tenYears} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(by, " restart ", restart), func(t *testing.T) {
				t.Parallel()
				path, hook := filepath.Join(t.TempDir(), "relay.db"), relaytest.NewTarget(t, stumbles())
				yaml := fmt.Sprintf(clockConfig, path, hook.URL())
				w := startWorld(t, yaml)
				set := func(ahead time.Duration) {
					if !restart {
						w.ahead.Store(int64(ahead))
						return
					}
					w.stop()
					w = startWorldAt(t, yaml, ahead)
				}
				var ids []string
				post := func(name string) {
					status, answer := w.post("/plain", `{"id":"`+name+`"}`)
					var got struct{ ID string }
					if err := json.Unmarshal([]byte(answer), &got); err != nil || status != http.StatusAccepted {
						t.Fatalf("%s: answered %d %s", name, status, answer)
					}
					ids = append(ids, got.ID)
				}
				again := func(name string) {
					if status, answer := w.post("/plain", `{"id":"`+name+`"}`); status != http.StatusOK {
						t.Errorf("the repeat of %s was answered %d %s", name, status, answer)
					}
				}
				post("before")
				set(by)
				if by < 0 || !restart { // else the relay may have been stopped for so long
					again("before")
				}
				post("during")
				again("during")
				set(0)
				again("before")
				again("during")
				post("after")

				w.until("all are delivered", func() bool {
					return !slices.ContainsFunc(w.deliveries(), func(d delivery) bool { return d.State != "delivered" })
				})
				if all := w.deliveries(); len(all) != 3 {
					t.Errorf("%d deliveries", len(all))
				}
				got := map[string]int{}
				for _, r := range hook.Requests() {
					got[r.Header.Get("webhook-id")]++
				}
				for _, id := range ids {
					if got[id] != 2 {
						t.Errorf("%s came %d times, want one failure and one success", id, got[id])
					}
				}
				if len(got) != 3 || !slices.IsSorted(ids) {
					t.Errorf("%d events came, with ids %s", len(got), ids)
				}
				if metrics := w.get("/metrics"); strings.Contains(metrics, "seconds{target=\"hook\"} -") {
					t.Error("there is a negative age")
				}
				w.stop()
				erases(t, path)
			})
		}
	}
}

// erases fails the test unless all bodies of a store have gone 31 days from now,
// and all rows after 91.
func erases(t *testing.T, path string) {
	t.Helper()
	now := time.Now()
	s, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	bodies := func() (rows, n int) {
		list, _, err := s.Events(t.Context(), outbox.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list {
			if e, err := s.Event(t.Context(), list[i].ID); err == nil && e.Body != nil {
				n++
			}
		}
		return len(list), n
	}
	for day := range 92 {
		rows, n := bodies()
		if day == 29 && n != 3 || day == 31 && n != 0 || day == 89 && rows != 3 || day == 91 && rows != 0 {
			t.Errorf("after %d days there are %d events and %d bodies", day, rows, n)
		}
		now = now.Add(12 * time.Hour)
		for range 2 {
			if _, err := s.Purge(t.Context(), outbox.Retention{Bodies: now.AddDate(0, 0, -30), Rows: now.AddDate(0, 0, -90)}); err != nil {
				t.Fatal(err)
			}
			now = now.Add(6 * time.Hour)
		}
	}
}
