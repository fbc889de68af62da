package secret_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"invitation-relay/relay/secret"
)

type holder struct {
	Shown  secret.String
	hidden secret.String
}

func TestASecretIsNeverPrinted(t *testing.T) {
	const canary = "canary-4711"
	h := holder{secret.New(canary), secret.New(canary)}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+verb+verb+"\n", h, &h, h.Shown)
	}
	fmt.Fprintln(&out, h, h.hidden, fmt.Errorf("wrapped: %w %v", errors.New("x"), h))
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("m", "secret", h.Shown, "struct", h, "pointer", &h)
	}
	for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
		b, err := marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	if strings.Contains(out.String(), canary) || strings.Contains(out.String(), fmt.Sprintf("%x", canary)) {
		t.Errorf("printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing shows that there is a secret")
	}
}

func TestRevealIsTheWayOut(t *testing.T) {
	if got := secret.New("s").Reveal(); got != "s" {
		t.Errorf("revealed %q", got)
	}
	var none secret.String
	if none.Reveal() != "" || !none.IsZero() || !secret.New("").IsZero() || secret.New("s").IsZero() {
		t.Error("only the empty secret is zero")
	}
}

func TestEqualComparesValues(t *testing.T) {
	s := secret.New("right")
	if !s.Equal("right") || s.Equal("wrong") || s.Equal("righ") || s.Equal("") {
		t.Error("Equal is true for the same value and no other")
	}
}
