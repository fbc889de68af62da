package rules_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"invitation-relay/rules"
)

// testdata/mistakes.txt holds one wrong (or doubtful) rule a line; mistakes.golden
// is what its author is told.
func TestMistakesInRulesAreToldInPlainWordsWithTheirPlace(t *testing.T) {
	source, err := os.ReadFile("testdata/mistakes.txt")
	if err != nil {
		t.Fatal(err)
	}
	e := invitation(t)
	var b strings.Builder
	for line := range strings.Lines(string(source)) {
		when := strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `⏎`, "\n")
		if strings.HasPrefix(when, "# ") || when == "" {
			b.WriteString(line)
			continue
		}
		set, problems := rules.Compile(e, []rules.Rule{{Name: "r", When: when}})
		b.WriteString(line)
		errors := 0
		for _, p := range problems[0] {
			word := "error"
			if p.Warning {
				word = "warning"
			} else {
				errors++
			}
			fmt.Fprintf(&b, "    %s %d:%d %s\n", word, p.Line, p.Col, p.Message)
			if p.Hint != "" {
				fmt.Fprintf(&b, "          hint: %s\n", p.Hint)
			}
			checkProblem(t, when, p)
		}
		if len(problems[0]) == 0 {
			t.Errorf("%s: no problem", when)
		}
		if (set == nil) != (errors > 0) {
			t.Errorf("%s: %d errors, set %v", when, errors, set)
		}
	}
	golden(t, "mistakes.golden", b.String())
}

// checkProblem is what holds for every problem.
func checkProblem(t *testing.T, text string, p rules.Problem) {
	t.Helper()
	said := p.Message + " " + p.Hint
	for _, inner := range []string{"interface", "reflect", "runtime", "map[", "%!", "goroutine", "\n", "[]", "float64", "expr-lang", " | "} {
		if strings.Contains(said, inner) {
			t.Errorf("%q: the problem has %q in it: %s", text, inner, said)
		}
	}
	if p.Message == "" || !utf8.ValidString(said) {
		t.Errorf("%q: message %q", text, p.Message)
	}
	lines := strings.Split(text, "\n")
	if p.Line < 1 || p.Line > len(lines) {
		t.Errorf("%q: line %d of %d", text, p.Line, len(lines))
	} else if n := utf8.RuneCountInString(lines[p.Line-1]); p.Col < 1 || p.Col > n+1 {
		t.Errorf("%q: column %d of %d", text, p.Col, n)
	}
}

func TestAllWrongNamesOfARuleAreReportedAtOnce(t *testing.T) {
	_, problems := rules.Compile(invitation(t), []rules.Rule{
		{Name: "fine", When: `true`},
		{Name: "wrong", When: `atempts > 1 && transaction_status == "rejected" && ful_name != ""`},
	})
	if len(problems) != 1 || len(problems[1]) != 3 {
		t.Errorf("%+v", problems)
	}
}

func TestWordsOfAnotherSourceMayDifferInThePayload(t *testing.T) {
	// A JSON source may have an "attempt" and a status "Rejected" of its own:
	// what is an error with invitations alone is a warning here.
	e := env(t, rules.Source{Name: "preventor", Preset: "invitation"}, rules.Source{Name: "other", Preset: "json"})
	for _, when := range []string{`payload.attempt == 1`, `payload.transaction_status == "Rejected"`} {
		set, problems := rules.Compile(e, []rules.Rule{{Name: "r", When: when}})
		if set == nil || len(problems[0]) != 1 || !problems[0][0].Warning {
			t.Errorf("%s: set %v, problems %+v", when, set, problems)
		}
	}
	whens(t, e, `payload.attempts == "three"`) // and it may have any type
}

func TestKnownValuesAreNotEnforcedOnAFieldAnotherSourceDeclares(t *testing.T) {
	e := env(t, rules.Source{Name: "a", Preset: "idv-ticket"},
		rules.Source{Name: "b", Preset: "json", Fields: map[string]rules.Type{"status": rules.String}})
	_, problems := rules.Compile(e, []rules.Rule{{Name: "r", When: `status == "verified"`}})
	if len(problems) != 0 {
		t.Errorf("%+v", problems)
	}
}

func TestReasonableRulesHaveNoProblem(t *testing.T) {
	for _, when := range []string{
		`true`, `unmatched`, `transaction_status == ""`, `transaction_status != "REJECTED"`, `flow_status == nil`,
		`event == "ticket.verification.completed"`, `not (disposition in ["PASSED", "FAILED"])`,
		`0 < attempts < 3`, `attempts in 1..3`, `full_name matches "(?i)^jon"`, `payload.anything == "else"`,
		`let n = len(full_name); n > 3 && n < 100`, `(score ?? 0.0) > 0.5`, `vip ?? false`, `(risk_code ?? "") startsWith "R"`,
		`any(payload.checks ?? [], .result == "fail")`, `lower(transaction_status) == "rejected"`,
		`received_at.Hour() >= 22 or received_at.In(timezone("Asia/Tokyo")).Weekday().String() == "Sunday"`,
		`date("2026-01-01") < received_at`, `received_at - date("2026-01-01") > duration("24h")`,
		"transaction_status == \"REJECTED\" // a comment\n  and attempts > 1", `payload?.data?.x == 1`, `if vip { true } else { false }`,
	} {
		if set, problems := rules.Compile(invitation(t), []rules.Rule{{Name: "r", When: when}}); set == nil || len(problems) != 0 {
			t.Errorf("%s: %+v", when, problems)
		}
	}
}

func TestNestedChainsOfComparisonsAreRefusedAndDoNotHang(t *testing.T) {
	when := "1"
	for range 60 { // the parser would make 2^60 of it
		when = "attempts < (" + when + ") < 3"
	}
	if set, problems := rules.Compile(invitation(t), []rules.Rule{{Name: "r", When: when}}); set != nil {
		t.Errorf("%+v", problems)
	}
}

func TestExpressionsHaveALimitOfLengthAndParts(t *testing.T) {
	for _, when := range []string{
		strings.Repeat("(", 30_000) + "true" + strings.Repeat(")", 30_000),
		strings.Repeat("(", 16_000) + "true",
		strings.Repeat("[", 32_000),
		strings.Repeat("not ", 5_000) + "true",
		"true" + strings.Repeat(" && unmatched", 1_000),
	} {
		if set, problems := rules.Compile(invitation(t), []rules.Rule{{Name: "r", When: when}}); set != nil {
			t.Errorf("%.20q…: %+v", when, problems)
		}
	}
}

func TestWhatIsNearIsWhatAHandSlipsTo(t *testing.T) {
	e := env(t, rules.Source{Name: "s", Preset: "json", Fields: map[string]rules.Type{
		"city": rules.String, "id": rules.String, "shipping_country": rules.String,
	}})
	const other = "a member of the payload that is not declared is written payload."
	for word, want := range map[string]string{
		"ctiy":             `did you mean "city"?`, // two letters swapped
		"cit":              `did you mean "city"?`,
		"citty":            `did you mean "city"?`,
		"CITY":             `did you mean "city"?`,
		"cito":             `did you mean "city"?`,
		"ctyi":             other + "ctyi",
		"ID":               `did you mean "id"?`,
		"ip":               other + "ip", // so short a word is near everything
		"country":          `did you mean "shipping_country"?`,
		"shippng_cuontry":  `did you mean "shipping_country"?`,
		"shipping_counter": `did you mean "shipping_country"?`,
		"something":        other + "something",
	} {
		_, problems := rules.Compile(e, []rules.Rule{{When: word + ` == "x"`}})
		if len(problems[0]) != 1 || problems[0][0].Hint != want {
			t.Errorf("%s: %+v, want %s", word, problems[0], want)
		}
	}
}
