//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// text writes the tables.
func (r *report) text(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s.\n", r.when.Format(time.DateOnly), r.machine)
	fmt.Fprintf(&b, "Medians of %d %s; events were sent for %s each time. Others took %.0f %% of one processor.\n",
		len(r.rounds), plural(len(r.rounds), "round"), r.each, 100*r.others)
	table(&b, r.one())
	table(&b, r.store())
	table(&b, r.hang())
	table(&b, r.growth())
	if len(r.problems) > 0 {
		fmt.Fprintf(&b, "\nNOT AS IT SHOULD BE\n")
		for _, p := range r.problems {
			fmt.Fprintln(&b, p)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func table(b *bytes.Buffer, rows [][]string) {
	var aligned bytes.Buffer
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	_ = t.Flush() // a buffer takes everything
	b.WriteString("\n")
	for line := range strings.Lines(aligned.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// one is the relay with one target and one rule.
func (r *report) one() [][]string {
	row := func(what string, show func(float64) string, figure func(*figures) float64, beside, wanted string) []string {
		return []string{what, show(r.of(base.atCeiling(), figure)), show(r.of(base, figure)), beside, wanted}
	}
	ratio := func(figure func(*figures) float64) string { return times(r.ratio(base, base.atCeiling(), figure)) }
	return [][]string{
		{"ONE HTTP TARGET, ONE RULE", "ceiling", "relay", "relay to ceiling", "to reach"},
		row("delivered, flat out", rate, perSecond, ratio(perSecond), "0.80 x"),
		row("accepted, flat out", rate, acceptedRate, ratio(acceptedRate), ""),
		row("processor, an event, flat out", inUs, processor, r.extra(processor), "+30 µs"),
		row("processor, an event, at 500/s", inUs, processorAt500, r.extra(processorAt500), ""),
		row("answered at 500/s, p50", inMs, p50At500, "", ""),
		row("answered at 500/s, p99", inMs, p99At500, r.toDisk(), "3.00 x the disk's"),
		row("answered at 2,000/s, p50", inMs, p50At2000, "", ""),
		row("answered at 2,000/s, p99", inMs, p99At2000, "", ""),
		row("delivered at 500/s, p99", inMs, arrived99, "", ""),
		row("memory, idle", inMB, idle, "", "30 MB"),
		row("memory, at most", inMB, atMost, "", ""),
		row("ready after", inMs, untilReady, "", "100 ms"),
	}
}

// extra is what the relay takes more than the ceiling, of the same round.
func (r *report) extra(figure func(*figures) float64) string {
	return cell("%+.0f µs", 1e6*r.median(func(round map[work]*figures) float64 {
		x, y := round[base], round[base.atCeiling()]
		if x == nil || y == nil {
			return math.NaN()
		}
		return figure(x) - figure(y)
	}))
}

// toDisk is how much longer the slowest answers take than the slowest fsyncs.
func (r *report) toDisk() string {
	return fmt.Sprintf("%s the disk's %s", times(r.of(base, answer99ToDisk)), inMs(r.of(base, fsync99)))
}

// store is what it is to have one that is not empty.
func (r *report) store() [][]string {
	rows := [][]string{{"WHAT THE STORE HAS BEFORE", "filled in", "ready after", "memory, at most", "accepted, flat out", "to an empty one", "to reach"}}
	row := func(name string, w work, wanted string) {
		filled := ""
		if took, ok := r.filled[w]; ok {
			filled = took.Round(time.Second / 10).String()
		}
		rows = append(rows, []string{
			name, filled, inMs(r.of(w, untilReady)), inMB(r.of(w, atMost)), rate(r.of(w, acceptedRate)),
			times(r.ratio(w, base, acceptedRate)), wanted,
		})
	}
	row("nothing", base, "100 ms")
	wanted := []string{"300 ms, 0.90 x", "200 MB, 0.90 x"}
	for i, n := range r.waiting {
		row(thousands(n)+" deliveries waiting", r.backlog(i), wanted[i])
	}
	w := base.as(func(w *work) { w.has.finished = r.finished })
	row(thousands(r.finished)+" events finished", w, "")
	return rows
}

// hang is what one target that takes everything and answers nothing does to the
// other three.
func (r *report) hang() [][]string {
	row := func(what string, figure func(*figures) float64) []string {
		return []string{what, inMs(r.of(four, figure)), inMs(r.of(hanging, figure)), times(r.ratio(hanging, four, figure)), "1.50 x"}
	}
	return [][]string{
		{"ONE OF FOUR TARGETS HANGS", "four answer", "one hangs", "to without", "to reach"},
		row("answered at 500/s, p99", p99At500),
		row("delivered at 500/s to the others, p99", arrived99),
	}
}

// growth is what more work of each kind costs.
func (r *report) growth() [][]string {
	rows := [][]string{{"MORE WORK", "ceiling", "relay", "relay to ceiling", "processor, an event", "one more costs", ""}}
	for _, d := range r.dimensions() {
		var costs []float64
		for i := range d.values {
			w := d.work(i)
			costs = append(costs, r.of(w, processor))
			one, verdict := "", ""
			if i > 0 {
				one = perUnit(&d, costs)
			}
			if i == len(d.values)-1 {
				verdict = growthOf(d.values, costs)
			}
			rows = append(rows, []string{
				d.name(i), rate(r.of(w.atCeiling(), perSecond)), rate(r.of(w, perSecond)),
				times(r.ratio(w, w.atCeiling(), perSecond)), inUs(costs[i]), one, verdict,
			})
		}
	}
	return rows
}

// perUnit is what one more costs, from the value before the last to the last.
func perUnit(d *dimension, costs []float64) string {
	i := len(costs) - 1
	cost := 1e6 * (costs[i] - costs[i-1]) / float64(d.values[i]-d.values[i-1])
	if d.values[i] >= 10_000 {
		return cell("%.1f µs a million", 1e6*cost)
	}
	return cell("%.2f µs a "+d.one, cost)
}

// growthOf says how cost grows with n. "linear or better" is within a fifth of
// the straight line through the first two; what grows by less than a tenth in
// all is constant.
func growthOf(n []int, costs []float64) string {
	last := len(costs) - 1
	if slices.ContainsFunc(costs, math.IsNaN) {
		return ""
	}
	if costs[last] <= 1.1*costs[0] {
		return "constant"
	}
	if last < 2 {
		return "grows"
	}
	slope := max(0, costs[1]-costs[0]) / float64(n[1]-n[0])
	if costs[last] <= 1.2*(costs[1]+slope*float64(n[last]-n[1])) {
		return "linear or better"
	}
	return "worse than linear"
}
