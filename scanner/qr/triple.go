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
func triples(g *gray, m *bitmap, fs []finder, b *budget) []guess {
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
					out = append(out, guesses(g, m, fs, t)...)
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
func guesses(g *gray, m *bitmap, fs []finder, t [3]int) []guess {
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
	u, v = u.times(1/lu), v.times(1/lv)
	// The size of a module along either side of the symbol, at both of its ends.
	ul, ur := m.side(tl, u), m.side(tr, u)
	vt, vb := m.side(tl, v), m.side(bl, v)
	// Seen in perspective a side's near end is larger than its far end, by the square of the ratio of their distances;
	// and the mean module is the geometric one.
	nu, nv := lu/math.Sqrt(ul*ur), lv/math.Sqrt(vt*vb) // modules from centre to centre
	if min(nu, nv) < 9 || max(nu, nv) > 220 {
		return nil
	}
	wu, wv := math.Sqrt(ul/ur), math.Sqrt(vt/vb)
	est := int(math.Round(((nu+nv)/2 + 2*inset - 17) / 4))
	free := []point{tr.point.add(bl.point).sub(tl.point)} // as if seen straight on
	if w := wu + wv - 1; w > .3 {
		free = append(free, tr.point.times(wu).add(bl.point.times(wv)).sub(tl.point).times(1/w))
	}
	var out []guess
	for version := max(1, est-1-est/6); version <= min(40, est+1+est/6); version++ {
		best := guess{at: t}
		for _, br := range free {
			q, ok := newGrid(version, [4]point{tl.point, tr.point, br, bl.point})
			if !ok {
				continue
			}
			if f, tm := q.likeness(g); f > .7 && tm > .55 && f+tm > max(1.35, best.score) {
				best.grid, best.score = q, f+tm
			}
		}
		if best.score > 0 {
			out = append(out, best)
		}
	}
	return out
}

// side is how large a module is at a finder along one direction: a seventh of the way from the outer edge of its ring to
// the opposite one.
func (m *bitmap) side(f finder, dir point) float64 {
	a1, b1, c1, ok1 := m.ray(f, dir)
	a2, b2, c2, ok2 := m.ray(f, dir.times(-1))
	if !ok1 || !ok2 {
		return f.m * max(math.Abs(dir.x), math.Abs(dir.y))
	}
	return (a1 + b1 + c1 + a2 + b2 + c2) / 7
}
