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

// candidates are the finders of which three make a symbol. Only triples count of which one is from or later and none is
// used.
type candidates struct {
	finders []finder
	used    []bool
	from    int
}

// triples makes guesses of the candidates, the most likely first: any three that stand like the corners of half a square
// seen at an angle, with the versions that their distance allows, if finder and timing patterns are where they ought to be.
func triples(g *gray, m *bitmap, c candidates, b *budget) []guess {
	fs, used := c.finders, c.used
	var out []guess
	for i := range fs {
		for j := i + 1; j < len(fs); j++ {
			if b.late() {
				return out
			}
			for k := max(j+1, c.from); k < len(fs); k++ {
				if used[i] || used[j] || used[k] {
					continue
				}
				lo, hi := min(fs[i].m, fs[j].m, fs[k].m), max(fs[i].m, fs[j].m, fs[k].m)
				if hi > 2.5*lo {
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
	if lu == 0 || lv == 0 || lu > 3*lv || lv > 3*lu || math.Abs(u.x*v.x+u.y*v.y) > .8*lu*lv {
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
	c := corners{tl.point, tr.point, bl.point}
	var out []guess
	for version := max(1, est-1-est/6); version <= min(40, est+1+est/6); version++ {
		if q, score := c.fit(g, version, wu, wv); score > 0 {
			out = append(out, guess{q, t, score})
		}
	}
	return out
}

type corners struct{ tl, tr, bl point }

// grid puts a symbol on the corners whose sides' near ends are larger than their far ends by the squares of wu and wv.
func (c corners) grid(version int, wu, wv float64) (grid, bool) {
	w := wu + wv - 1
	if w < .2 {
		return grid{}, false
	}
	free := c.tr.times(wu).add(c.bl.times(wv)).sub(c.tl).times(1 / w)
	return newGrid(version, [4]point{c.tl, c.tr, free, c.bl})
}

// fit finds the perspective in which the timing patterns of a version run best between the corners. The finders told it
// roughly, as wu across and wv down; the longer the timing pattern, the more exact it must be, and the more it tells.
// The score is 0 if finder or timing patterns are not there.
func (c corners) fit(g *gray, version int, wu, wv float64) (grid, float64) {
	q, ok := c.grid(version, wu, wv)
	if !ok {
		return q, 0
	}
	at := q.lookup(g)
	f, mid := q.finderLikeness(at)
	if f < .68 {
		return q, 0
	}
	l := likeness{finders: f}
	w := [2]float64{wu, wv}
	for i := range w {
		l.timing[i] = q.timingLikeness(i, at, mid)
		start := w[i]
		for _, k := range [...]float64{.96, 1.04, .92, 1.08, .86, 1.14, .8, 1.2, 1 / start} {
			if l.timing[i] > .93 {
				break
			}
			try := w
			try[i] = start * k
			r, ok := c.grid(version, try[0], try[1])
			if !ok {
				continue
			}
			r.bent, r.rows, r.cols, r.squeeze = q.bent, q.rows, q.cols, q.squeeze
			if s := r.timingLikeness(i, g.clamped, mid); s > l.timing[i]+.02 {
				l.timing[i], w, q = s, try, r
			}
		}
		if l.timing[i] < .75 && f > .8 {
			q.bow(i, &l.timing[i], g, mid)
		}
		if l.timing[i] < .55 {
			return q, 0
		}
	}
	if l.timing[0]+l.timing[1] < 1.2 {
		return q, 0
	}
	return q, l.sum()
}

// bow looks whether the timing pattern across (0) or down (1) runs in a bow, as on a bent label. So many tries find
// something likely by chance: only much better is better.
func (q *grid) bow(i int, likeness *float64, g *gray, mid [3]int) {
	best, at := max(.8, *likeness+.15), *q
	for _, off := range [...]float64{0, -1, 1, -2, 2, -3, 3, -4, 4, -.5, .5} {
		for _, along := range [...]point{{0, 0}, {-.5, 0}, {.5, 0}, {0, .05}, {0, .1}} {
			r := *q
			r.bent = true
			if i == 0 {
				r.rows, r.squeeze.x = point{along.x, off}.times(q.scale), along.y
			} else {
				r.cols, r.squeeze.y = point{off, along.x}.times(q.scale), along.y
			}
			if s := r.timingLikeness(i, g.clamped, mid); s > best {
				best, at = s, r
				*likeness = s
			}
		}
	}
	*q = at
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
