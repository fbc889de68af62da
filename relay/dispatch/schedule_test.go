package dispatch

import (
	"math"
	"math/rand/v2"
	"testing"
	"testing/quick"
	"time"
)

func TestDelayIsNeverNegativeNorAboveItsCeilingWhateverTheSettings(t *testing.T) {
	property := func(initial, max int64, attempt int, r float64) bool {
		s := Schedule{Initial: time.Duration(initial), Max: time.Duration(max)}.valid()
		d := s.Delay(attempt, r)
		return d >= 0 && d <= s.ceiling(attempt) && s.ceiling(attempt) <= s.Max
	}
	if err := quick.Check(property, &quick.Config{MaxCount: 20_000}); err != nil {
		t.Error(err)
	}
	s := Schedule{Initial: 1, Max: math.MaxInt64}.valid()
	for _, r := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 2} {
		for _, attempt := range []int{math.MinInt, -1, 0, 1, 63, 64, 1000, math.MaxInt} {
			if d := s.Delay(attempt, r); d < 0 {
				t.Errorf("attempt %d with r %v waits %s", attempt, r, d)
			}
		}
	}
}

func TestCeilingDoublesFromInitialToMax(t *testing.T) {
	s := Schedule{Initial: 300 * time.Millisecond, Max: 2 * time.Second}.valid()
	want := []time.Duration{300 * time.Millisecond, 600 * time.Millisecond, 1200 * time.Millisecond, 2 * time.Second, 2 * time.Second}
	for i, w := range want {
		if got := s.ceiling(i + 1); got != w {
			t.Errorf("ceiling of attempt %d = %s, want %s", i+1, got, w)
		}
	}
	if got := (Schedule{Initial: time.Minute, Max: time.Second}).valid().ceiling(1); got != time.Minute {
		t.Errorf("a max below initial gives %s, want initial", got)
	}
}

func TestJitterSpreadsRetriesOverTheWholeDelay(t *testing.T) {
	s, rnd := Schedule{Initial: 5 * time.Second, Max: time.Hour}.valid(), rand.New(rand.NewPCG(1, 2))
	var tenths [10]int
	for range 10_000 {
		tenths[int(10*s.Delay(4, rnd.Float64())/(40*time.Second))]++
	}
	for i, n := range tenths {
		if n < 850 || n > 1150 {
			t.Errorf("%d of 10000 retries fall into tenth %d of the delay, want about 1000", n, i)
		}
	}
}

func TestTooLateSaysHowLongItWasTried(t *testing.T) {
	for age, want := range map[time.Duration]string{72 * time.Hour: "72h", 90 * time.Minute: "1h30m", 90 * time.Second: "1m30s", 20 * time.Second: "20s"} {
		got := Schedule{MaxAge: age}.tooLate("503")
		if want = "503; its time is up: not delivered within " + want + " of its receipt (retry.max_age)"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTooLateSaysThatThereWasOneAttemptOnly(t *testing.T) {
	if got := (Schedule{}).tooLate("503"); got != "503; not tried again: one attempt only (retry.max_age is 0s)" {
		t.Errorf("got %q", got)
	}
}
