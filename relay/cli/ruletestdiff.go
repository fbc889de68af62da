package cli

import (
	"slices"
	"strings"
)

// diffLines says how two lists of lines differ: "- " is only in want, "+ " only in
// got, "  " in both. The shortest such list, by the longest common subsequence.
func diffLines(want, got []string) []string {
	// common[i][j] is how many lines want[i:] and got[j:] have in common.
	common := make([][]int, len(want)+1)
	for i := range common {
		common[i] = make([]int, len(got)+1)
	}
	for i, line := range slices.Backward(want) {
		for j, other := range slices.Backward(got) {
			if line == other {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(want) || j < len(got) {
		switch {
		case i < len(want) && j < len(got) && want[i] == got[j]:
			out = append(out, "  "+want[i])
			i, j = i+1, j+1
		case j == len(got) || i < len(want) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+want[i])
			i++
		default:
			out = append(out, "+ "+got[j])
			j++
		}
	}
	return out
}

// maxDiffed bounds the work: of longer texts only the beginning is compared line
// by line.
const maxDiffed = 1000

// diffTexts is diffLines of two texts, with what a terminal would not show spelt
// out, so that a difference can be seen.
func diffTexts(want, got string) []string {
	split := func(s string) []string {
		lines := strings.Split(visible(s), "\n")
		return lines[:min(len(lines), maxDiffed)]
	}
	return diffLines(split(want), split(got))
}
