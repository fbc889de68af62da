//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// work is one thing to measure: a relay with so many rules and targets, webhooks
// of a size, and what its store has before; or the ceiling with as many targets.
type work struct {
	ceiling        bool
	rules, targets int
	body           int    // bytes of a webhook; 0: as few as one needs
	has            stored // in the store before it starts
	hang           bool   // the last target takes everything and answers nothing
	rates          int    // 0: as fast as it goes only; 1: at 500/s only; 2: at 500/s, at 2,000/s, and as fast as it goes
}

// What everything else is compared to, and the pair with a target that hangs.
var (
	base    = work{rules: 1, targets: 1, rates: 2}
	four    = work{rules: 1, targets: 4, rates: 1}
	hanging = work{rules: 1, targets: 4, rates: 1, hang: true}
)

// atCeiling is the same work for the ceiling, which has neither rules nor a
// store: one for all that have as many targets and webhooks of that size.
func (w work) atCeiling() work {
	c := work{ceiling: true, targets: w.targets, body: w.body, rates: w.rates}
	if c.targets == base.targets && c.body == base.body {
		c.rates = base.rates
	}
	return c
}

// as is base with one thing changed.
func (w work) as(change func(*work)) work {
	changed := w
	change(&changed)
	if changed != w {
		changed.rates = 0
	}
	return changed
}

func (w work) String() string {
	var with []string
	if w.targets != 1 {
		with = append(with, fmt.Sprintf("%d targets", w.targets))
	}
	if w.rules > 1 {
		with = append(with, thousands(w.rules)+" rules")
	}
	if w.body > 0 {
		with = append(with, fmt.Sprintf("%d KiB", w.body>>10))
	}
	if w.has.finished > 0 {
		with = append(with, thousands(w.has.finished)+" finished")
	}
	if w.has.waiting > 0 {
		with = append(with, thousands(w.has.waiting)+" waiting")
	}
	if w.hang {
		with = append(with, "one hangs")
	}
	name := "relay"
	if w.ceiling {
		name = "ceiling"
	}
	return strings.Join(append([]string{name}, with...), ", ")
}

// thousands writes a number as people read it.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// dimension is one way in which work grows. What is measured of it is base with
// each of the values set.
type dimension struct {
	one, many string // what a value counts
	values    []int
	set       func(*work, int)
}

func (d *dimension) work(i int) work { return base.as(func(w *work) { d.set(w, d.values[i]) }) }

// name is a value with what it counts.
func (d *dimension) name(i int) string {
	if d.values[i] == 1 {
		return "1 " + d.one
	}
	return thousands(d.values[i]) + " " + d.many
}

func (s size) dimensions() []dimension {
	return []dimension{
		{"target", "targets", []int{1, 3, 10}, func(w *work, n int) { w.targets = n }},
		{"rule", "rules", []int{1, 100, 1000}, func(w *work, n int) { w.rules = n }},
		{"KiB", "KiB", []int{1, 16, 256}, func(w *work, n int) { w.body = n << 10 }},
		{"event finished", "finished", []int{0, s.finished}, func(w *work, n int) { w.has.finished = n }},
	}
}

func (s size) backlog(i int) work {
	return base.as(func(w *work) { w.has.waiting = s.waiting[i] })
}

// works are all that is measured, in this order in each round. A ceiling comes
// just before what is compared to it, and first that of most of them: machines
// drift within minutes.
func (s size) works() (all []work) {
	add := func(w work) {
		for _, w := range []work{w.atCeiling(), w} {
			if !slices.Contains(all, w) && (!w.ceiling || w.rates != 1) {
				all = append(all, w)
			}
		}
	}
	rest := []work{four, hanging}
	for i := range s.waiting {
		rest = append(rest, s.backlog(i))
	}
	for _, d := range s.dimensions() {
		for i := range d.values {
			rest = append(rest, d.work(i))
		}
	}
	add(base)
	for _, w := range rest {
		if w.atCeiling() == base.atCeiling() {
			add(w)
		}
	}
	for _, w := range rest {
		add(w)
	}
	return all
}

// figures are what was measured of a work in one round.
type figures struct {
	ready          time.Duration // since it was started
	idleMB, peakMB float64
	at500, at2000  phase
	flatOut        phase
	fsync          latencies // the disk's own, in the same minute and folder
}

// phase is what came of sending in one way.
type phase struct {
	accepted, delivered float64       // events a second, to all targets that answer
	cpu                 time.Duration // of the process, an event
	p50, p99            time.Duration // of the answers
	delivered99         time.Duration // from sending to arrival
	refused, lost       int
	again               int // arrived twice
}
