package cli

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// heapRoom is how much the heap may grow before it is collected, however little
// of it is in use. With Go's own rule, twice what is in use, a busy relay of a
// few megabytes collects dozens of times a second; this costs it 6 % of its
// throughput.
const heapRoom = 32 << 20

// giveHeapRoom applies heapRoom from now on, unless the operator has set GOGC,
// and gives back what starting has left behind. GOMEMLIMIT is obeyed as ever.
func giveHeapRoom(getenv func(string) (string, bool)) {
	if _, set := getenv("GOGC"); !set {
		afterEachCollection()
	}
	debug.FreeOSMemory()
}

// afterEachCollection looks at what is in use, which is known once it has been
// collected: so it comes again with an object that the next collection finds.
func afterEachCollection() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(gcPercent(live[0].Value.Uint64()))
	next := &struct{ it *int }{new(int)} // a pointer: small objects without one share their fate with others
	runtime.AddCleanup(next, func(struct{}) { afterEachCollection() }, struct{}{})
}

// gcPercent is the GOGC for so many bytes in use: the usual 100 from heapRoom on.
// It has a most, because what is in use may grow before it is looked at again.
func gcPercent(live uint64) int {
	return int(min(max(100, heapRoom*100/max(live, 1)), 400))
}
