//go:build linux || darwin

package cli

import "syscall"

// freeSpace is how many bytes this user may still write to a folder's disk.
func freeSpace(folder string) (int64, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true //nolint:gosec,unconvert // far below the limit; the types differ by system
}
