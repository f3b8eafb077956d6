package policy

import (
	"fmt"
	"strings"
)

// Nearest returns a hint at the word that was probably meant, for the settings' faults, too: at most two letters wrong,
// missing, added or swapped.
func Nearest(s string, words []string) string {
	s = strings.ToLower(s)
	best, hint := 3, ""
	for _, w := range words {
		if d := distance(s, strings.ToLower(w)); d < best && d < len(w) {
			best, hint = d, fmt.Sprintf(" (did you mean %s?)", w)
		}
	}
	return hint
}

// distance is the Levenshtein distance; large when the lengths differ by much.
func distance(a, b string) int {
	if len(a) > len(b)+2 || len(b) > len(a)+2 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
