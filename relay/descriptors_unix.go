//go:build unix

package relay

import (
	"math"
	"syscall"
)

// descriptors is how many this process may have. Go has raised the soft limit to
// the hard one.
func descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(uint64(limit.Cur), math.MaxInt32)) //nolint:unconvert // signed on some systems
}
