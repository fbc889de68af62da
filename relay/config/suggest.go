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
	return "there is: " + strings.Join(sorted, ", ")
}

// nearest is the known word that a typo could have turned into word, or "". A
// third of the letters may be wrong, and case, - and _ make no difference.
func nearest(word string, known []string) string {
	fold := func(s string) string { return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s)) }
	best, least := "", 0
	for _, k := range known {
		a, b := fold(word), fold(k)
		if len(a) > 64 || len(b) > 64 {
			continue
		}
		allowed := max(1, min(len(a), len(b))/3)
		if n := distance(a, b); n <= allowed && (best == "" || n < least) {
			best, least = k, n
		}
	}
	return best
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
