package rules_test

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"invitation-relay/rules"
)

var update = flag.Bool("update", os.Getenv("UPDATE") == "1", "rewrite the golden files")

// invitation is the environment most tests use: one invitation source with
// declared fields of every type.
func invitation(t testing.TB) *rules.Env {
	t.Helper()
	return env(t, rules.Source{Name: "preventor", Preset: "invitation", Fields: map[string]rules.Type{
		"region": rules.String, "score": rules.Number, "vip": rules.Bool, "tries": rules.Integer, "extra": rules.Any,
	}})
}

func env(t testing.TB, sources ...rules.Source) *rules.Env {
	t.Helper()
	e, err := rules.NewEnv(sources...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// input is a third rejection; more replaces or adds members of the payload.
func input(more map[string]any) *rules.Input {
	payload := map[string]any{
		"id": "i-1", "invitation_state": "COMPLETED", "cifcod": "C-77", "full_name": "Jon Doe",
		"ticket": "t-1", "transaction_status": "REJECTED", "attempts": 3,
	}
	maps.Copy(payload, more)
	return &rules.Input{
		EventID: "0193a6a0-0000-7000-8000-000000000001", Source: "preventor",
		ReceivedAt: time.Date(2026, 11, 23, 22, 30, 0, 0, time.UTC), Payload: payload,
	}
}

// whens compiles one rule for each expression.
func whens(t testing.TB, e *rules.Env, expressions ...string) *rules.Set {
	t.Helper()
	rs := make([]rules.Rule, len(expressions))
	for i, when := range expressions {
		rs[i] = rules.Rule{Name: when, When: when, To: []string{"archive"}}
	}
	set, problems := rules.Compile(e, rs)
	if set == nil {
		t.Fatalf("problems: %+v", problems)
	}
	return set
}

func verdicts(d rules.Decision) string {
	out := ""
	for i, v := range d.Verdicts {
		if i > 0 {
			out += " "
		}
		if v == rules.NotEvaluated {
			out += "-"
		}
		out += v.String()
	}
	return out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; UPDATE=1 rewrites it):\n%s", path, diff)
	}
}
