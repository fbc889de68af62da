// Package alloctest pins how often the functions that every event passes
// allocate: that is the same on every machine, unlike the time they take. It is
// for tests only.
package alloctest

import (
	"testing"

	"invitation-relay/relay/relaytest/racetest"
)

// AtMost fails the test when one call of f allocates more often than so many
// times.
func AtMost(t *testing.T, most float64, f func()) {
	t.Helper()
	if testing.CoverMode() != "" || racetest.Watched {
		t.Skip("instrumented code allocates more")
	}
	if n := testing.AllocsPerRun(500, f); n > most {
		t.Errorf("%v allocations, want at most %v", n, most)
	}
}
