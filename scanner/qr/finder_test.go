package qr

import (
	"math/rand/v2"
	"testing"
)

func TestEdgesOfARow(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	for range 500 {
		row := make([]byte, r.IntN(70))
		v := byte(r.IntN(2))
		for i := range row {
			if r.IntN(6) == 0 {
				v ^= 1
			}
			row[i] = v
		}
		var want []int32
		last := byte(0)
		for i, v := range row {
			if v != last {
				want = append(want, int32(i))
			}
			last = v
		}
		got := make([]int32, len(row)+8)
		n := edges(got, row)
		if n != len(want) || got[n] != int32(len(row)) {
			t.Fatalf("%v: %d edges, want %v", row, n, want)
		}
		for i, e := range want {
			if got[i] != e {
				t.Fatalf("%v: got %v, want %v", row, got[:n], want)
			}
		}
	}
}

// The finders of a symbol are the best candidates, at its corners, whichever way it is turned.
func TestFindersAreAtTheCorners(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 1))
	for i := range 24 {
		s := one(t, r, 1+r.IntN(8), 3+2*r.Float64(), float64(i)*.3, .4*r.Float64())
		g := s.render(t, r)
		fs := broad(g, calm(t)).finders(1, calm(t))
		st := s.stickers[0]
		d := float64(st.dim)
		q, ok := newGrid((st.dim-17)/4, st.corner)
		if !ok {
			t.Fatal("corners")
		}
		for _, c := range [3]point{{inset, inset}, {d - inset, inset}, {inset, d - inset}} {
			// The grid's corners are the symbol's here, and not its finders'.
			want := q.at(inset+c.x/d/q.scale, inset+c.y/d/q.scale)
			near := false
			for _, f := range fs[:min(3, len(fs))] {
				near = near || distance(f.point, want) < q.module()
			}
			if !near {
				t.Errorf("picture %d: none of %v is at %v", i, fs[:min(3, len(fs))], want)
			}
		}
	}
}

func TestFindersAreBounded(t *testing.T) {
	if n := len(broad(tiled(540), calm(t)).finders(1, calm(t))); n > maxFinders {
		t.Errorf("%d finders; want at most %d", n, maxFinders)
	}
}

// What has the five runs across and down alone is none: a cross, as print may have it.
func TestACrossIsNoFinder(t *testing.T) {
	g := newGray(100, 100)
	for i := range g.pix {
		g.pix[i] = 255
		x, y := i%100-50, i/100-50
		if max(x, -x) <= 1 || max(y, -y) <= 1 {
			if k := chebyshev(x, y); k <= 7 || k > 12 && k <= 17 {
				g.pix[i] = 0
			}
		}
	}
	if fs := broad(g, calm(t)).finders(1, calm(t)); len(fs) > 0 {
		t.Errorf("found %v", fs)
	}
}
