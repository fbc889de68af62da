//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// armed is what RELAY_FAILPOINT asks for; left counts down to the fatal pass.
var (
	armed string
	left  atomic.Int64
)

func init() {
	name, times, ok := strings.Cut(os.Getenv("RELAY_FAILPOINT"), ":")
	n, err := strconv.ParseInt(times, 10, 64)
	if name == "" {
		return
	}
	if !ok || err != nil || n < 1 {
		panic("RELAY_FAILPOINT is NAME:N")
	}
	armed = name
	left.Store(n)
}

// Hit kills the process when this is the pass that was asked for.
func Hit(name string) {
	if name != armed || left.Add(-1) != 0 {
		return
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}

// Weakened reports whether a safeguard was taken away.
func Weakened(name string) bool { return os.Getenv("RELAY_WEAKEN") == name }
