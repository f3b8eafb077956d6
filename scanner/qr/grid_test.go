package qr

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestAGridLiesOnItsCorners(t *testing.T) {
	c := [4]point{{10, 20}, {110, 30}, {120, 150}, {5, 100}}
	q, ok := newGrid(5, c)
	if !ok {
		t.Fatal("no grid")
	}
	d := float64(dimension(5)) - inset
	for i, p := range [4]point{{inset, inset}, {d, inset}, {d, d}, {inset, d}} {
		if got := q.at(p.x, p.y); distance(got, c[i]) > 1e-9 {
			t.Errorf("corner %d: got %v, want %v", i, got, c[i])
		}
	}
	// A straight line stays one.
	a, b, m := q.at(0, 0), q.at(30, 30), q.at(13, 13)
	if k := cross(b.sub(a), m.sub(a)); math.Abs(k) > 1e-6 {
		t.Errorf("the diagonal is bent by %v", k)
	}
	r, ok := q.through(30.5, 30.5, q.at(30.5, 30.5).add(point{2, -3}))
	if got := r.at(30.5, 30.5).sub(q.at(30.5, 30.5)); !ok || distance(got, point{2, -3}) > .02 {
		t.Errorf("through: moved by %v", got)
	}
	for _, c := range [][4]point{{}, {{0, 0}, {0, 10}, {10, 10}, {10, 0}}, {{0, 0}, {10, 0}, {2, 2}, {0, 10}}, {{0, 0}, {10, 0}, {20, 0}, {30, 0}}} {
		if _, ok := newGrid(1, c); ok {
			t.Errorf("%v make a grid", c)
		}
	}
}

// The fixed modules are what gozxing's encoder draws, in every version.
func TestPatternsAreTheStandards(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 1))
	for version := 1; version <= 40; version += stride {
		s := randomPrint(t, r, version, 'L')
		p := patternOf(version)
		n := 0
		for _, f := range append(p.all[:len(p.all):len(p.all)], p.alignment...) {
			if s.black(int(f.x), int(f.y)) != f.black {
				t.Errorf("version %d: module %v", version, f)
			}
			n++
		}
		if n < 3*64+2*(dimension(version)-16) {
			t.Errorf("version %d: %d fixed modules", version, n)
		}
	}
}

// Refining takes a grid that is off by most of a module to where the symbol lies.
func TestRefiningFits(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 1))
	for i := range 20 {
		s := one(t, r, 2+r.IntN(5), 5, 7*r.Float64(), .4*r.Float64())
		g := s.render(t, r)
		st := s.stickers[0]
		version := (st.dim - 17) / 4
		whole, _ := newGrid(version, st.corner)
		var c [4]point
		d := float64(st.dim)
		for k, p := range [4]point{{inset, inset}, {d - inset, inset}, {d - inset, d - inset}, {inset, d - inset}} {
			c[k] = whole.at(inset+p.x/d/whole.scale, inset+p.y/d/whole.scale)
		}
		truth, _ := newGrid(version, c)
		for k := range c {
			c[k] = c[k].add(point{r.Float64() - .5, r.Float64() - .5}.times(5))
		}
		q, _ := newGrid(version, c)
		q = q.refine(g, false, calm(t))
		for k := range c {
			most := 1.5
			if k == 2 {
				most = 3 // no finder pattern holds it
			}
			if e := distance(q.corner[k], truth.corner[k]); e > most {
				t.Errorf("picture %d, version %d: corner %d is off by %.1f of 5 pixels", i, version, k, e)
			}
		}
	}
}
