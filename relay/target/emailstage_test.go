package target

import (
	"fmt"
	"testing"
	"time"

	"invitation-relay/relay/event"
)

// TestTheSameCodeMeansWhatItsStageMakesOfIt goes through a whole conversation:
// at each stage the server says 421, another passing refusal, and one for good.
func TestTheSameCodeMeansWhatItsStageMakesOfIt(t *testing.T) {
	const hi, ok, tlsToo, login, go354 = "220 hi\r\n", "250 ok\r\n", "250-ok\r\n250 STARTTLS\r\n", "250-ok\r\n250 AUTH PLAIN\r\n", "354 go\r\n"
	for _, c := range []struct {
		stage     string
		before    []string // what was said until then
		code      string
		want      event.Outcome
		notBefore time.Duration
		change    func(*EmailConfig)
	}{
		{"connect", nil, "421 4.3.2", event.Retry, 0, nil},
		{"connect", nil, "450 4.7.1", event.Retry, 0, nil}, // no mail was shown, so none is greylisted
		{"connect", nil, "554 5.7.1", event.Held, 0, nil},
		{"EHLO", []string{hi, "502 5.5.1 what\r\n"}, "421", event.Retry, 0, nil},
		{"EHLO", []string{hi, "502 5.5.1 what\r\n"}, "451 4.7.1", event.Retry, 0, nil},
		{"EHLO", []string{hi, "502 5.5.1 what\r\n"}, "550 5.7.1", event.Held, 0, nil},
		{"STARTTLS", []string{hi, tlsToo}, "421", event.Retry, 0, withTLS("mandatory")},
		{"STARTTLS", []string{hi, tlsToo}, "454 4.7.0", event.Retry, 0, withTLS("mandatory")},
		{"STARTTLS", []string{hi, tlsToo}, "501 5.5.4", event.Held, 0, withTLS("mandatory")},
		{"STARTTLS", []string{hi, tlsToo}, "454 4.7.0", event.Retry, 0, withTLS("opportunistic")},
		{"AUTH", []string{hi, login}, "421", event.Retry, 0, withLogin},
		{"AUTH", []string{hi, login}, "454 4.7.0", event.Retry, 0, withLogin},
		{"AUTH", []string{hi, login}, "535 5.7.8", event.Held, 0, withLogin},
		{"MAIL", []string{hi, ok}, "421 4.7.0", event.Retry, 0, nil},
		{"MAIL", []string{hi, ok}, "451 4.7.1", event.Retry, greylistWait, nil},
		{"MAIL", []string{hi, ok}, "452 4.3.1", event.Retry, 0, nil},
		{"MAIL", []string{hi, ok}, "530 5.7.0", event.Held, 0, nil},
		{"MAIL", []string{hi, ok}, "550 5.1.8", event.Held, 0, nil},
		{"MAIL", []string{hi, ok}, "552 5.3.4", event.Rejected, 0, nil},
		{"RCPT", []string{hi, ok, ok}, "421", event.Retry, 0, nil},
		{"RCPT", []string{hi, ok, ok}, "450 4.7.1", event.Retry, greylistWait, nil},
		{"RCPT", []string{hi, ok, ok}, "450", event.Retry, greylistWait, nil},
		{"RCPT", []string{hi, ok, ok}, "452 4.2.2", event.Retry, greylistWait, nil},
		{"RCPT", []string{hi, ok, ok}, "530", event.Held, 0, nil},
		{"RCPT", []string{hi, ok, ok}, "550 5.1.1", event.Rejected, 0, nil},
		{"DATA", []string{hi, ok, ok, ok}, "421", event.Retry, 0, nil},
		{"DATA", []string{hi, ok, ok, ok}, "450 4.7.1", event.Retry, greylistWait, nil},
		{"DATA", []string{hi, ok, ok, ok}, "451 4.3.0", event.Retry, 0, nil},
		{"DATA", []string{hi, ok, ok, ok}, "554 5.5.1", event.Rejected, 0, nil},
		{"dot", []string{hi, ok, ok, ok, go354}, "421", event.Retry, 0, nil},
		{"dot", []string{hi, ok, ok, ok, go354}, "451 4.7.1", event.Retry, greylistWait, nil},
		{"dot", []string{hi, ok, ok, ok, go354}, "452 4.3.1", event.Retry, 0, nil},
		{"dot", []string{hi, ok, ok, ok, go354}, "550 5.7.1", event.Rejected, 0, nil},
		{"QUIT", []string{hi, ok, ok, ok, go354, ok}, "421", event.Delivered, 0, nil},
		{"QUIT", []string{hi, ok, ok, ok, go354, ok}, "554", event.Delivered, 0, nil},
	} {
		t.Run(c.stage+" "+c.code, func(t *testing.T) {
			e := scripted(t, append(c.before, c.code+" team@example.org Jon Doe\r\n")...)
			if c.change != nil {
				c.change(&e.cfg)
			}
			r := sendMail(t, e)
			wantStatus := 0
			if _, err := fmt.Sscan(c.code, &wantStatus); err != nil {
				t.Fatal(err)
			}
			if c.want == event.Delivered {
				wantStatus = 250
			}
			if r.Outcome != c.want || r.NotBefore != c.notBefore || r.Status != wantStatus {
				t.Errorf("result %+v, want %v %d, not before %v", r, c.want, wantStatus, c.notBefore)
			}
			noCanaryIn(t, r)
		})
	}
}

func TestOnlyAnAnswerThatNamesGreylistingDelaysALaterAttempt(t *testing.T) {
	for code, want := range map[string]time.Duration{"450 4.7.1": greylistWait, "451 4.7.1": greylistWait, "450": 0, "451 4.3.0": 0, "452 4.2.2": 0} {
		t.Run(code, func(t *testing.T) {
			e := scripted(t, "220 hi\r\n", "250 ok\r\n", "250 ok\r\n", code+" later\r\n")
			m := mailTestMessage(t, e)
			m.Attempt = 2
			if r := e.Send(t.Context(), m); r.Outcome != event.Retry || r.NotBefore != want {
				t.Errorf("result %+v, want a retry, not before %v", r, want)
			}
		})
	}
}
