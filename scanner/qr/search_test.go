package qr

import (
	"image"
	"image/draw"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
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
	n := 0
	for name, g := range codeless() { // in no order, so that with a stride they take turns
		if n++; n%stride > 0 || raceEnabled && strings.HasPrefix(name, "large ") {
			continue
		}
		codes, err := decode(g.image(), calm(t)) // whatever time there is
		if err != nil || len(codes) > 0 {
			t.Errorf("%s: read %v, %v", name, codes, err)
		}
	}
}

// No picture takes longer than Limit, not even the one that holds gozxing's own readers for minutes.
func TestNoPictureTakesLongerThanTheLimit(t *testing.T) {
	for name, g := range codeless() {
		least := time.Hour
		for range 5 { // a busy machine may be late itself
			start := time.Now()
			if _, err := Decode(t.Context(), g.image()); err != nil {
				t.Fatal(err)
			}
			if least = min(least, time.Since(start)); least <= Limit {
				break
			}
		}
		if least > Limit {
			t.Errorf("%s took %v", name, least)
		}
		t.Logf("%-16s %6.1f ms", name, least.Seconds()*1e3)
	}
}

// A large picture is scaled down within the limit, too.
func TestALargePictureKeepsToTheLimit(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 8000, 5000))
	rand.NewChaCha8([32]byte{17, 1}).Read(img.Pix)
	least := time.Hour
	for range 5 {
		start := time.Now()
		if _, err := Decode(t.Context(), img); err != nil {
			t.Fatal(err)
		}
		if least = min(least, time.Since(start)); least <= Limit {
			break
		}
	}
	if least > Limit {
		t.Errorf("took %v", least)
	}
}

// Two to six codes in one picture are all read, each once, with their places.
func TestAllCodesOfAPicture(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	found, all := 0, 0
	rounds := 10
	if raceEnabled {
		rounds = 2
	}
	for round := range rounds {
		s := &scene{w: 900, h: 620, ground: cloud(r, 90), noise: 3, blur: .6}
		want := map[string][4]point{}
		for i := range 2 + round%5 {
			p := randomPrint(t, r, 1+r.IntN(6), 'M')
			c := point{150 + 300*float64(i%3), 155 + 310*float64(i/3)}
			side := (2.5 + 2*r.Float64()) * float64(p.dim)
			st := &sticker{imprint: p, corner: quad(r, c, min(side, 170), 7*r.Float64(), .4*r.Float64()), quiet: 4}
			s.stickers = append(s.stickers, st)
			want[p.text] = st.corner
		}
		all += len(want)
		codes, err := decode(s.render(t, r).image(), calm(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range codes {
			corner, ok := want[c.Text]
			if !ok {
				t.Errorf("round %d: read %q, not there or once more", round, c.Text)
				continue
			}
			delete(want, c.Text)
			found++
			for k, p := range corner {
				if got := c.Corners[k]; distance(p, point{float64(got.X), float64(got.Y)}) > 12 {
					t.Errorf("round %d: corner %d is at %v; want %v", round, k, got, p)
				}
			}
		}
	}
	if found < all {
		t.Errorf("read %d of %d codes", found, all)
	}
}

// A code in a picture of 12 megapixels has its place there.
func TestPlacesInALargePicture(t *testing.T) {
	const module = 24
	code := drawn(t, "GP1:PLACE", module)
	img := image.NewGray(image.Rect(100, 200, 4100, 3200))
	draw.Draw(img, img.Rect, image.White, image.Point{}, draw.Src)
	draw.Draw(img, code.Rect.Add(image.Pt(2000, 1500)), code, image.Point{}, draw.Src)
	codes, err := decode(img, calm(t))
	if err != nil || len(codes) != 1 {
		t.Fatalf("%d codes, %v", len(codes), err)
	}
	if got, want := codes[0].Corners[0], image.Pt(2000+4*module, 1500+4*module); max(got.X-want.X, want.X-got.X, got.Y-want.Y, want.Y-got.Y) > module/2 {
		t.Errorf("the code is at %v; want %v", got, want)
	}
}
