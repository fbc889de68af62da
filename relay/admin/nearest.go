package admin

// nearest is the one of words that was probably meant, "" when none is near:
// at most a third of it has to change.
func nearest(word string, words []string) string {
	best, near := "", 0
	if len(word) > 32 {
		return ""
	}
	for _, w := range words {
		d := distance(word, w)
		if d <= (len(w)+2)/3 && (best == "" || d < near) {
			best, near = w, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace, or of
// neighbours to swap, to turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
