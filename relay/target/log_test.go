package target

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/relay/event"
)

func logged(t *testing.T, level string, change ...func(map[string]any)) (line string, r Result) {
	t.Helper()
	var b bytes.Buffer
	c := LogConfig{Level: level}
	c.SetDefaults()
	h := slog.NewJSONHandler(&b, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	l, err := NewLog("watch", c, Deps{Log: slog.New(h)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r = l.Send(t.Context(), &Message{DeliveryID: mailTestID + ".watch", Attempt: 1, Event: mailTestEvent(t, change...)})
	return b.String(), r
}

func TestLogTargetWritesOneLineWithoutThePerson(t *testing.T) {
	line, r := logged(t, "")
	if want := (Result{Outcome: event.Delivered, Tries: 1}); r != want {
		t.Errorf("result %+v, want %+v", r, want)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil || strings.Count(line, "\n") != 1 {
		t.Fatalf("not one JSON line: %q (%v)", line, err)
	}
	want := map[string]any{
		"level": "INFO", "msg": "event", "event_id": mailTestID, "target": "watch", "attempt": 1.0, "source": "preventor",
		"kind": "received", "subject": "6d1f2a9e-0c4b-4c57-9a3e-2f6b8d7c1e05", "status": "REJECTED",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("line differs (-want +got):\n%s", d)
	}
}

func TestLogTargetDoesNotTrustWhatStandsInAnID(t *testing.T) {
	for _, s := range []string{"Jon Doe", "jon@example.org", "a\nb", strings.Repeat("x", 5000), "\u202ex"} {
		line, _ := logged(t, "", with("id", s), with("transaction_status", s))
		if strings.Contains(line, "Jon") || strings.Contains(line, "example") || len(line) > 400 || strings.Count(line, `"other"`) != 2 {
			t.Errorf("with %.20q: %s", s, line)
		}
	}
}

func TestLogTargetKeepsToItsLevel(t *testing.T) {
	for level, want := range map[string]string{"debug": "", "info": "INFO", "warn": "WARN", "error": "ERROR"} {
		line, r := logged(t, level)
		if !strings.Contains(line, want) || want == "" && line != "" || r.Outcome != event.Delivered {
			t.Errorf("level %s: %q, %+v", level, line, r)
		}
	}
	var path, msg string
	(&LogConfig{Level: "loud"}).Check(nil, func(p string, _, _ int, m, _ string) { path, msg = p, m })
	if path != "level" || !strings.Contains(msg, "one of") {
		t.Errorf("a wrong level is reported as %q: %q", path, msg)
	}
}

func TestLogTargetTakesOneDeliveryAnEvent(t *testing.T) {
	l, err := NewLog("watch", LogConfig{}, Deps{})
	if err != nil || l.Kind() != "log" || l.Recipients() != nil {
		t.Errorf("%v, kind %q, recipients %v", err, l.Kind(), l.Recipients())
	}
}
