package faults

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"invitation-relay/relay/failpoint"
)

// Power cuts: ext4 on a loop device, stopped by the kernel as if the machine had
// lost its power (EXT4_IOC_SHUTDOWN without flushing its log, as xfstests does).
// What no fsync had made durable is gone after the next mount. The process is
// killed first: an fsync in flight while the file system stops may report
// success and lose its data, which no power cut does.

// disk is a file system of its own, on a loop device.
type disk struct{ image, mount string }

func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	_, err := os.Stat("/dev/loop-control")
	_, tool := exec.LookPath("mkfs.ext4")
	needs(t, "root, a loop device and mkfs.ext4", os.Geteuid() != 0 || err != nil || tool != nil)
	dir := t.TempDir()
	d := &disk{image: filepath.Join(dir, "image"), mount: filepath.Join(dir, "disk")}
	if err := os.Mkdir(d.mount, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(d.image)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, "mkfs.ext4", "-q", "-m", "0", "-F", d.image)
	d.attach(t)
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.mount).Run() })
	return d
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func (d *disk) attach(t *testing.T) { t.Helper(); run(t, "mount", "-o", "loop", d.image, d.mount) }

func (d *disk) detach(t *testing.T) {
	t.Helper()
	until(t, "the disk is not busy", func() bool { return exec.CommandContext(t.Context(), "umount", d.mount).Run() == nil })
}

// cut takes the power away, and brings it back.
func (d *disk) cut(t *testing.T) {
	t.Helper()
	const shutdown = 0x8004587D // _IOR('X', 125, __u32)
	how := uint32(2)            // EXT4_GOING_FLAGS_NOLOGFLUSH
	f, err := os.Open(d.mount)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), shutdown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		t.Fatalf("cut the power: %v", errno)
	}
	_ = f.Close()
	d.detach(t)
	d.attach(t)
}

// cutPower runs a relay through so many cuts and returns how it ended. Nothing
// is delivered to "down" before the last cut, so that an event that is lost
// cannot have been delivered before.
func cutPower(t *testing.T, cuts int, weaken string) (account, int) {
	t.Helper()
	d := newDisk(t, 1<<30)
	s := newSink(t)
	r := newRelay(t, s.url, settings{tags: "failpoint", store: filepath.Join(d.mount, "relay.db"), targets: []string{"down", "steady"}})
	l := newLoad(r.url)
	refused := 0
	for range cuts {
		r.launch(t, "RELAY_WEAKEN="+weaken)
		until(t, "the relay is ready", func() bool { return r.status("/readyz") == 200 || !r.alive() })
		if !r.alive() {
			refused++
			break
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := l.run(ctx, 16, 0)
		pause(ctx, 100*time.Millisecond+rand.N(400*time.Millisecond))
		r.kill(t)
		stop()
		<-ended
		d.cut(t)
	}
	s.up.Store(true)
	if refused == 0 {
		r.start(t)
		r.drain(t)
		r.stop(t)
	}
	a := s.account(l, r.targets)
	s.judge(t, a, l, len(r.targets)*r.conc*cuts)
	return a, refused
}

func TestNothingAcceptedIsLostWhenThePowerIsCut(t *testing.T) {
	cuts := times(t, 0, 5, 100)
	a, refused := cutPower(t, cuts, "")
	t.Logf("%d cuts, %d accepted, %d lost, %d invented, %d repeated", cuts, a.accepted, a.lost, a.invented, a.repeated)
	if a.lost > 0 || refused > 0 {
		t.Errorf("lost %d, did not open %d times, want neither", a.lost, refused)
	}
}

func TestAPowerCutIsNoticedWhenCommitsDoNotWaitForTheDisk(t *testing.T) {
	a, refused := cutPower(t, times(t, 0, 3, 20), failpoint.Synchronous)
	t.Logf("with synchronous=NORMAL: %d accepted, %d lost, did not open %d times", a.accepted, a.lost, refused)
	if a.lost == 0 && refused == 0 {
		t.Error("nothing was lost without fsync: the test of power cuts tests nothing")
	}
}
