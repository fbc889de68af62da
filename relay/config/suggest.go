package config

import (
	"slices"
	"strings"
)

// didYouMean is a hint for a word that is none of known: the nearest of them, or
// all of them when none is near.
func didYouMean(word string, known []string) string {
	if best := nearest(word, known); best != "" {
		return `did you mean "` + best + `"?`
	}
	if len(known) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(known))
	const most = 20
	if len(sorted) > most {
		sorted = append(sorted[:most], "…")
	}
	return "there are: " + strings.Join(sorted, ", ")
}

// nearest is the known word that a typo could have turned into word, or "". A
// third of the letters may be wrong, the end missing or too much, and case, - and
// _ make no difference.
func nearest(word string, known []string) string {
	fold := func(s string) string { return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)) }
	best, least := "", 0
	for _, k := range known {
		a, b := fold(word), fold(k)
		if len(a) > 64 || len(b) > 64 {
			continue
		}
		n := distance(a, b)
		if n > max(1, min(len(a), len(b))/3) && !begins(a, b) && !begins(b, a) {
			continue
		}
		if best == "" || n < least || n == least && common(a, b) > common(a, fold(best)) {
			best, least = k, n
		}
	}
	return best
}

// common is how many letters two words begin with alike: slips are rarer there.
func common(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// begins reports whether the word goes on from a beginning of three letters or
// more: maximum from max.
func begins(word, beginning string) bool {
	return len(beginning) > 2 && strings.HasPrefix(word, beginning)
}

// distance counts the letters to insert, delete, replace or swap with their
// neighbour to get from a to b (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			cost := 1
			if x[i] == y[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
