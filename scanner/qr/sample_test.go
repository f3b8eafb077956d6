package qr

import (
	"math/rand/v2"
	"testing"
)

func wrongBits(m *modules, p *imprint) (n int) {
	bits := m.bits()
	for y := range p.dim {
		for x := range p.dim {
			if bits.Get(x, y) != p.black(x, y) {
				n++
			}
		}
	}
	return n
}

// What blur has spread from module to module comes back.
func TestSharpTakesBlurAway(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 1))
	p := randomPrint(t, r, 5, 'M')
	side := 6 * float64(p.dim)
	s := &scene{w: int(side) + 60, h: int(side) + 60, blur: 3.6, stickers: []*sticker{{imprint: p, quiet: 4,
		corner: [4]point{{30, 30}, {30 + side, 30}, {30 + side, 30 + side}, {30, 30 + side}}}}}
	g := s.render(t, r)
	a, b := 30+inset*6, 30+side-inset*6
	q, _ := newGrid(5, [4]point{{a, a}, {b, a}, {b, b}, {a, b}})
	m, ok := q.sample(g)
	if !ok {
		t.Fatal("no sample")
	}
	before, after := wrongBits(m, p), wrongBits(m.sharp(.16, 8), p)
	t.Logf("%d modules wrong in the blur, %d without", before, after)
	if before < 20 || after > before/4 {
		t.Errorf("%d modules wrong in the blur, %d without", before, after)
	}
	out, _ := newGrid(5, [4]point{{a - 300, a}, {b - 300, a}, {b - 300, b}, {a - 300, b}})
	if _, ok := out.sample(g); ok {
		t.Error("a sample from outside the picture")
	}
}

func TestSampledBitsAreTheSymbols(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 1))
	p := randomPrint(t, r, 3, 'M')
	g := newGray(p.dim*4, p.dim*4)
	for i := range g.pix {
		if !p.black(i%g.w/4, i/g.w/4) {
			g.pix[i] = 255
		}
	}
	a, b := inset*4, float64(g.w)-inset*4
	q, _ := newGrid(3, [4]point{{a, a}, {b, a}, {b, b}, {a, b}})
	m, ok := q.sample(g)
	if !ok || wrongBits(m, p) > 0 {
		t.Error("grey levels: wrong modules")
	}
	bits := q.sampleBits(global(g, calm(t)))
	for y := range p.dim {
		for x := range p.dim {
			if bits.Get(x, y) != p.black(x, y) {
				t.Fatalf("bitmap: module %d,%d is wrong", x, y)
			}
		}
	}
}
