//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"invitation-relay/relay/outbox"
	"invitation-relay/relay/outbox/sqlite"
)

// TestMain lets the test be the other processes of a run, as the program is.
func TestMain(m *testing.M) {
	if err := helper(os.Args[1:]); err != nil {
		fail(err)
	}
	os.Exit(m.Run())
}

// tiny is a run in seconds, that measures nothing.
var tiny = size{rounds: 1, each: 50 * time.Millisecond, settle: 20 * time.Millisecond, connections: 4, finished: 300, waiting: [2]int{100, 200}}

func TestARunMeasuresWhatWorksAndSaysWhatDoesNot(t *testing.T) {
	refused := base.as(func(w *work) { w.body = 300 << 10 }) // larger than a source takes
	finished := base.as(func(w *work) { w.has.finished = tiny.finished })
	largest := base.as(func(w *work) { w.body = 256 << 10 })
	works := []work{base.atCeiling(), base, hanging, refused, largest, finished, tiny.backlog(0)}
	in := t.TempDir()
	b := &bench{size: tiny, works: works, progress: t.Output(), begun: time.Now()}
	r, err := b.run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range works {
		if w == refused {
			continue
		}
		f := r.rounds[0][w]
		if f == nil {
			t.Errorf("%s was not measured", w)
			continue
		}
		p := f.flatOut
		if w.rates == 1 {
			p = f.at500
		}
		if p.delivered == 0 || p.p50 == 0 || p.p99 < p.p50 || p.delivered99 == 0 {
			t.Errorf("%s: %+v", w, p)
		}
		if f.ready == 0 || f.idleMB == 0 || f.peakMB < f.idleMB {
			t.Errorf("%s: ready %s, memory %.0f MB, %.0f MB", w, f.ready, f.idleMB, f.peakMB)
		}
	}
	if f := r.rounds[0][base]; f != nil && (len(f.fsync) == 0 || f.at500.accepted == 0 || f.at2000.accepted == 0) {
		t.Errorf("%d fsyncs, %+v, %+v", len(f.fsync), f.at500, f.at2000)
	}
	if len(r.problems) != 1 || !strings.HasPrefix(r.problems[0], refused.String()+" failed: ") {
		t.Errorf("problems: %q, want that of %q", r.problems, refused)
	}
	if left, err := os.ReadDir(in); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestACancelledRunLeavesNothingBehind(t *testing.T) {
	in := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	b := &bench{size: tiny, works: []work{base}, begun: time.Now(), progress: writer(func(text string) {
		if strings.Contains(text, "build") {
			cancel()
		}
	})}
	if _, err := b.run(ctx, in); err == nil {
		t.Error("a cancelled run has a result")
	}
	if left, err := os.ReadDir(in); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

type writer func(string)

func (w writer) Write(b []byte) (int, error) { w(string(b)); return len(b), nil }

func TestAFilledStoreHasWhatWasAskedFor(t *testing.T) {
	for _, has := range []stored{{finished: perCommit + 500}, {waiting: perCommit + 500}} {
		dir := t.TempDir()
		if err := fill(t.Context(), dir, has, func(int) {}); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "relay.db")})
		if err != nil {
			t.Fatal(err)
		}
		counts, err := s.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := counts["t0"].Delivered; n != has.finished {
			t.Errorf("%d delivered, want %d", n, has.finished)
		}
		if n := counts["held"].Pending; n != has.waiting {
			t.Errorf("%d waiting, want %d", n, has.waiting)
		}
		now := time.Now()
		if n, err := s.Purge(t.Context(), outbox.Retention{Bodies: now.Add(-91 * day), Rows: now.Add(-91 * day)}); n > 0 || err != nil {
			t.Errorf("%d events would be erased while we measure (%v)", n, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARowThatFailedSaysSo(t *testing.T) {
	r := newReport(usual, t.TempDir())
	r.fail(base, errors.New("no disk"))
	r.rounds = []map[work]*figures{{}}
	var text, picture bytes.Buffer
	if err := r.text(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.svg(&picture); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"delivered, flat out", "failed", "relay failed: no disk"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	for _, never := range []string{"NaN", "Inf"} {
		if strings.Contains(text.String(), never) || strings.Contains(picture.String(), never) {
			t.Errorf("%s in\n%s\n%s", never, &text, &picture)
		}
	}
	selfContained(t, picture.Bytes())
}

// selfContained fails when a picture is no XML, runs a script, or fetches
// anything.
func selfContained(t *testing.T, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	titled := false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			switch e.Name.Local {
			case "script", "image", "use", "foreignObject":
				t.Errorf("<%s> in a picture", e.Name.Local)
			case "title":
				titled = true
			}
			for _, a := range e.Attr {
				if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s in a picture", a.Name.Local)
				}
			}
		}
	}
	for _, never := range []string{"@import", "@font-face", "url("} {
		if bytes.Contains(svg, []byte(never)) {
			t.Errorf("%s in a picture", never)
		}
	}
	if !titled {
		t.Error("the picture has no title for those who do not see it")
	}
}

func TestRatiosAreMadeWithinARound(t *testing.T) {
	r := &report{size: usual}
	for _, speed := range []float64{1, 10, 100} { // of the machine, which drifts
		r.rounds = append(r.rounds, map[work]*figures{
			base.atCeiling(): {flatOut: phase{delivered: 1000 * speed}}, base: {flatOut: phase{delivered: 800 * speed}},
		})
	}
	r.rounds = append(r.rounds, map[work]*figures{base: {flatOut: phase{delivered: 1}}}) // its ceiling failed
	if got := r.ratio(base, base.atCeiling(), perSecond); math.Abs(got-.8) > 1e-9 {
		t.Errorf("the ratio is %v, want 0.8", got)
	}
	if got := r.of(base.atCeiling(), perSecond); got != 10_000 {
		t.Errorf("the median is %v, want 10000", got)
	}
}

func TestGrowthIsJudgedByTheStraightLineThroughTheFirstTwo(t *testing.T) {
	for _, c := range []struct {
		n     []int
		costs []float64
		want  string
	}{
		{[]int{1, 3, 10}, []float64{100, 150, 330}, "linear or better"},
		{[]int{1, 3, 10}, []float64{100, 150, 200}, "linear or better"},
		{[]int{1, 3, 10}, []float64{100, 150, 400}, "worse than linear"},
		{[]int{1, 100, 1000}, []float64{100, 95, 109}, "constant"},
		{[]int{1, 100, 1000}, []float64{100, 95, 200}, "worse than linear"},
		{[]int{0, 1_000_000}, []float64{100, 105}, "constant"},
		{[]int{0, 1_000_000}, []float64{100, 120}, "grows"},
		{[]int{1, 3, 10}, []float64{100, math.NaN(), 400}, ""},
	} {
		if got := growthOf(c.n, c.costs); got != c.want {
			t.Errorf("%v for %v is %q, want %q", c.costs, c.n, got, c.want)
		}
	}
}

func TestEveryWorkComesAfterItsCeilingInTheSameRound(t *testing.T) {
	seen := map[work]bool{}
	var ceiling work
	for _, w := range usual.works() {
		if seen[w] {
			t.Errorf("%s is measured twice a round", w)
		}
		seen[w] = true
		if !w.ceiling && w.rates != 1 && ceiling != w.atCeiling() {
			t.Errorf("the last ceiling before %s is %s", w, ceiling)
		}
		if w.ceiling {
			ceiling = w
		}
	}
	for _, w := range []work{base, four, hanging, usual.backlog(1)} {
		if !seen[w] {
			t.Errorf("%s is not measured", w)
		}
	}
	for _, d := range usual.dimensions() {
		for i := range d.values {
			if !seen[d.work(i)] {
				t.Errorf("%s is not measured", d.name(i))
			}
		}
	}
}
