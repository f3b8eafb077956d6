package qr

import (
	"cmp"
	"math"
	"slices"
)

// A guess is three finders and a version that may be a symbol, with how much the picture looks like it.
type guess struct {
	grid
	at    [3]int // which finders: top left, top right, bottom left
	score float64
}

const maxGuesses = 400

// triples makes guesses of the candidates, the most likely first: any three that stand like the corners of half a square
// seen at an angle, with the versions that their distance allows, if finder and timing patterns are where they ought to be.
func triples(g *gray, fs []finder, b *budget) []guess {
	var out []guess
	for i := range fs {
		for j := i + 1; j < len(fs); j++ {
			if b.late() {
				return out
			}
			for k := j + 1; k < len(fs); k++ {
				lo, hi := min(fs[i].m, fs[j].m, fs[k].m), max(fs[i].m, fs[j].m, fs[k].m)
				if hi > 2*lo {
					continue
				}
				for _, t := range [3][3]int{{i, j, k}, {j, k, i}, {k, i, j}} {
					out = append(out, guesses(g, fs, t)...)
				}
				if len(out) > 2*maxGuesses {
					out = bestGuesses(out, maxGuesses)
				}
			}
		}
	}
	return bestGuesses(out, maxGuesses)
}

func bestGuesses(s []guess, n int) []guess {
	slices.SortStableFunc(s, func(a, b guess) int { return cmp.Compare(b.score, a.score) })
	return s[:min(n, len(s))]
}

// guesses takes the first of three finders for the top left one.
func guesses(g *gray, fs []finder, t [3]int) []guess {
	tl, tr, bl := fs[t[0]], fs[t[1]], fs[t[2]]
	u, v := tr.point.sub(tl.point), bl.point.sub(tl.point)
	if cross(u, v) < 0 { // clockwise; a mirrored symbol is read as one transposed
		t[1], t[2] = t[2], t[1]
		tr, bl, u, v = bl, tr, v, u
	}
	lu, lv := u.length(), v.length()
	if lu == 0 || lv == 0 || lu > 2.5*lv || lv > 2.5*lu || math.Abs(u.x*v.x+u.y*v.y) > .6*lu*lv {
		return nil
	}
	// The finders measured a module along the picture's axes: in a symbol turned by 45° that is its diagonal.
	turn := max(math.Abs(u.x), math.Abs(u.y)) / lu
	m := (tl.m + tr.m + bl.m) / 3 * turn
	if min(lu, lv) < 8*m {
		return nil
	}
	est := int(math.Round(((lu+lv)/2/m + 2*inset - 17) / 4))
	var out []guess
	for version := max(1, est-1-est/6); version <= min(40, est+1+est/6); version++ {
		q, ok := newGrid(version, [4]point{tl.point, tr.point, tr.point.add(v), bl.point})
		if !ok {
			continue
		}
		f, tm := q.likeness(g)
		if s := f + tm; f > .7 && tm > .55 && s > 1.35 {
			out = append(out, guess{q, t, s})
		}
	}
	return out
}
