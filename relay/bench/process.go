//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one process of a run. It ends with us, however we end.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	said   tail
}

func start(ctx context.Context, bin string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, bin, args...), exited: make(chan struct{})} //nolint:gosec // our own binaries
	p.cmd.Stderr = &p.said
	p.cmd.WaitDelay = 5 * time.Second
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.exited) }() // how it ended is nothing to us
	return p, nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.exited:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// ready waits until the URL answers 200.
func (p *process) ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close() // the status is all
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-time.After(time.Millisecond):
		case <-p.exited:
			return p.failed("has ended")
		case <-ctx.Done():
			return p.failed("was not ready in time")
		}
	}
}

// failed is an error with the last that the process said.
func (p *process) failed(how string) error {
	text := strings.TrimSpace(p.said.String())
	return errors.New(strings.TrimSpace(strings.Join(p.cmd.Args[:min(2, len(p.cmd.Args))], " ") + " " + how + "\n" + text))
}

func (p *process) alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	end []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	t.end = t.end[max(0, len(t.end)-1000):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}

// userHz is how the kernel counts processor time in /proc.
const userHz = 100

// cpu is the processor time used so far (proc(5), stat: utime and stime).
func (p *process) cpu() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0 // it has ended, which whoever looks at its answers notices
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return ticks(fields[11:13])
}

func ticks(fields []string) time.Duration {
	sum := int64(0)
	for _, f := range fields {
		n, _ := strconv.ParseInt(f, 10, 64) // the kernel's own number
		sum += n
	}
	return time.Duration(sum) * time.Second / userHz
}

// memory is what it has of it, and the most it has had, in MB.
func (p *process) memory() (now, peak float64) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0 // as in cpu
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64) // the kernel's own number
		switch name {
		case "VmRSS":
			now = kb / 1024
		case "VmHWM":
			peak = kb / 1024
		}
	}
	return now, peak
}

// strangers is the processor time that the machine has spent on others than us
// and the processes of ours that have ended.
func strangers() time.Duration {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := strings.Cut(string(b), "\n")
	f := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal
	if len(f) < 9 {
		return 0
	}
	busy := ticks(append(f[1:4:4], f[6:9]...))
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if syscall.Getrusage(who, &u) == nil {
			busy -= time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return busy
}
