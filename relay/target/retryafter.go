package target

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds, or
// an HTTP date. It is never negative and never more than MaxRetryAfter; what is
// neither form, or lies in the past, asks for nothing. A date counts from the
// answer's own Date, so that a clock that is wrong here or there does not turn
// a minute into a day; without one, from now.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.Trim(h.Get("Retry-After"), " \t")
	if v == "" {
		return 0
	}
	if secs, err := strconv.ParseUint(v, 10, 63); err == nil {
		return time.Duration(min(secs, uint64(MaxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	return min(max(0, at.Sub(now)), MaxRetryAfter)
}
