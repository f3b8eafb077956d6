package qr

import (
	"math"
	"slices"

	"github.com/makiuchi-d/gozxing"
)

// modules is the luminance of every module of a symbol, row by row.
type modules struct {
	dim    int
	v      []float32
	near   []float32 // half way between the lightest and the darkest module around
	lo, hi []float32 // the darkest and the lightest
}

// sample takes the luminance of every module: a mean of five places, of which the middle counts twice. Not if the grid
// leaves the picture by more than a module or two.
func (q *grid) sample(g *gray) (*modules, bool) {
	dim := dimension(q.version)
	out := 2 * q.module()
	for _, c := range q.outline() {
		if c.x < -out || c.y < -out || c.x > float64(g.w)+out || c.y > float64(g.h)+out {
			return nil, false
		}
	}
	m := &modules{dim: dim, v: make([]float32, dim*dim)}
	for y := range dim {
		for x := range dim {
			cx, cy := float64(x)+.5, float64(y)+.5
			s := 2*g.at(q.at(cx, cy)) + g.at(q.at(cx-.2, cy-.2)) + g.at(q.at(cx+.2, cy-.2)) +
				g.at(q.at(cx-.2, cy+.2)) + g.at(q.at(cx+.2, cy+.2))
			m.v[y*dim+x] = float32(s / 6)
		}
	}
	m.around(4)
	return m, true
}

// outline is the symbol's four corners in the picture, clockwise from the top left.
func (q *grid) outline() [4]point {
	d := float64(dimension(q.version))
	return [4]point{q.at(0, 0), q.at(d, 0), q.at(d, d), q.at(0, d)}
}

// around finds the darkest and the lightest module within r of each, in a square.
func (m *modules) around(r int) {
	dim := m.dim
	lo, hi := make([]float32, dim*dim), make([]float32, dim*dim)
	m.lo, m.hi, m.near = make([]float32, dim*dim), make([]float32, dim*dim), make([]float32, dim*dim)
	for y := range dim {
		row := m.v[y*dim:][:dim]
		for x := range row {
			a, b := float32(math.MaxFloat32), float32(-1)
			for _, f := range row[max(0, x-r):min(dim, x+r+1)] {
				a, b = min(a, f), max(b, f)
			}
			lo[y*dim+x], hi[y*dim+x] = a, b
		}
	}
	for y := range dim {
		y0, y1 := max(0, y-r), min(dim, y+r+1)
		for x := range dim {
			a, b := float32(math.MaxFloat32), float32(-1)
			for k := y0*dim + x; k < y1*dim; k += dim {
				a, b = min(a, lo[k]), max(b, hi[k])
			}
			i := y*dim + x
			m.lo[i], m.hi[i], m.near[i] = a, b, (a+b)/2
		}
	}
}

// sharp takes away again what blur has spread from each module to those beside it, the given part to either side: which
// modules, between the darkest and the lightest around, would look like these if they were blurred (van Cittert 1931, with
// the bounds that we know).
func (m *modules) sharp(part float32, rounds int) *modules {
	d := m.dim
	x := slices.Clone(m.v)
	t, y := make([]float32, d*d), make([]float32, d*d)
	for range rounds {
		spread(t, x, d, part)
		transpose(y, t, d)
		spread(t, y, d, part)
		transpose(y, t, d)
		for i := range x {
			x[i] = min(max(x[i]+m.v[i]-y[i], m.lo[i]), m.hi[i])
		}
	}
	return &modules{m.dim, x, m.near, m.lo, m.hi}
}

// spread gives part of each value to either neighbour in its row of d.
func spread(to, from []float32, d int, part float32) {
	for i := 0; i < len(from); i += d {
		row, o := from[i:i+d], to[i:i+d]
		for x := range row {
			o[x] = row[x] + part*(row[max(0, x-1)]+row[min(d-1, x+1)]-2*row[x])
		}
	}
}

func transpose(to, from []float32, d int) {
	for y := range d {
		for x := range d {
			to[x*d+y] = from[y*d+x]
		}
	}
}

// bits calls dark what is darker than half way.
func (m *modules) bits() *gozxing.BitMatrix {
	bits, err := gozxing.NewBitMatrix(m.dim, m.dim)
	if err != nil {
		return nil // only a dimension below one is an error
	}
	for i, v := range m.v {
		if v < m.near[i] {
			bits.Set(i%m.dim, i/m.dim)
		}
	}
	return bits
}

// sampleBits takes the modules from the bitmap, each by the vote of five places.
func (q *grid) sampleBits(m *bitmap) *gozxing.BitMatrix {
	dim := dimension(q.version)
	bits, err := gozxing.NewBitMatrix(dim, dim)
	if err != nil {
		return nil
	}
	at := func(x, y float64) int {
		p := q.at(x, y)
		return int(m.pix[min(max(int(p.y), 0), m.h-1)*m.w+min(max(int(p.x), 0), m.w-1)])
	}
	for y := range dim {
		for x := range dim {
			cx, cy := float64(x)+.5, float64(y)+.5
			if at(cx, cy)+at(cx-.2, cy-.2)+at(cx+.2, cy-.2)+at(cx-.2, cy+.2)+at(cx+.2, cy+.2) >= 3 {
				bits.Set(x, y)
			}
		}
	}
	return bits
}
