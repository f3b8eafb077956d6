package qr

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// tiled is the picture that holds gozxing's readers for minutes: finder patterns of one-pixel modules, every nine pixels.
func tiled(size int) *gray {
	g := newGray(size, size)
	for y := range size {
		for x := range size {
			r := chebyshev(x%9-4, y%9-4)
			if r == 4 || r == 2 {
				g.pix[y*size+x] = 255
			}
		}
	}
	return g
}

// codeless are pictures that have no code, many of them made of what codes are made of.
func codeless() map[string]*gray {
	r := rand.New(rand.NewPCG(3, 3))
	draw := func(w, h int, f func(x, y int) float64) *gray {
		g := newGray(w, h)
		for y := range h {
			for x := range w {
				g.pix[y*w+x] = byte(min(max(255*f(x, y), 0), 255))
			}
		}
		return g
	}
	text, wood := textLike(r, 2), cloud(r, 40)
	ps := map[string]*gray{
		"white":        draw(640, 480, func(x, y int) float64 { return 1 }),
		"black":        draw(640, 480, func(x, y int) float64 { return 0 }),
		"noise":        draw(640, 480, func(x, y int) float64 { return r.Float64() }),
		"pixels":       draw(640, 480, func(x, y int) float64 { return float64(r.IntN(2)) }),
		"stripes":      draw(640, 480, func(x, y int) float64 { return float64(x / 5 % 2) }),
		"slanted":      draw(640, 480, func(x, y int) float64 { return float64((x + 2*y) / 7 % 2) }),
		"checkerboard": draw(640, 480, func(x, y int) float64 { return float64((x/8 + y/8) % 2) }),
		"fine board":   draw(640, 480, func(x, y int) float64 { return float64((x + y) % 2) }),
		"gradient":     draw(640, 480, func(x, y int) float64 { return float64(x) / 640 }),
		"text":         draw(640, 480, func(x, y int) float64 { return text(float64(x), float64(y)) }),
		"wood":         draw(640, 480, func(x, y int) float64 { return wood(float64(x), float64(y)) }),
		"finders":      tiled(540),
		"rings":        draw(640, 480, func(x, y int) float64 { return .5 + .5*math.Sin(math.Hypot(float64(x-320), float64(y-240))/3) }),
		"halftone": draw(640, 480, func(x, y int) float64 {
			return .5 + .25*math.Sin(float64(x)/2)*math.Sin(float64(y)/2) + wood(float64(x), float64(y)) - .5
		}),
		"barcode":        nil,
		"random finders": nil,
		"blocks":         nil,
		"large noise":    draw(1920, 1080, func(x, y int) float64 { return r.Float64() }),
		"large pixels":   draw(1400, 1400, func(x, y int) float64 { return float64(r.IntN(2)) }),
		"large finders":  tiled(1440),
	}
	bars := make([]float64, 640)
	for x := 0; x < 640; {
		c := float64(r.IntN(2))
		for n := 2 + r.IntN(6); n > 0 && x < 640; n-- {
			bars[x] = c
			x++
		}
	}
	ps["barcode"] = draw(640, 480, func(x, y int) float64 { return bars[x] })
	// Modules at random with finder patterns at random, as of codes that were cut up.
	cut := make([]byte, 160*120)
	for i := range cut {
		cut[i] = byte(r.IntN(2))
	}
	ps["blocks"] = draw(640, 480, func(x, y int) float64 { return float64(cut[y/4*160+x/4]) })
	cut = slices.Clone(cut)
	for range 24 {
		cx, cy := 4+r.IntN(152), 4+r.IntN(112)
		for y := -4; y <= 4; y++ {
			for x := -4; x <= 4; x++ {
				k := chebyshev(x, y)
				cut[(cy+y)*160+cx+x] = byte(k / 2 % 2 * 1)
				if k == 0 || k == 1 || k == 3 {
					cut[(cy+y)*160+cx+x] = 0
				} else {
					cut[(cy+y)*160+cx+x] = 1
				}
			}
		}
	}
	ps["random finders"] = draw(640, 480, func(x, y int) float64 { return float64(cut[y/4*160+x/4]) })
	return ps
}

func TestPicturesWithoutACode(t *testing.T) {
	for name, g := range codeless() {
		start := time.Now()
		codes, err := Decode(t.Context(), g.image())
		d := time.Since(start)
		if err != nil || len(codes) > 0 {
			t.Errorf("%s: read %v, %v", name, codes, err)
		}
		fmt.Printf("%-16s %8.2f ms\n", name, d.Seconds()*1e3)
	}
}

func TestAllCodesOfAPicture(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	found, all := 0, 0
	for round := range 20 {
		s := &scene{w: 900, h: 620, ground: cloud(r, 90), noise: 3, blur: .6}
		want := map[string]bool{}
		for i := range 2 + round%5 {
			v := 1 + r.IntN(6)
			p := randomPrint(t, r, v, 'M')
			c := point{150 + 300*float64(i%3), 155 + 310*float64(i/3)}
			side := (2.5 + 2*r.Float64()) * float64(p.dim)
			s.stickers = append(s.stickers, &sticker{imprint: p, corner: quad(r, c, min(side, 170), 7*r.Float64(), .4*r.Float64()), quiet: 4})
			want[p.text] = true
		}
		g := s.render(r)
		start := time.Now()
		codes, err := Decode(t.Context(), g.image())
		d := time.Since(start)
		if err != nil {
			t.Fatal(err)
		}
		all += len(want)
		for _, c := range codes {
			if !want[c.Text] {
				t.Errorf("round %d: read %q", round, c.Text)
			}
			delete(want, c.Text)
			found++
			b := image.Rectangle{c.Corners[0], c.Corners[2]}.Canon()
			if b.Empty() {
				t.Errorf("round %d: corners %v", round, c.Corners)
			}
		}
		if len(want) > 0 {
			t.Logf("round %d: %d codes, %d missed, %v", round, 2+round%5, len(want), d)
		}
	}
	fmt.Println("several", found, all)
}
