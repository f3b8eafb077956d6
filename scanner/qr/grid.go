package qr

import (
	"math"
	"slices"
	"sync"

	"github.com/makiuchi-d/gozxing/qrcode/decoder"
)

type point struct{ x, y float64 }

func (p point) add(q point) point     { return point{p.x + q.x, p.y + q.y} }
func (p point) sub(q point) point     { return point{p.x - q.x, p.y - q.y} }
func (p point) times(f float64) point { return point{p.x * f, p.y * f} }
func (p point) length() float64       { return math.Hypot(p.x, p.y) }
func cross(p, q point) float64        { return p.x*q.y - p.y*q.x }
func distance(p, q point) float64     { return p.sub(q).length() }
func dimension(version int) int       { return 17 + 4*version }
func chebyshev(x, y int) int          { return max(x, -x, y, -y) }

// A grid is where the modules of a symbol lie in the picture: a plane seen in perspective. Its corners are the centres of
// the three finder patterns and of where a fourth one would be, clockwise from the top left as the symbol is printed.
// The centre of the module in column x, row y is at(x+0.5, y+0.5).
type grid struct {
	version int
	corner  [4]point
	// the homography from the square of the corners' inside: (a·s+b·t+c, d·s+e·t+f) / (g·s+h·t+1)
	a, b, c, d, e, f, g, h float64
	scale                  float64 // 1/(distance of two corners in modules)
	// The paper may be bent: half way between two corners the modules lie off by so much of the side, the rows' by rows,
	// the columns' by cols, and in between as a parabola has it; and towards the edges, where a cylinder turns away, they are
	// squeezed.
	bent                bool
	rows, cols, squeeze point
}

// inset is how far the centre of a finder pattern is from the symbol's edges, in modules.
const inset = 3.5

// newGrid puts the grid's corners on four points; not if they do not make a convex quadrilateral.
func newGrid(version int, corner [4]point) (grid, bool) {
	q := grid{version: version, corner: corner, scale: 1 / (float64(dimension(version)) - 2*inset)}
	for i := range 4 {
		if cross(corner[(i+1)&3].sub(corner[i]), corner[(i+2)&3].sub(corner[(i+1)&3])) <= 0 {
			return q, false
		}
	}
	// Heckbert, Fundamentals of Texture Mapping, 1989, section 2.2.3: unit square to quadrilateral.
	p0, p1, p2, p3 := corner[0], corner[1], corner[2], corner[3]
	s := p0.sub(p1).add(p2).sub(p3)
	d1, d2 := p1.sub(p2), p3.sub(p2)
	det := cross(d1, d2)
	q.g = cross(s, d2) / det
	q.h = cross(d1, s) / det
	q.a, q.b, q.c = p1.x-p0.x+q.g*p1.x, p3.x-p0.x+q.h*p3.x, p0.x
	q.d, q.e, q.f = p1.y-p0.y+q.g*p1.y, p3.y-p0.y+q.h*p3.y, p0.y
	// The symbol's edges lie beyond the corners, and must lie on this side of the horizon.
	out := inset * q.scale
	w := 1 + min(q.g*-out, q.g*(1+out)) + min(q.h*-out, q.h*(1+out))
	return q, w > .05
}

func (q *grid) at(x, y float64) point {
	s, t := (x-inset)*q.scale, (y-inset)*q.scale
	if q.bent {
		s, t = q.bend(s, t)
	}
	w := 1 / (q.g*s + q.h*t + 1)
	return point{(q.a*s + q.b*t + q.c) * w, (q.d*s + q.e*t + q.f) * w}
}

func (q *grid) bend(s, t float64) (float64, float64) {
	ps, pt := 4*s*(1-s), 4*t*(1-t)
	return s + ps*(q.rows.x+(2*s-1)*q.squeeze.x) + pt*q.cols.x, t + ps*q.rows.y + pt*(q.cols.y+(2*t-1)*q.squeeze.y)
}

// moved is the grid with other corners.
func (q *grid) moved(corner [4]point) (grid, bool) {
	r, ok := newGrid(q.version, corner)
	r.bent, r.rows, r.cols, r.squeeze = q.bent, q.rows, q.cols, q.squeeze
	return r, ok
}

// module is the size of a module in the picture's pixels, on average.
func (q *grid) module() float64 {
	return (distance(q.corner[0], q.corner[1]) + distance(q.corner[0], q.corner[3])) / 2 * q.scale
}

// A fixed module is one that every symbol of a version has in the same colour (ISO/IEC 18004, 6.3).
type fixed struct {
	x, y  float64 // its centre
	black bool
}

// pattern is what is fixed in the symbols of one version.
type pattern struct {
	finder    [3][]fixed // top left, top right, bottom left, with their separators
	timing    [2][]fixed // across and down, from one finder pattern to the other
	alignment []fixed
	all       []fixed // of these; of the alignment patterns of large versions only a part, evenly
}

const maxAlignment = 300

var patterns [41]struct {
	once sync.Once
	p    pattern
}

func patternOf(version int) *pattern {
	e := &patterns[version]
	e.once.Do(func() { e.p = newPattern(version) })
	return &e.p
}

func newPattern(version int) pattern {
	var p pattern
	dim := dimension(version)
	put := func(l *[]fixed, x, y int, black bool) {
		*l = append(*l, fixed{float64(x) + .5, float64(y) + .5, black})
	}
	for i, at := range [3][2]int{{3, 3}, {dim - 4, 3}, {3, dim - 4}} {
		for y := -4; y <= 4; y++ {
			for x := -4; x <= 4; x++ {
				if cx, cy := at[0]+x, at[1]+y; cx >= 0 && cy >= 0 && cx < dim && cy < dim {
					r := chebyshev(x, y)
					put(&p.finder[i], cx, cy, r != 2 && r != 4)
				}
			}
		}
	}
	for i := 8; i < dim-8; i++ {
		put(&p.timing[0], i, 6, i%2 == 0)
		put(&p.timing[1], 6, i, i%2 == 0)
	}
	v, err := decoder.Version_GetVersionForNumber(version)
	if err != nil {
		return p // no version beyond 40 is asked for
	}
	at := v.GetAlignmentPatternCenters()
	for _, cy := range at {
		for _, cx := range at {
			if cx == 6 && cy == 6 || cx == 6 && cy == dim-7 || cx == dim-7 && cy == 6 {
				continue // a finder pattern is there
			}
			for y := -2; y <= 2; y++ {
				for x := -2; x <= 2; x++ {
					put(&p.alignment, cx+x, cy+y, chebyshev(x, y) != 1)
				}
			}
		}
	}
	p.all = slices.Concat(p.finder[0], p.finder[1], p.finder[2], p.timing[0], p.timing[1])
	step := 1 + len(p.alignment)/maxAlignment
	for i := 0; i < len(p.alignment); i += step {
		p.all = append(p.all, p.alignment[i])
	}
	return p
}

// contrast is by how much the fixed modules' white is lighter than their black where the grid says they lie. It is largest
// where the grid fits, and falls off within half a module.
func (q *grid) contrast(g *gray) float64 {
	var sum, n [2]float64
	for _, f := range patternOf(q.version).all {
		k := 0
		if f.black {
			k = 1
		}
		sum[k] += g.at(q.at(f.x, f.y))
		n[k]++
	}
	return sum[0]/n[0] - sum[1]/n[1]
}

// A likeness is how many of the fixed modules have their colour where the grid says they lie: half of them is chance.
type likeness struct {
	finders float64
	timing  [2]float64
}

func (l likeness) sum() float64 { return l.finders + (l.timing[0]+l.timing[1])/2 }

// lookup is how to look up the picture: without a check where the grid lies in it as a whole.
func (q *grid) lookup(g *gray) func(point) byte {
	for _, c := range q.outline() {
		if c.x < 2 || c.y < 2 || c.x >= float64(g.w-2) || c.y >= float64(g.h-2) {
			return g.clamped
		}
	}
	return g.nearest
}

// finderLikeness also says what is half way between black and white at each finder pattern. It is zero as soon as one of
// the three is too unlike: most guesses are wrong.
func (q *grid) finderLikeness(at func(point) byte) (share float64, mid [3]int) {
	p := patternOf(q.version)
	right, n := 0, 0
	for i := range p.finder {
		var v [81]byte
		var sum, count [2]int
		for j, f := range p.finder[i] {
			v[j] = at(q.at(f.x, f.y))
			k := 0
			if f.black {
				k = 1
			}
			sum[k] += int(v[j])
			count[k]++
		}
		white, black := sum[0]/count[0], sum[1]/count[1]
		if white-black < 6 {
			return 0, mid
		}
		mid[i] = (white + black) / 2
		r := 0
		for j, f := range p.finder[i] {
			if int(v[j]) < mid[i] == f.black {
				r++
			}
		}
		if 100*r < 62*len(p.finder[i]) {
			return 0, mid
		}
		right += r
		n += len(p.finder[i])
	}
	return float64(right) / float64(n), mid
}

// timingLikeness is that of the timing pattern across (0) or down (1).
func (q *grid) timingLikeness(i int, at func(point) byte, mid [3]int) float64 {
	l := patternOf(q.version).timing[i]
	right := 0
	for j, f := range l {
		t := mid[0] + (mid[i+1]-mid[0])*j/len(l)
		if int(at(q.at(f.x, f.y))) < t == f.black {
			right++
		}
	}
	return float64(right) / float64(len(l))
}

// align looks for the alignment pattern next to the free corner, near where the grid expects it, and moves that corner so
// that it fits.
func (q *grid) align(g *gray, b *budget) (grid, bool) {
	dim := float64(dimension(q.version))
	c := dim - 6.5
	e := q.at(c, c)
	var off [25]point
	var weight [25]float64
	for i := range off {
		x, y := i%5-2, i/5-2
		off[i] = q.at(c+float64(x), c+float64(y)).sub(e)
		if chebyshev(x, y) == 1 {
			weight[i] = 1. / 8
		} else {
			weight[i] = -1. / 17
		}
	}
	m := q.module()
	reach := m * max(4, dim*.09)
	fit := func(p point) float64 {
		s := 0.0
		for i, o := range off {
			s += weight[i] * g.at(p.add(o))
		}
		return s - 6*distance(p, e)/reach
	}
	best, at := fit(e), e
	step := max(1, m/2.5)
	for y := -reach; y <= reach; y += step {
		if b.late() {
			return *q, false
		}
		for x := -reach; x <= reach; x += step {
			p := e.add(point{x, y})
			if s := fit(p); s > best {
				best, at = s, p
			}
		}
	}
	for step > .2 {
		step /= 2
		for _, d := range [4]point{{step, 0}, {-step, 0}, {0, step}, {0, -step}} {
			if s := fit(at.add(d)); s > best {
				best, at = s, at.add(d)
			}
		}
	}
	return q.through(c, c, at)
}

// through is the grid with its free corner moved such that (x, y) comes to lie on p.
func (q *grid) through(x, y float64, p point) (grid, bool) {
	r, ok := *q, true
	for range 6 { // Newton on the two coordinates of the corner
		d := p.sub(r.at(x, y))
		if d.length() < .01 {
			break
		}
		const h = .5
		try := func(step point) point {
			c := r.corner
			c[2] = c[2].add(step)
			if t, ok := q.moved(c); ok {
				return t.at(x, y).sub(r.at(x, y)).times(1 / h)
			}
			return point{}
		}
		u, v := try(point{h, 0}), try(point{0, h})
		det := cross(u, v)
		if math.Abs(det) < 1e-6 {
			return *q, false
		}
		c := r.corner
		c[2] = c[2].add(point{cross(d, v) / det, cross(u, d) / det})
		if r, ok = q.moved(c); !ok {
			return *q, false
		}
	}
	return r, true
}

// refine moves the corners, one at a time, as long as the contrast grows; and bends the grid, if it may.
func (q *grid) refine(g *gray, bend bool, b *budget) grid {
	const rounds = 14
	best := *q
	best.bent = best.bent || bend
	contrast := best.contrast(g)
	step := q.module() / 2
	better := false
	try := func(t grid, ok bool) {
		if ok {
			if v := t.contrast(g); v > contrast+1e-6 {
				best, contrast, better = t, v, true
			}
		}
	}
	for range rounds {
		better = false
		for i := range 4 {
			if b.late() {
				return best
			}
			s := step
			if i == 2 {
				s *= 2 // the corner that no finder pattern holds
			}
			for _, d := range [4]point{{s, 0}, {-s, 0}, {0, s}, {0, -s}} {
				c := best.corner
				c[i] = c[i].add(d)
				try(best.moved(c))
			}
		}
		if best.bent {
			s := step / q.module() * q.scale
			for _, d := range [4]point{{s, 0}, {-s, 0}, {0, s}, {0, -s}} {
				t := best
				t.rows = t.rows.add(d)
				try(t, true)
				t = best
				t.cols = t.cols.add(d)
				try(t, true)
				t = best
				t.squeeze = t.squeeze.add(d)
				try(t, true)
			}
		}
		if !better {
			if step /= 2; step < q.module()*.06 {
				break
			}
		}
	}
	return best
}
