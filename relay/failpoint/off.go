//go:build !failpoint

package failpoint

// Hit does nothing in this build.
func Hit(string) {}

// Weakened is false in this build.
func Weakened(string) bool { return false }
