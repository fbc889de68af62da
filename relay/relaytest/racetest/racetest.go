// Package racetest tells tests of the race detector. It is for tests only.
package racetest

import "testing"

// Sequential is for a test in which one goroutine does all there is to see, and
// which takes very long under the race detector: that would find nothing in it.
func Sequential(t *testing.T) {
	t.Helper()
	if Watched {
		t.Skip("one goroutine: nothing for the race detector to find")
	}
}
