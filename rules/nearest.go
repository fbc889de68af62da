package rules

import (
	"slices"
	"strconv"
	"strings"
)

// didYouMean is the hint for a word that is none of the candidates, "" when
// none is near: "did you mean "status"?".
func didYouMean(word string, candidates []string) string {
	near := nearest(word, candidates)
	if len(near) == 0 {
		return ""
	}
	for i := range near {
		near[i] = strconv.Quote(near[i])
	}
	last := len(near) - 1
	if last == 0 {
		return "did you mean " + near[0] + "?"
	}
	return "did you mean " + strings.Join(near[:last], ", ") + " or " + near[last] + "?"
}

// nearest are the candidates somebody may have meant with word, at most three:
// those with the fewest edits, or else those that have it as a part
// ("status" for "transaction_status").
func nearest(word string, candidates []string) []string {
	limit := slips(word)
	var near []string
	for _, c := range candidates {
		switch d := edits(word, c, limit); {
		case d > limit:
		case d < limit || near == nil:
			limit, near = d, []string{c}
		default:
			near = append(near, c)
		}
	}
	if near == nil {
		for _, c := range candidates {
			if slices.ContainsFunc(strings.Split(c, "_"), func(part string) bool {
				return len(part) > 2 && edits(word, part, 1) <= min(1, slips(part))
			}) {
				near = append(near, c)
			}
		}
	}
	slices.Sort(near)
	return near[:min(len(near), 3)]
}

// slips is how many edits away from a word something is still taken for a slip
// of the pen: none of so short a word that everything would be near it.
func slips(word string) int {
	switch n := len(word); {
	case n < 3:
		return 0
	case n < 5:
		return 1
	case n < 10:
		return 2
	}
	return 3
}

// edits counts the insertions, deletions, substitutions and swaps of
// neighbours between two words (optimal string alignment), regardless of case.
// Above limit it may stop counting.
func edits(a, b string, limit int) int {
	s, t := []rune(strings.ToLower(a)), []rune(strings.ToLower(b))
	if d := len(s) - len(t); d > limit || -d > limit {
		return limit + 1
	}
	before, prev, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			change := 1
			if s[i-1] == t[j-1] {
				change = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return prev[len(t)]
}
