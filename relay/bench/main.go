//go:build linux

// Command bench measures the relay against the least a relay can do, and how
// its cost grows with the work. It needs Linux and a machine with nothing else
// to do, and sends to loopback only:
//
//	go run ./relay/bench -o .       # writes bench.txt and bench.svg there
//	go run ./relay/bench -short     # a look, in a minute
//
// Machines differ, and drift by a factor of two within minutes. So every figure
// stands beside its ceiling: a bare net/http server and client in the same run,
// which decodes the webhook, answers, and forwards it, without rules, and
// without storing anything. Believe the ratios.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	out := flag.String("o", "", "folder for bench.txt and bench.svg; without it the table is printed")
	short := flag.Bool("short", false, "one short round of each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch flag.Arg(0) { // this program is also the other processes of a run
	case "ceiling":
		return ceiling(flag.Arg(1), flag.Args()[2:])
	case "sink":
		return newSink().serve(flag.Arg(1))
	case "":
	default:
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	dir, err := os.MkdirTemp("", "relay-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the system's temporary folder anyway
	b := &bench{dir: dir, rounds: 3, each: 4 * time.Second}
	if *short {
		b.rounds, b.each = 1, time.Second
	}
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer b.close()
	report, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if *out == "" {
		return report.text(os.Stdout)
	}
	return report.write(*out)
}

// bench is one run of everything.
type bench struct {
	dir    string
	rounds int
	each   time.Duration // how long events are sent in one round
	relay  string        // the binary
	self   string
	sink   *process
	sinkAt string
}

func (b *bench) prepare(ctx context.Context) (err error) {
	b.relay = filepath.Join(b.dir, "invitation-relay")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", b.relay, "invitation-relay") //nolint:gosec // our own package
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the relay: %w\n%s", err, text)
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	if b.sinkAt, err = freePort(ctx); err != nil {
		return err
	}
	if b.sink, err = start(ctx, b.self, "sink", b.sinkAt); err != nil {
		return err
	}
	return b.sink.ready(ctx, "http://"+b.sinkAt+"/count?target=none")
}

func (b *bench) close() { b.sink.stop() }
