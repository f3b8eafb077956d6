package qr

import (
	"image"
	"image/color"
	"image/draw"
	"testing"
)

// foreign is an image.Image that is none of package image's.
type foreign struct{ image.Image }

func TestLuminanceOfEveryKindOfPicture(t *testing.T) {
	r := image.Rect(-3, 5, 37, 35) // pictures need not begin at (0, 0)
	src := image.NewNRGBA(r)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			v := byte(6 * (x - r.Min.X))
			src.SetNRGBA(x, y, color.NRGBA{v, v, v, 255})
		}
	}
	src.SetNRGBA(0, 10, color.NRGBA{0, 0, 0, 0}) // transparent: as white as the paper behind
	var palette color.Palette
	for i := range 256 {
		palette = append(palette, color.Gray{byte(i)})
	}
	all := map[string]draw.Image{
		"RGBA": image.NewRGBA(r), "NRGBA": src, "Gray": image.NewGray(r), "Gray16": image.NewGray16(r), "RGBA64": image.NewRGBA64(r),
		"NRGBA64": image.NewNRGBA64(r), "Paletted": image.NewPaletted(r, palette), "CMYK": image.NewCMYK(r),
	}
	imgs := map[string]image.Image{"foreign": foreign{src}}
	white := image.NewNRGBA(r)
	draw.Draw(white, r, image.White, image.Point{}, draw.Src)
	draw.Draw(white, r, src, r.Min, draw.Over)
	for name, img := range all {
		switch name {
		case "RGBA", "RGBA64", "NRGBA64":
			draw.Draw(img, r, src, r.Min, draw.Src)
		case "NRGBA":
		default:
			draw.Draw(img, r, white, r.Min, draw.Src)
		}
		imgs[name] = img
	}
	ycc := image.NewYCbCr(r, image.YCbCrSubsampleRatio420)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			ycc.Y[ycc.YOffset(x, y)] = white.NRGBAAt(x, y).R
		}
	}
	imgs["YCbCr"] = ycc
	sub := image.Rect(0, 8, 30, 33)
	for name, img := range imgs {
		for _, part := range []image.Rectangle{r, sub} {
			if part == sub {
				s, ok := img.(interface {
					SubImage(image.Rectangle) image.Image
				})
				if !ok {
					continue
				}
				img = s.SubImage(part)
			}
			g := luminance(img, calm(t))
			if g.w != part.Dx() || g.h != part.Dy() {
				t.Errorf("%s: %d×%d; want %v", name, g.w, g.h, part)
				continue
			}
			for i, v := range g.pix {
				x, y := part.Min.X+i%g.w, part.Min.Y+i/g.w
				if want := int(white.NRGBAAt(x, y).R); int(v) < want-1 || int(v) > want+1 {
					t.Errorf("%s: at %d,%d %d; want %d", name, x, y, v, want)
					break
				}
			}
		}
	}
}

func TestALargePictureIsAveragedDown(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 5001, 3003), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(100 + 40*(i/img.YStride%2)) // fine lines
	}
	for x := range 5001 {
		for y := 1500; y < 1515; y++ {
			img.Y[y*img.YStride+x] = 0
		}
	}
	var g *gray
	if n := testing.AllocsPerRun(1, func() { g = luminance(img, calm(t)) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
	if g.w != 1667 || g.h != 1001 {
		t.Fatalf("%d×%d; want a third", g.w, g.h)
	}
	if v := g.row(10)[800]; v < 105 || v > 135 {
		t.Errorf("the lines are %d; want 120", v)
	}
	if v := g.row(502)[800]; v != 0 {
		t.Errorf("the line is %d; want 0", v)
	}
}

func TestAtIsBetweenPixelsAndGoesOnBeyondTheEdge(t *testing.T) {
	g := &gray{3, 2, []byte{0, 100, 200, 40, 140, 240}}
	for _, c := range []struct {
		p    point
		want float64
	}{{point{.5, .5}, 0}, {point{1, .5}, 50}, {point{1.5, 1}, 120}, {point{-9, -9}, 0}, {point{99, 99}, 240}, {point{99, .5}, 200}} {
		if got := g.at(c.p); got < c.want-.5 || got > c.want+.5 {
			t.Errorf("at %v: got %v, want %v", c.p, got, c.want)
		}
	}
}

func TestBoxHalfAndInverted(t *testing.T) {
	g := newGray(40, 30)
	for i := range g.pix {
		g.pix[i] = byte(i % 251)
	}
	box := g.box(2, calm(t))
	sum := 0
	for y := 8; y <= 12; y++ {
		for x := 18; x <= 22; x++ {
			sum += int(g.row(y)[x])
		}
	}
	if got := int(box.row(10)[20]); got != (sum+12)/25 {
		t.Errorf("box: got %d, want %d", got, (sum+12)/25)
	}
	half := g.half(calm(t))
	if half.w != 20 || half.h != 15 {
		t.Fatalf("half is %d×%d", half.w, half.h)
	}
	if got, want := int(half.row(3)[4]), (int(g.row(6)[8])+int(g.row(6)[9])+int(g.row(7)[8])+int(g.row(7)[9])+2)/4; got != want {
		t.Errorf("half: got %d, want %d", got, want)
	}
	if inv := g.inverted(calm(t)); inv.pix[7] != 255-g.pix[7] {
		t.Errorf("inverted: got %d", inv.pix[7])
	}
}
