package rules_test

import (
	"testing"

	"invitation-relay/relay/relaytest/alloctest"
)

// The decision and its targets; however many rules there are that do not match.
func TestDecidingAllocatesLittle(t *testing.T) {
	for n, most := range map[int]float64{1: 2, 1000: 4} {
		set, in := benchRules(t, n), benchInput()
		alloctest.AtMost(t, most, func() { set.Decide(in) })
	}
}
