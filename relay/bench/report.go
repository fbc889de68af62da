//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// report is everything that was measured.
type report struct {
	fsync          latencies
	ceiling, relay figures
	growth         []grown
}

// grown is the cost of more work of one kind.
type grown struct {
	what           string
	n              int
	relay, ceiling figures
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
func us(d time.Duration) string { return fmt.Sprintf("%.0f us", float64(d)/1e3) }

func (r *report) text(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	c, f := &r.ceiling, &r.relay
	row := func(what, ceiling, relay, ratio string) {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", what, ceiling, relay, ratio)
	}
	ratio := func(x, y float64) string { return fmt.Sprintf("%.2f x", x/y) }
	row("one HTTP target, one rule", "ceiling", "relay", "")
	row("accepted, 64 connections", fmt.Sprintf("%.0f/s", c.rate), fmt.Sprintf("%.0f/s", f.rate), ratio(f.rate, c.rate))
	row("processor, an event", us(c.cpu), us(f.cpu), ratio(float64(f.cpu), float64(c.cpu)))
	row("answered at 500/s, p50", ms(c.at500.at(.5)), ms(f.at500.at(.5)), "")
	row("answered at 500/s, p99", ms(c.at500.at(.99)), ms(f.at500.at(.99)),
		fmt.Sprintf("%.1f x the disk's fsync p99 of %s", float64(f.at500.at(.99))/float64(r.fsync.at(.99)), ms(r.fsync.at(.99))))
	row("answered at 2000/s, p99", ms(c.at2000.at(.99)), ms(f.at2000.at(.99)), "")
	row("memory idle, most", fmt.Sprintf("%.0f, %.0f MB", c.idleMB, c.peakMB), fmt.Sprintf("%.0f, %.0f MB", f.idleMB, f.peakMB), "")
	row("ready after", ms(c.start), ms(f.start), "")
	row("lost, refused", fmt.Sprintf("%d, %d", c.lost, c.refused), fmt.Sprintf("%d, %d", f.lost, f.refused), "")
	last := ""
	for _, g := range r.growth {
		if g.what != last {
			row("", "", "", "")
			last = g.what
		}
		row(fmt.Sprintf("%d %s", g.n, g.what), fmt.Sprintf("%.0f/s, %s", g.ceiling.rate, us(g.ceiling.cpu)),
			fmt.Sprintf("%.0f/s, %s", g.relay.rate, us(g.relay.cpu)), ratio(g.relay.rate, g.ceiling.rate))
	}
	return t.Flush()
}

// write makes bench.txt and bench.svg.
func (r *report) write(dir string) error {
	var text bytes.Buffer
	if err := r.text(&text); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.txt"), text.Bytes(), 0o644); err != nil { //nolint:gosec // for everybody
		return err
	}
	return os.WriteFile(filepath.Join(dir, "bench.svg"), r.svg(), 0o644) //nolint:gosec // for everybody
}

// svg draws how fast the relay is beside the ceiling, a pair of bars for each
// kind of work.
func (r *report) svg() []byte {
	const left, width, height = 190, 420, 16
	var b bytes.Buffer
	most := r.ceiling.rate
	for _, g := range r.growth {
		most = max(most, g.ceiling.rate, g.relay.rate)
	}
	rows := len(r.growth)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 %d" font-family="sans-serif" font-size="12">`+"\n", 60+rows*(2*height+12))
	b.WriteString(`<style>text{fill:#333}.c{fill:#c3c8d0}.r{fill:#3266c8}@media(prefers-color-scheme:dark){text{fill:#ddd}.c{fill:#59606b}}</style>` + "\n")
	b.WriteString(`<text x="10" y="22" font-size="14">Events a second: the relay, durable (blue), beside a bare net/http relay that stores nothing (grey)</text>` + "\n")
	for i, g := range r.growth {
		y := 44 + i*(2*height+12)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%d %s</text>`+"\n", left-10, y+height+4, g.n, g.what)
		for j, bar := range []struct {
			class string
			rate  float64
		}{{"r", g.relay.rate}, {"c", g.ceiling.rate}} {
			w := bar.rate / most * width
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.0f" height="%d"/><text x="%.0f" y="%d">%.0f</text>`+"\n",
				bar.class, left, y+j*height, w, height-2, left+w+6, y+j*height+12, bar.rate)
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
