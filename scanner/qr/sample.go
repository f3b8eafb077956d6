package qr

import (
	"math"

	"github.com/makiuchi-d/gozxing"
)

// modules is the luminance of every module of a symbol, row by row.
type modules struct {
	dim  int
	v    []float32
	near []float32 // half way between the lightest and the darkest module around
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
	m.near = midway(m.v, dim, 4)
	return m, true
}

// outline is the symbol's four corners in the picture, clockwise from the top left.
func (q *grid) outline() [4]point {
	d := float64(dimension(q.version))
	return [4]point{q.at(0, 0), q.at(d, 0), q.at(d, d), q.at(0, d)}
}

// midway is half way between the least and the greatest value within r of each, in a square of dim×dim.
func midway(v []float32, dim, r int) []float32 {
	lo, hi, mid := make([]float32, dim*dim), make([]float32, dim*dim), make([]float32, dim*dim)
	for y := range dim {
		row := v[y*dim:][:dim]
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
			mid[y*dim+x] = (a + b) / 2
		}
	}
	return mid
}

// sharp is the modules with what they took on from their neighbours taken away again: blur spreads a part of each module
// to the four next to it.
func (m *modules) sharp(part float32) *modules {
	o := &modules{m.dim, make([]float32, len(m.v)), m.near}
	d := m.dim
	for y := range d {
		for x := range d {
			i := y*d + x
			s, n := float32(0), float32(0)
			if x > 0 {
				s, n = s+m.v[i-1], n+1
			}
			if x < d-1 {
				s, n = s+m.v[i+1], n+1
			}
			if y > 0 {
				s, n = s+m.v[i-d], n+1
			}
			if y < d-1 {
				s, n = s+m.v[i+d], n+1
			}
			o.v[i] = m.v[i] + 4*part*(m.v[i]-s/n)
		}
	}
	return o
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
