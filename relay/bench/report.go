//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// report is everything that was measured.
type report struct {
	size

	when     time.Time
	machine  string // what it was measured on
	others   float64
	filled   map[work]time.Duration // how long its store took to make
	rounds   []map[work]*figures    // what failed is not there
	problems []string
}

func newReport(s size, dir string) *report {
	return &report{size: s, when: time.Now(), machine: machine(dir), filled: map[work]time.Duration{}}
}

// fail notes that a work could not be measured, once.
func (r *report) fail(w work, err error) {
	text := fmt.Sprintf("%s failed: %s", w, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if !slices.Contains(r.problems, text) {
		r.problems = append(r.problems, text)
	}
}

// look notes what must not be, whatever the speed.
func (r *report) look(w work, f *figures) {
	var refused, lost, again int
	for _, p := range []phase{f.at500, f.at2000, f.flatOut} {
		refused, lost, again = refused+p.refused, lost+p.lost, again+p.again
	}
	if refused+lost+again > 0 {
		r.problems = append(r.problems, fmt.Sprintf("%s, in one round: %d refused, %d deliveries lost, %d repeated", w, refused, lost, again))
	}
}

// of is the median of a figure of a work, not a number when all rounds failed.
func (r *report) of(w work, figure func(*figures) float64) float64 {
	return r.median(func(round map[work]*figures) float64 {
		if f := round[w]; f != nil {
			return figure(f)
		}
		return math.NaN()
	})
}

// ratio is the median of the ratios within each round.
func (r *report) ratio(of, to work, figure func(*figures) float64) float64 {
	return r.median(func(round map[work]*figures) float64 {
		x, y := round[of], round[to]
		if x == nil || y == nil || figure(y) == 0 {
			return math.NaN()
		}
		return figure(x) / figure(y)
	})
}

func (r *report) median(figure func(map[work]*figures) float64) float64 {
	var all []float64
	for _, round := range r.rounds {
		if v := figure(round); !math.IsNaN(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// Figures to ask for; times in seconds.
func perSecond(f *figures) float64      { return f.flatOut.delivered }
func acceptedRate(f *figures) float64   { return f.flatOut.accepted }
func processor(f *figures) float64      { return f.flatOut.cpu.Seconds() }
func processorAt500(f *figures) float64 { return f.at500.cpu.Seconds() }
func untilReady(f *figures) float64     { return f.ready.Seconds() }
func idle(f *figures) float64           { return f.idleMB }
func atMost(f *figures) float64         { return f.peakMB }
func p50At500(f *figures) float64       { return f.at500.p50.Seconds() }
func p99At500(f *figures) float64       { return f.at500.p99.Seconds() }
func p50At2000(f *figures) float64      { return f.at2000.p50.Seconds() }
func p99At2000(f *figures) float64      { return f.at2000.p99.Seconds() }
func arrived99(f *figures) float64      { return f.at500.delivered99.Seconds() }
func fsync50(f *figures) float64        { return f.fsync.at(.5).Seconds() }
func fsync99(f *figures) float64        { return f.fsync.at(.99).Seconds() }
func answer99ToDisk(f *figures) float64 { return p99At500(f) / fsync99(f) }

// cell writes a figure, or that there is none.
func cell(format string, v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "failed"
	}
	return fmt.Sprintf(format, v)
}

func ms(d time.Duration) string { return inMs(d.Seconds()) }
func us(d time.Duration) string { return inUs(d.Seconds()) }

func inMs(seconds float64) string {
	if seconds >= .1 {
		return cell("%.0f ms", seconds*1e3)
	}
	return cell("%.2f ms", seconds*1e3)
}
func inUs(seconds float64) string { return cell("%.0f µs", seconds*1e6) }
func inMB(mb float64) string      { return cell("%.0f MB", mb) }
func times(x float64) string      { return cell("%.2f x", x) }

func rate(perSecond float64) string {
	if math.IsNaN(perSecond) {
		return "failed"
	}
	return thousands(int(math.Round(perSecond))) + "/s"
}

// machine says on what it was measured.
func machine(dir string) string {
	cpu := "unknown"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, ok := strings.Cut(string(text), "model name"); ok {
			line, _, _ := strings.Cut(rest, "\n")
			cpu = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
		}
	}
	kernel := ""
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			kernel += string(rune(c))
		}
		kernel, _, _ = strings.Cut(kernel, "-")
	}
	return fmt.Sprintf("%d processors (%s), Linux %s, %s, %s", runtime.NumCPU(), cpu, kernel, fileSystem(dir), runtime.Version())
}
