//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	frame      = 24 + 4096 // a page in SQLite's write-ahead log
	frames     = 4         // in the commit of one event and the end of the one before
	checkpoint = 10_000    // frames after which the log is written from its beginning again
)

// fsyncs is how long this disk takes to make durable what a commit of one event
// writes, so many times a second, for so long: pages appended to one file, or
// written over older ones, and an fsync. It is not tried back to back, which
// keeps a disk awake that would fall asleep in between.
func fsyncs(ctx context.Context, dir string, rate int, d time.Duration) (all latencies, err error) {
	f, err := os.CreateTemp(dir, "fsync")
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = f.Close() // it is thrown away
		_ = os.Remove(f.Name())
	}()
	pages, begun := make([]byte, frames*frame), time.Now()
	for slot, commits := 0, 0; ctx.Err() == nil; commits++ {
		due := begun.Add(time.Duration(slot) * time.Second / time.Duration(rate))
		if due.Sub(begun) >= d {
			break
		}
		time.Sleep(time.Until(due))
		for i := range frames {
			pages[i*frame] = byte(commits) // no disk may find that it has this already
		}
		at := time.Now()
		if _, err := f.WriteAt(pages, int64(commits%(checkpoint/frames))*int64(len(pages))); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		all = append(all, time.Since(at))
		// What came due meanwhile goes with the next one, as it does in the relay.
		slot = max(slot+1, int(time.Since(begun)*time.Duration(rate)/time.Second))
	}
	return all, ctx.Err()
}

// fileSystem names what the folder is on. On tmpfs an fsync does nothing.
func fileSystem(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return "unknown"
	}
	names := map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlayfs", 0x2fc12fc1: "zfs"}
	if name, ok := names[int64(s.Type)]; ok { //nolint:unconvert // it is an int32 on some architectures
		return name
	}
	return fmt.Sprintf("file system %x", s.Type)
}

// space is how many bytes are free there.
func space(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0
	}
	return int64(s.Bavail) * s.Bsize //nolint:gosec // no disk is so large
}
