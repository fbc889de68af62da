// Package faults holds the promise of the relay against what really happens:
// processes that are killed, power that is cut, disks that are full or fail,
// senders that flood and dawdle. It has tests only, and they run the real
// binary in a process of its own, so each of them would fail if the promise did
// not hold.
//
// They come in two lengths. Without a variable each is a sample of seconds, and
// what needs root is skipped, with what it needs. RELAY_FAULTS=short is what
// .ci/run does: everything, briefly. RELAY_FAULTS=long is the whole of it, and
// takes most of an hour:
//
//	RELAY_FAULTS=long go test -count=1 -timeout 3h -v ./relay/faults
package faults
