package relay

import (
	"testing"
	"time"
)

func TestBrakeLetsOneLineAMinuteThroughForEachKeyAndCountsTheRest(t *testing.T) {
	var b brake
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	step := func(key string, at time.Duration, wantHeld int, wantOK bool) {
		t.Helper()
		if held, ok := b.pass(key, now.Add(at)); held != wantHeld || ok != wantOK {
			t.Errorf("%s after %s: held %d, pass %t; want %d, %t", key, at, held, ok, wantHeld, wantOK)
		}
	}
	step("a", 0, 0, true)
	step("a", time.Second, 0, false)
	step("b", time.Second, 0, true)
	step("a", 59*time.Second, 0, false)
	step("a", time.Minute, 2, true)
	step("a", time.Minute-time.Millisecond, 0, false) // it was received before the last one
	step("a", 2*time.Minute, 1, true)
	step("a", -time.Hour, 0, true) // a clock that went back keeps nobody silent
}
