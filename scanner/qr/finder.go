package qr

import (
	"cmp"
	"math"
	"slices"
)

// A finder is what looks like the centre of a finder pattern (ISO/IEC 18004, 6.3.3): dark and light runs of
// 1:1:3:1:1 modules in a line across and in a line down.
type finder struct {
	point
	m    float64 // size of a module along the axes of the picture
	hits int     // lines that found it
	ring float64 // how much it looks like one in all directions, at most 1
}

const (
	maxFinders = 24  // go into the search for triples: 2,024 of these
	maxRetired = 256 // are kept while the lines pass, the better ones beyond that
	minRing    = .5
)

// runs5 says whether five runs are those of a finder pattern, and how large a module is. tol is how far a run may be off,
// in modules.
func runs5(runs [5]int, tol float64) (float64, bool) {
	a, b, c, d, e := runs[0], runs[1], runs[2], runs[3], runs[4]
	t := a + b + c + d + e
	if t < 7 {
		return 0, false
	}
	m := float64(t) / 7
	v := m*tol + .5
	if math.Abs(float64(a)-m) >= v || math.Abs(float64(b)-m) >= v || math.Abs(float64(d)-m) >= v || math.Abs(float64(e)-m) >= v {
		return 0, false
	}
	return m, math.Abs(float64(c)-3*m) < 2.1*m*tol+1
}

// cross looks along one axis through a black pixel at offset i (stride apart, from lo to hi exclusive) for the five runs,
// none longer than about limit, and returns how far the middle of the inner square is from the centre of the pixel.
func (m *bitmap) cross(i, stride, before, after int, limit float64) (off, module float64, ok bool) {
	if m.pix[i] == 0 {
		return 0, 0, false
	}
	most := int(limit*5) + 3
	var l, r [3]int
	for k, j, want := 0, i, byte(1); k < 3; k, want = k+1, want^1 {
		for l[k] < most && before >= 0 && m.pix[j] == want {
			l[k]++
			before--
			j -= stride
		}
		if l[k] == 0 {
			return 0, 0, false
		}
	}
	for k, j, want := 0, i+stride, byte(1); k < 3; k, want = k+1, want^1 {
		for r[k] < most && after > 0 && m.pix[j] == want {
			r[k]++
			after--
			j += stride
		}
		if k > 0 && r[k] == 0 {
			return 0, 0, false
		}
	}
	module, ok = runs5([5]int{l[2], l[1], l[0] + r[0], r[1], r[2]}, .6)
	return (float64(r[0]-l[0]) + 1) / 2, module, ok
}

// finders searches lines across, step apart, and returns the best candidates, best first.
func (m *bitmap) finders(step int, b *budget) []finder {
	var active, retired []finder
	edge := make([]int32, m.w+8)
	for y := step / 2; y < m.h && !b.late(); y += step {
		// Candidates that the lines have left behind merge with nothing any more.
		active = slices.DeleteFunc(active, func(f finder) bool {
			gone := f.y+3*f.m+2*float64(step) < float64(y)
			if gone {
				retired = append(retired, f)
			}
			return gone
		})
		if len(retired) > maxRetired {
			retired = bestFinders(retired, maxRetired/2, step)
		}

		n := edges(edge, m.row(y))
		for k := 0; k+5 <= n; k += 2 {
			e := edge[k : k+6 : k+6]
			ra, rb, rc, rd, re := int(e[1]-e[0]), int(e[2]-e[1]), int(e[3]-e[2]), int(e[4]-e[3]), int(e[5]-e[4])
			// The cheap test first: the middle is the longest by far in all but a few.
			if rc < rb || rc < rd || rc+1 < ra || rc+1 < re {
				continue
			}
			mh, ok := runs5([5]int{ra, rb, rc, rd, re}, .5)
			if !ok {
				continue
			}
			x := int(e[2]) + rc/2
			dy, mv, ok := m.cross(y*m.w+x, m.w, y, m.h-1-y, mh)
			if !ok || mv > 2.2*mh || mh > 2.2*mv {
				continue
			}
			cy := min(max(int(float64(y)+.5+dy), 0), m.h-1)
			dx, mh, ok := m.cross(cy*m.w+x, 1, x, m.w-1-x, mh)
			if !ok {
				continue
			}
			f := finder{point: point{float64(x) + .5 + dx, float64(y) + .5 + dy}, m: (mh + mv) / 2, hits: 1}
			if !merge(active, f) && len(active) < maxRetired {
				active = append(active, f)
			}
		}
	}
	all := append(retired, active...)
	for i := range all {
		all[i].ring = m.ring(all[i])
	}
	all = slices.DeleteFunc(all, func(f finder) bool { return f.ring < minRing })
	return bestFinders(all, maxFinders, step)
}

// ring is for how many of sixteen directions the way from the centre out goes through black, white and black in about the
// proportions of 3:2:2. Lines of print pass the crosses at times, but hardly this.
func (m *bitmap) ring(f finder) float64 {
	n := 0
	for i := range 16 {
		a, b, c, ok := m.ray(f, compass[i])
		if t := a + b + c; ok && math.Abs(a-t*3/7) < t*.16 && math.Abs(b-t*2/7) < t*.14 && math.Abs(c-t*2/7) < t*.14 {
			n++
		}
	}
	return float64(n) / 16
}

var compass = func() (d [16]point) {
	for i := range d {
		s, c := math.Sincos(float64(i) * math.Pi / 8)
		d[i] = point{c, s}
	}
	return d
}()

// ray is how far it goes from a finder's centre through black, white and black, before it is white again or the picture ends.
func (m *bitmap) ray(f finder, dir point) (a, b, c float64, ok bool) {
	const step = .5
	d := dir.times(step)
	p := f.point
	var runs [3]float64
	k, want := 0, byte(1)
	for range int(f.m*7/step) + 2 {
		x, y := int(math.Floor(p.x)), int(math.Floor(p.y))
		inside := x >= 0 && y >= 0 && x < m.w && y < m.h
		if !inside {
			return runs[0], runs[1], runs[2], k == 2
		}
		if m.pix[y*m.w+x] != want {
			want ^= 1
			if k++; k == 3 {
				return runs[0], runs[1], runs[2], true
			}
		}
		runs[k] += step
		p = p.add(d)
	}
	return runs[0], runs[1], runs[2], false
}

// edges tells where the runs of a row begin, the first black one first, so that black ones have even numbers, and after
// the last where the row ends; and how many there are.
func edges(edge []int32, row []byte) (n int) {
	last := byte(0)
	for x, v := range row { // no branch: it would be guessed wrong
		edge[n] = int32(x)
		n += int(v ^ last)
		last = v
	}
	edge[n] = int32(len(row))
	return n
}

// merge adds a sighting to the candidate it belongs to.
func merge(fs []finder, f finder) bool {
	for i := range fs {
		c := &fs[i]
		if math.Abs(c.x-f.x) < 1.5*c.m && math.Abs(c.y-f.y) < 1.5*c.m && f.m < 1.6*c.m && c.m < 1.6*f.m {
			n := float64(c.hits)
			c.x, c.y, c.m = (c.x*n+f.x)/(n+1), (c.y*n+f.y)/(n+1), (c.m*n+f.m)/(n+1)
			c.hits++
			return true
		}
	}
	return false
}

// bestFinders keeps the n best: those that look like rings, and that most of the lines through their inner square, three
// modules high, have seen.
func bestFinders(fs []finder, n, step int) []finder {
	worth := func(f finder) float64 {
		return f.ring + min(1, float64(f.hits*step)/(2.5*f.m))*(1+.1*math.Sqrt(f.m))
	}
	slices.SortStableFunc(fs, func(a, b finder) int { return cmp.Compare(worth(b), worth(a)) })
	return fs[:min(n, len(fs))]
}
