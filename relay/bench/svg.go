//go:build linux

package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"math"
	"time"
)

// picture is an SVG that is read in light and in dark, and by those who hear it.
type picture struct {
	bytes.Buffer
	y int
}

const (
	pictureWidth = 760
	barsAt       = 190
	barsWidth    = 330
	notesAt      = barsAt + barsWidth + 12
	barStep      = 24
)

// style has no font and no colour from elsewhere: whoever shows the picture gets
// it from nowhere.
const style = `<style>
text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328}.head{font-weight:600;font-size:15px}.small{font-size:12px;fill:#59636e}
.back{fill:#fff}.bar{fill:#0969da}.other{fill:#9aa4af}.line{stroke:#59636e;stroke-dasharray:3 3}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.back{fill:#0d1117}.bar{fill:#4493f8}.other{fill:#656c76}.line{stroke:#9198a1}}
</style>
`

// svg draws how fast the relay is beside the ceiling with each kind of work, and
// how long answers take beside the disk's fsync.
func (r *report) svg(w io.Writer) error {
	p := &picture{y: 34}
	r.drawThroughput(p)
	p.y += 22
	r.drawLatencies(p)
	p.y += 12
	p.text("small", 16, r.when.Format(time.DateOnly)+": "+r.machine+".")
	p.y += 14
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n", pictureWidth, p.y)
	fmt.Fprintf(&out, "<title id=\"title\">Throughput and latency of invitation-relay</title>\n<desc id=\"desc\">%s</desc>\n", html.EscapeString(r.inWords()))
	out.WriteString(style)
	fmt.Fprintf(&out, "<rect class=\"back\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", pictureWidth, p.y)
	out.Write(p.Bytes())
	out.WriteString("</svg>\n")
	_, err := w.Write(out.Bytes())
	return err
}

// inWords is the picture for those who do not see it.
func (r *report) inWords() string {
	return fmt.Sprintf("With one HTTP target the relay delivers %s durably stored events, %s of what a bare net/http relay delivers that stores nothing. "+
		"At 500 events a second it answers within %s (p99), where the disk's own fsync takes %s.",
		rate(r.of(base, perSecond)), times(r.ratio(base, base.atCeiling(), perSecond)), inMs(r.of(base, p99At500)), inMs(r.of(base, fsync99)))
}

func (r *report) drawThroughput(p *picture) {
	p.text("head", 16, "Throughput as a share of that of a bare net/http relay, which stores nothing")
	p.y += 22
	const scale = barsWidth / 1.1
	top := p.y
	draw := func(name string, w work) {
		ratio := r.ratio(w, w.atCeiling(), perSecond)
		p.rect("bar", min(ratio, 1.1)*scale)
		p.line(name, fmt.Sprintf("%s  %s of %s", times(ratio), rate(r.of(w, perSecond)), rate(r.of(w.atCeiling(), perSecond))))
	}
	draw("one target, one rule", base)
	for _, d := range r.dimensions() {
		for i := range d.values {
			if w := d.work(i); w != base {
				draw(d.name(i), w)
			}
		}
	}
	for i, n := range r.waiting {
		draw(thousands(n)+" waiting", r.backlog(i))
	}
	fmt.Fprintf(p, "<line class=\"line\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%d\" y2=\"%d\"/>\n", barsAt+scale, barsAt+scale, top-16, p.y-16)
}

func (r *report) drawLatencies(p *picture) {
	p.text("head", 16, "At 500 events a second: half within the blue, 99 % within the grey (p50, p99)")
	p.y += 22
	rows := []struct {
		name     string
		p50, p99 float64
	}{
		{"the disk's fsync", r.of(base, fsync50), r.of(base, fsync99)},
		{"answered", r.of(base, p50At500), r.of(base, p99At500)},
		{"four targets", r.of(four, p50At500), r.of(four, p99At500)},
		{"one of them hangs", r.of(hanging, p50At500), r.of(hanging, p99At500)},
	}
	most := 0.0
	for _, row := range rows {
		if !math.IsNaN(row.p99) {
			most = max(most, row.p99)
		}
	}
	for _, row := range rows {
		p.rect("other", row.p99*barsWidth/most)
		p.rect("bar", row.p50*barsWidth/most)
		p.line(row.name, fmt.Sprintf("%s, %s", inMs(row.p50), inMs(row.p99)))
	}
}

// length is a bar's, none when there is no figure.
func length(v float64) int {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return max(0, int(math.Round(v)))
}

func (p *picture) text(class string, x int, text string) {
	fmt.Fprintf(p, "<text class=\"%s\" x=\"%d\" y=\"%d\">%s</text>\n", class, x, p.y, html.EscapeString(text))
}

// rect draws a bar on the line that is begun.
func (p *picture) rect(class string, width float64) {
	fmt.Fprintf(p, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"15\" rx=\"2\"/>\n", class, barsAt, p.y-12, length(width))
}

// line puts a name before the bars and a note behind them, and ends the line.
func (p *picture) line(name, note string) {
	fmt.Fprintf(p, "<text text-anchor=\"end\" x=\"%d\" y=\"%d\">%s</text>\n", barsAt-8, p.y, html.EscapeString(name))
	p.text("", notesAt, note)
	p.y += barStep
}
