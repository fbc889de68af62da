package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 512, 256KiB, 4MiB, 1GiB, 10kB or 5MB.
type Size int64

// Rate is Events in every Per. The zero value is no limit.
type Rate struct {
	Events int
	Per    time.Duration
}

// PerSecond is the rate in events a second, 0 for no limit.
func (r Rate) PerSecond() float64 {
	if r.Per == 0 {
		return 0
	}
	return float64(r.Events) / r.Per.Seconds()
}

// valueError is a scalar that cannot be read; neither text shows the scalar.
type valueError struct{ message, hint string }

func (e *valueError) Error() string { return e.message }

// ParseDuration reads a duration as the config has it: as Go writes it, or in days.
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s) }

// parseDuration reads a duration as Go writes it, with d for 24 hours as the
// first unit: 90s, 1h30m, 30d, 1d12h, -5m.
func parseDuration(s string) (time.Duration, error) {
	wrong := &valueError{"not a duration", "a number and its unit: 500ms, 15s, 5m, 72h, 30d, 1d12h"}
	if _, err := strconv.ParseFloat(s, 64); err == nil && strings.Trim(s, "0+-.") != "" {
		return 0, &valueError{"a duration needs a unit", "500ms, 15s, 5m, 72h, 30d, 1d12h"}
	}
	unsigned := strings.TrimLeft(s, "+-")
	days, rest, found := strings.Cut(unsigned, "d")
	if !found {
		d, err := time.ParseDuration(s)
		if err != nil {
			return 0, wrong
		}
		return d, nil
	}
	n, err := strconv.ParseFloat(days, 64)
	if err != nil || strings.Trim(days, "0123456789.") != "" || len(s)-len(unsigned) > 1 {
		return 0, wrong
	}
	var d time.Duration
	if rest != "" {
		if d, err = time.ParseDuration(rest); err != nil || strings.ContainsAny(rest, "+-") {
			return 0, wrong
		}
	}
	total := n*float64(24*time.Hour) + float64(d)
	if total >= math.MaxInt64 {
		return 0, &valueError{"the duration is too long", "292 years are the most"}
	}
	// Whole days in whole numbers: a float has not the bits for centuries of nanoseconds.
	d += time.Duration(n)*24*time.Hour + time.Duration((n-math.Trunc(n))*float64(24*time.Hour))
	if strings.HasPrefix(s, "-") {
		d = -d
	}
	return d, nil
}

// sizeUnits are powers of 1024 and of 1000; a bare K or M is refused because
// nobody agrees on which it is.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"B", 1},
	{"", 1},
}

func parseSize(s string) (Size, error) {
	wrong := &valueError{"not a size", "a number of bytes and its unit: 65536, 256KiB, 4MiB, 10kB, 5MB"}
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil {
			return 0, wrong
		}
		if int64(n) > math.MaxInt64/u.bytes {
			return 0, &valueError{"the size is too large", ""}
		}
		return Size(int64(n) * u.bytes), nil
	}
	return 0, wrong
}

var rateUnits = map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}

func parseRate(s string) (Rate, error) {
	if s == "none" || s == "" {
		return Rate{}, nil
	}
	events, unit, ok := strings.Cut(s, "/")
	per := rateUnits[strings.TrimSpace(unit)]
	n, err := strconv.Atoi(strings.TrimSpace(events))
	if !ok || per == 0 || err != nil {
		return Rate{}, &valueError{"not a rate", "a whole number and s, m, h or d: 1/s, 30/m, 100/h; or none"}
	}
	if n < 1 || n > maxRate {
		return Rate{}, &valueError{fmt.Sprintf("a rate is 1 to %d in its time", maxRate), "none means no limit"}
	}
	return Rate{n, per}, nil
}

// maxRate is far above what a limiter is for; beyond it somebody mistyped.
const maxRate = 1_000_000

// parseDate reads YYYY-MM-DD as its first moment in UTC; "" is the zero time.
func parseDate(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, &valueError{"not a date", "YYYY-MM-DD, like 2027-03-31"}
	}
	return t, nil
}

// count is "1 byte", "2 bytes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
