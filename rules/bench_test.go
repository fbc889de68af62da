package rules_test

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/rules"
)

func benchInput() *rules.Input {
	return &rules.Input{
		EventID: "0193a6a0-0000-7000-8000-000000000001", Source: "preventor",
		ReceivedAt: time.Date(2026, 11, 23, 1, 2, 3, 0, time.UTC),
		Payload: map[string]any{
			"id": "6f1b", "invitation_state": "COMPLETED", "cifcod": "C-1", "full_name": "Jon Doe",
			"ticket": "t-1", "transaction_status": "REJECTED", "attempts": 3,
		},
	}
}

// benchRules are n rules as people write them; one in ten matches.
func benchRules(b testing.TB, n int) *rules.Set {
	b.Helper()
	whens := []string{
		`transaction_status == "REJECTED" && attempts >= 3`,
		`transaction_status == "ACCEPTED"`,
		`invitation_state != "COMPLETED"`,
		`attempts > 5 || flow_status == "REJECTED"`,
		`transaction_status == "ACCEPTED" && attempts == 1`,
		`transaction_status in ["ACCEPTED"] && full_name contains "x"`,
		`cifcod startsWith "X-"`,
		`risk_code == "R1"`,
		`transaction_status == "REJECTED" && attempts > 7`,
		`not (transaction_status == "REJECTED")`,
	}
	rs := make([]rules.Rule, n)
	for i := range rs {
		rs[i] = rules.Rule{
			Name: fmt.Sprint("rule", i), When: whens[i%len(whens)],
			To: []string{fmt.Sprint("target", i%7), "archive"},
		}
	}
	env, err := rules.NewEnv(rules.Source{Name: "preventor", Preset: "invitation"})
	if err != nil {
		b.Fatal(err)
	}
	set, problems := rules.Compile(env, rs)
	if set == nil {
		b.Fatal(problems)
	}
	return set
}

func benchDecide(b *testing.B, n int) {
	set, in := benchRules(b, n), benchInput()
	b.ReportAllocs()
	for b.Loop() {
		if d := set.Decide(in); len(d.Errors) > 0 || len(d.Targets) < 2 {
			b.Fatal(d)
		}
	}
}

func BenchmarkDecide1(b *testing.B)    { benchDecide(b, 1) }
func BenchmarkDecide100(b *testing.B)  { benchDecide(b, 100) }
func BenchmarkDecide1000(b *testing.B) { benchDecide(b, 1000) }

// BenchmarkReview1000 is what a review adds to a reload of a large file.
func BenchmarkReview1000(b *testing.B) {
	set := benchRules(b, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if len(set.Review(nil)) > 0 {
			b.Fatal("something is wrong with the rules")
		}
	}
}

func BenchmarkTextRender(b *testing.B) {
	env, err := rules.NewEnv(rules.Source{Name: "preventor", Preset: "invitation"})
	if err != nil {
		b.Fatal(err)
	}
	text, problem := rules.CompileText(env,
		`{{ transaction_status == "REJECTED" ? ":x:" : ":ok:" }} {{ full_name }} was {{ lower(transaction_status) }} after {{ attempts }} attempts (ticket {{ ticket }})`,
		rules.SlackText)
	if problem != nil {
		b.Fatal(problem)
	}
	in := benchInput()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := text.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}
