package target

import (
	"net/http"
	"testing"
	"time"
)

// TestRetryAfterIsReadAsSecondsOrDateAndCapped is RFC 9110, section 10.2.3, and DESIGN.md section 9.
func TestRetryAfterIsReadAsSecondsOrDateAndCapped(t *testing.T) {
	now := time.Date(2026, time.November, 23, 2, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	table := []struct {
		value, date string
		want        time.Duration
	}{
		{"", "", 0},
		{"0", "", 0},
		{"1", "", time.Second},
		{" 120\t", "", 2 * time.Minute},
		{"86400", "", 24 * time.Hour},
		{"86401", "", 24 * time.Hour},
		{"9223372036854775807", "", 24 * time.Hour},
		{"99999999999999999999999", "", 0}, // no number anybody means
		{"-5", "", 0},
		{"+5", "", 0},
		{"1.5", "", 0},
		{"1e3", "", 0},
		{"0x10", "", 0},
		{"soon", "", 0},
		{"12 34", "", 0},
		{in(90 * time.Second), "", 90 * time.Second},
		{in(-time.Hour), "", 0},
		{in(48 * time.Hour), "", 24 * time.Hour},
		{"Fri, 31 Dec 9999 23:59:59 GMT", "", 24 * time.Hour},
		{"Monday, 23-Nov-26 02:01:00 GMT", "", time.Minute}, // RFC 850
		{"Mon Nov 23 02:01:00 2026", "", time.Minute},       // asctime
		{in(90 * time.Second), in(60 * time.Second), 30 * time.Second},
		{in(10*time.Hour + time.Minute), in(10 * time.Hour), time.Minute}, // their clock is ten hours ahead
		{in(90 * time.Second), "yesterday", 90 * time.Second},
	}
	for _, row := range table {
		h := http.Header{}
		h.Set("Retry-After", row.value)
		if row.date != "" {
			h.Set("Date", row.date)
		}
		if got := retryAfter(h, now); got != row.want {
			t.Errorf("Retry-After %q, Date %q: %s, want %s", row.value, row.date, got, row.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "0", "30", "-1", "1e9", "86400", "99999999999999999999", "Wed, 21 Oct 2026 07:28:00 GMT", "Sun Nov  6 08:49:37 1994"} {
		f.Add(s, "Mon, 23 Nov 2026 02:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		if d := retryAfter(h, time.Unix(1795400000, 0)); d < 0 || d > MaxRetryAfter {
			t.Errorf("Retry-After %q, Date %q: %s", value, date, d)
		}
	})
}
