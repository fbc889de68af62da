//go:build linux

// Command bench measures the relay against the least a relay can do, and how
// its cost grows with the work. It needs Linux and a machine with nothing else
// to do, and sends to loopback only:
//
//	go run ./relay/bench -o relay/bench/figures    # writes bench.txt and bench.svg there, in a quarter of an hour
//	go run ./relay/bench -short                    # a look, in two minutes
//
// Machines differ, and drift by a factor of two within minutes. So every figure
// stands beside its ceiling: a bare net/http server and client in the same
// round, which decodes the webhook, answers, and forwards it, without rules, and
// without storing anything. Ratios are made within a round, and what is shown is
// the median of the rounds. Believe the ratios.
//
// What fails is a line in the table that says so, and the rest goes on.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if err := helper(os.Args[1:]); err != nil {
		fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fail(err)
	}
}

// helper is what this program does as one of the other processes of a run, until
// a signal ends it; otherwise nothing.
func helper(args []string) error {
	switch {
	case len(args) > 3 && args[0] == "ceiling":
		queue, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return ceiling(args[1], queue, args[3:])
	case len(args) > 1 && args[0] == "sink":
		return newSink().serve(args[1])
	}
	return nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	out := flags.String("o", "", "folder for bench.txt and bench.svg; the table is printed in any case")
	short := flags.Bool("short", false, "one short round of each, and smaller stores")
	finished := flags.Int("finished", 0, "events that are in the store that is not empty (default 1000000, or 100000 with -short)")
	rounds := flags.Int("rounds", 0, "how often each is measured (default 5, or 1 with -short)")
	each := flags.Duration("each", 0, "how long events are sent each time (default 4s, or 1s with -short)")
	dir := flags.String("dir", "", "folder on the disk to measure (default: the system's for temporary files)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	size := usual
	if *short {
		size = quick
	}
	size.finished = orElse(*finished, size.finished)
	size.rounds, size.each = orElse(*rounds, size.rounds), orElse(*each, size.each)
	b := &bench{size: size, works: size.works(), progress: stderr, begun: time.Now()}
	report, err := b.run(ctx, *dir)
	if err != nil {
		return err
	}
	if err := report.text(stdout); err != nil || *out == "" {
		return err
	}
	return report.write(*out)
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// size is how much of everything is done.
type size struct {
	rounds      int
	each        time.Duration // how long events are sent in one go
	settle      time.Duration // how long a process is left alone before its memory is read
	connections int           // that send as fast as it goes
	finished    int           // events in the store that is not empty
	waiting     [2]int        // deliveries in the stores with a backlog
}

// Sizes to choose from.
var (
	usual = size{rounds: 5, each: 4 * time.Second, settle: time.Second, connections: 64, finished: 1_000_000, waiting: [2]int{100_000, 1_000_000}}
	quick = size{rounds: 1, each: time.Second, settle: 300 * time.Millisecond, connections: 64, finished: 100_000, waiting: [2]int{10_000, 100_000}}
)

// write makes bench.txt and bench.svg.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for everybody
		return err
	}
	for name, to := range map[string]func(io.Writer) error{"bench.txt": r.text, "bench.svg": r.svg} {
		f, err := os.Create(filepath.Join(dir, name)) //nolint:gosec // the folder was asked for
		if err != nil {
			return err
		}
		err = to(f)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return err
		}
	}
	return nil
}
