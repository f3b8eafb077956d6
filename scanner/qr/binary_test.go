package qr

import (
	"math/rand/v2"
	"testing"
)

func TestDarkerIsTheSameEightAtOnceAndOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	src, below, dst := make([]byte, 1003), make([]byte, 1003), make([]byte, 1003)
	for range 200 {
		for i := range src {
			src[i], below[i], dst[i] = byte(r.IntN(256)), byte(r.IntN(256)), 7
			if r.IntN(4) == 0 {
				below[i] = src[i] + byte(r.IntN(3)) - 1
			}
		}
		darker(dst, src, below)
		for i := range src {
			want := byte(0)
			if src[i] < below[i] {
				want = 1
			}
			if dst[i] != want {
				t.Fatalf("%d < %d: got %d", src[i], below[i], dst[i])
			}
		}
	}
}

func TestBlocksAreMeans(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 1))
	for _, size := range [][2]int{{21, 21}, {32, 24}, {33, 26}, {43, 39}, {4, 4}, {1, 1}} {
		g := newGray(size[0], size[1])
		for i := range g.pix {
			g.pix[i] = byte(r.IntN(256))
		}
		o := g.blocks(calm(t))
		for by := range o.h {
			for bx := range o.w {
				sum, n := 0, 0
				for y := by * block; y < min(g.h, by*block+block); y++ {
					for x := bx * block; x < min(g.w, bx*block+block); x++ {
						sum, n = sum+int(g.row(y)[x]), n+1
					}
				}
				if got, want := int(o.row(by)[bx]), (sum+n/2)/n; got != want {
					t.Errorf("%v: block %d,%d: got %d, want %d", size, bx, by, got, want)
				}
			}
		}
	}
}

// A board of black and white squares that lie in light that falls off to a tenth.
func TestAdaptiveFollowsTheLight(t *testing.T) {
	g := newGray(300, 200)
	for i := range g.pix {
		x, y := i%300, i/300
		light := 250 - 225*x/300
		if (x/10+y/10)%2 == 0 {
			light /= 3
		}
		g.pix[i] = byte(light)
	}
	m := adaptive(g, 25, 13, calm(t))
	wrong := 0
	for i, v := range m.pix {
		x, y := i%300, i/300
		if (v == 1) != ((x/10+y/10)%2 == 0) {
			wrong++
		}
	}
	if wrong > len(m.pix)/50 {
		t.Errorf("%d of %d pixels are wrong", wrong, len(m.pix))
	}
	if m := global(g, calm(t)); m.pix[5*300+15] != 0 || m.pix[5*300+285] != 1 {
		t.Error("one threshold for all is not one threshold")
	}
}

func TestPlainPaperIsWhite(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	g := newGray(200, 200)
	for i := range g.pix {
		g.pix[i] = byte(197 + r.IntN(7))
	}
	for i, v := range broad(g, calm(t)).pix {
		if v != 0 {
			t.Fatalf("pixel %d is black", i)
		}
	}
}
