package dispatch

import (
	"strings"
	"time"
)

// Schedule says when a failed delivery is tried again: after Initial, then
// twice as long each time up to Max, with full jitter, until MaxAge after the
// event's receipt. There are no defaults: a zero Initial is no wait, and a zero
// MaxAge one attempt only, however late that one comes. A Max below Initial is
// Initial.
type Schedule struct{ Initial, Max, MaxAge time.Duration }

// Delay is the wait after the given attempt (1 for the first) has failed: r, in
// [0,1), of the exponential ceiling. All of it is jitter, because deliveries
// that failed together would otherwise come back together. A pure function of
// what the store keeps, so that a schedule goes on after a restart.
func (s Schedule) Delay(attempt int, r float64) time.Duration {
	c := s.ceiling(attempt)
	switch {
	case r >= 1:
		return c
	case r > 0: // not NaN
		return min(c, time.Duration(r*float64(c)))
	default:
		return 0
	}
}

// ceiling is Initial·2^(attempt-1), at most Max, without overflow.
func (s Schedule) ceiling(attempt int) time.Duration {
	c := min(s.Initial, s.Max)
	for range max(1, attempt) - 1 {
		if c > s.Max/2 {
			return s.Max
		}
		if c *= 2; c <= 0 {
			return 0
		}
	}
	return c
}

// valid is the schedule without what makes no sense in one.
func (s Schedule) valid() Schedule {
	s.Initial, s.MaxAge = max(0, s.Initial), max(0, s.MaxAge)
	s.Max = max(s.Max, s.Initial)
	return s
}

// tooLate is why a delivery dies of age, with the last attempt's reason before
// it when there was one.
func (s Schedule) tooLate(reason string) string {
	if reason != "" {
		reason += "; "
	}
	if s.MaxAge == 0 {
		return reason + "not tried again: one attempt only (retry.max_age is 0s)"
	}
	age := s.MaxAge.String()
	if strings.HasSuffix(age, "m0s") {
		age = strings.TrimSuffix(age, "0s")
	}
	if strings.HasSuffix(age, "h0m") {
		age = strings.TrimSuffix(age, "0m")
	}
	return reason + "its time is up: not delivered within " + age + " of its receipt (retry.max_age)"
}
